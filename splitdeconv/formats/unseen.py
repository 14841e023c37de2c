"""What of a model nobody can see into: operators and layers whose computation the file does not state.

A transposed convolution in one of them is not found. A report that says that a model holds none has to name them.
"""

from collections import Counter
from collections.abc import Sequence

_SAYS = "what these compute cannot be seen, so a transposed convolution in them stays as it is"


def note(names: Sequence[str]) -> tuple[str, ...]:
    """What a report says of these; nothing if there are none."""
    if not names:
        return ()
    counts = Counter(names)
    shown = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in list(counts.items())[:8])
    more = f" and {len(counts) - 8} others" if len(counts) > 8 else ""
    advice = ""
    if "edgetpu-custom-op" in counts:
        advice = "; edgetpu-custom-op is a compiled program: convert the .tflite file that it was compiled from"
    return (f"{_SAYS}: {shown}{more}{advice}",)


def is_note(text: str) -> bool:
    """Whether this is a note that `note` makes."""
    return text.startswith(_SAYS)

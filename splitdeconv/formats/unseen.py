"""Notes on operators and layers whose computation the model file does not describe.

A transposed convolution inside one of them is not found, so a report that lists no transposed
convolutions must name them.
"""

from collections import Counter
from collections.abc import Sequence

_SAYS = "what these compute is unknown, so a transposed convolution inside them stays unchanged"


def note(names: Sequence[str]) -> tuple[str, ...]:
    """The note about these operators; empty if there are none."""
    if not names:
        return ()
    counts = Counter(names)
    shown = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in list(counts.items())[:8])
    more = f" and {len(counts) - 8} others" if len(counts) > 8 else ""
    advice = ""
    if "edgetpu-custom-op" in counts:
        advice = (
            "; edgetpu-custom-op is a compiled program: use the .tflite file it was compiled from"
        )
    return (f"{_SAYS}: {shown}{more}{advice}",)


def is_note(text: str) -> bool:
    """Whether this is a note made by `note`."""
    return text.startswith(_SAYS)

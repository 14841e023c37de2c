"""Short, unique labels for transposed convolutions whose full names are too long to show.

The TFLite converter names a fused operator after all its parts, ``NAME;NAME;NAME``, and may append
a number.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from ..errors import SplitDeconvError

_TRANSPOSED = re.compile(
    r"conv[a-z]*_?\d?d?_?transpose|transposed?_?conv|deconv|backprop_?input", re.IGNORECASE
)
_SHORT = 32  # characters that a column of a table has room for


def labels(names: Sequence[str]) -> list[str]:
    """One label per name: its most specific part, shortened to its end if that is long.

    Args:
        names: names of all layers of a model, in order; they may repeat.

    Returns:
        As many labels, all of them different.
    """
    shown = _unless_shared([_part(name) for name in names], names)
    for most in (_SHORT, 2 * _SHORT):
        shown = _replaced(shown, partial(_end, most=most))
    return _numbered(shown)


def finds(pattern: re.Pattern[str], names: Sequence[str]) -> list[bool]:
    """For each layer, whether a regular expression matches its name or its label."""
    both = zip(names, labels(names), strict=True)
    return [any(pattern.search(text) for text in one) for one in both]


def check_found(pattern: str, names: Sequence[str], where: str) -> None:
    """Refuse a pattern that matches no layer.

    Args:
        pattern: the regular expression.
        names: the names of all layers of a model.
        where: the name of the model in the error.

    Raises:
        SplitDeconvError: naming some of the layers.
    """
    if any(finds(re.compile(pattern), names)):
        return
    raise SplitDeconvError(
        "no transposed convolution has a name that matches --layers",
        where=where,
        expected="a regular expression that finds one of: "
        + (", ".join(labels(names)[:8]) or "none, the model has none"),
        got=pattern,
        fix="see splitdeconv inspect; without --layers all are chosen",
    )


def _part(name: str) -> str:
    """The part of a fused operator's name for the transposed convolution, else the longest."""
    parts = [part for part in name.split(";") if part] or [name]
    telling = [part for part in parts if _TRANSPOSED.search(part)]
    return telling[-1] if telling else max(parts, key=len)


def _unless_shared(texts: Sequence[str], whole: Sequence[str]) -> list[str]:
    """Replace every text that is not unique with the whole one."""
    counts = Counter(texts)
    return [text if counts[text] == 1 else full for text, full in zip(texts, whole, strict=True)]


def _replaced(texts: Sequence[str], shorten: Callable[[str], str]) -> list[str]:
    """Shorten every text whose short form is unique."""
    return _unless_shared([shorten(text) for text in texts], texts)


def _numbered(texts: Sequence[str]) -> list[str]:
    """Append numbers to texts that are not unique."""
    counts, taken, shown = Counter(texts), set(texts), []
    for text in texts:
        if counts[text] > 1:
            text = next(new for new in (f"{text} #{n}" for n in count(1)) if new not in taken)
            taken.add(text)
        shown.append(text)
    return shown


def _end(text: str, most: int) -> str:
    return text if len(text) <= most else "..." + text[3 - most :]

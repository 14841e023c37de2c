"""What a transposed convolution is called where its whole name is too long to show: short, and never the same twice.

A TFLite converter names a fused operator after all its parts, ``NAME;NAME;NAME``, and may append a number to that.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

_TRANSPOSED = re.compile(r"conv[a-z]*_?\d?d?_?transpose|transposed?_?conv|deconv|backprop_?input", re.IGNORECASE)
_SHORT = 32  # characters that a column of a table has room for


def labels(names: Sequence[str]) -> list[str]:
    """One label for each name: its telling part, cut to its end where that is long.

    Args:
        names: of all the layers of a model, in order; they may repeat.

    Returns:
        As many labels, all of them different.
    """
    found = _unless_shared([_part(name) for name in names], names)
    for most in (_SHORT, 2 * _SHORT):
        found = _replaced(found, partial(_end, most=most))
    return _numbered(found)


def finds(pattern: re.Pattern, names: Sequence[str]) -> list[bool]:
    """Whether a regular expression finds each of some layers, by its name or by its label."""
    both = zip(names, labels(names), strict=True)
    return [any(pattern.search(text) for text in one) for one in both]


def _part(name: str) -> str:
    """The part of a fused operator's name that is about the transposed convolution, else the longest."""
    parts = [part for part in name.split(";") if part] or [name]
    telling = [part for part in parts if _TRANSPOSED.search(part)]
    return telling[-1] if telling else max(parts, key=len)


def _unless_shared(texts: Sequence[str], whole: Sequence[str]) -> list[str]:
    """The texts, but the whole ones in place of those that come twice."""
    counts = Counter(texts)
    return [text if counts[text] == 1 else full for text, full in zip(texts, whole, strict=True)]


def _replaced(texts: Sequence[str], shorten: Callable[[str], str]) -> list[str]:
    """The texts, shortened where that leaves one that no other has."""
    return _unless_shared([shorten(text) for text in texts], texts)


def _numbered(texts: Sequence[str]) -> list[str]:
    """The texts, with numbers behind those that come twice."""
    counts, taken, found = Counter(texts), set(texts), []
    for text in texts:
        if counts[text] > 1:
            text = next(new for new in (f"{text} #{n}" for n in count(1)) if new not in taken)
            taken.add(text)
        found.append(text)
    return found


def _end(text: str, most: int) -> str:
    return text if len(text) <= most else "..." + text[3 - most :]

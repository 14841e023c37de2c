"""The arguments of a plan, checked: whole numbers, one or one for each axis, and paddings."""

from typing import Any, Literal, overload

from ..errors import SplitDeconvError, check_count, is_integer, shown
from .typing import Padding

#: Lengths and channels must fit 64-bit integers. Larger numbers are mistakes, and slow to print.
LARGEST = 2**62


def positive(value: Any, name: str) -> int:
    """`value` as an int.

    Raises:
        SplitDeconvError: not a whole number from 1 to `LARGEST`.
    """
    return check_count(value, name, name, most=LARGEST)


@overload
def per_axis(
    value: Any, rank: int, name: str, *, least: int = 1, optional: Literal[False] = False
) -> tuple[int, ...]: ...


@overload
def per_axis(
    value: Any, rank: int, name: str, *, least: int = 1, optional: bool
) -> tuple[int | None, ...]: ...


def per_axis(
    value: Any, rank: int, name: str, *, least: int = 1, optional: bool = False
) -> tuple[int | None, ...]:
    """Spread an int over `rank` dimensions, or check a sequence of them.

    Args:
        value: an int, or a list or tuple of `rank` of them.
        rank: spatial dimensions.
        name: of the argument, as an error names it.
        least: the smallest value allowed.
        optional: whether values may be None, which stays None.

    Raises:
        SplitDeconvError: another number of values, or a value out of range.
    """
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * rank
    if len(values) != rank or not all(_is_length(v, least, optional) for v in values):
        too_large = any(is_integer(v) and v > LARGEST for v in values)
        kind = "at most 2^62" if too_large else f"an integer of at least {least}"
        raise SplitDeconvError(
            f"invalid {name} for a {rank}-D transposed convolution",
            where=name,
            expected=f"{kind}, or {rank} of them" + (", or None" if optional else ""),
            got=shown(value),
        )
    return tuple(None if v is None else int(v) for v in values)


def _is_length(value: Any, least: int, optional: bool) -> bool:
    return optional if value is None else is_integer(value) and least <= value <= LARGEST


def padding_rules(padding: Padding, rank: int) -> tuple[str | tuple[int, int], ...]:
    """One of "SAME", "VALID" or a (before, end) pair for each dimension.

    Raises:
        SplitDeconvError: another padding.
    """
    if isinstance(padding, str) and padding.upper() in ("SAME", "VALID"):
        return (padding.upper(),) * rank
    pairs = padding if isinstance(padding, list | tuple) else ()
    if len(pairs) != rank or not all(
        isinstance(p, list | tuple) and len(p) == 2 and all(_is_length(v, 0, False) for v in p)
        for p in pairs
    ):
        raise SplitDeconvError(
            "invalid padding",
            where="padding",
            expected=f'"SAME", "VALID" or {rank} (before, end) pair(s) of crops >= 0',
            got=shown(padding),
        )
    return tuple((int(before), int(end)) for before, end in pairs)

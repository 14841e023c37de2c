"""Run-time lengths that follow from the length of a tensor's axis."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

_MOST = 2**31


@dataclass(frozen=True)
class Length:
    """``factor * n + offset``, where n is the length of an axis of a tensor.

    Args:
        tensor, axis: the axis of length n.
        factor, offset: the coefficients.
    """

    tensor: int
    axis: int
    factor: int = 1
    offset: int = 0

    def __add__(self, other: "int | Length") -> "Length":
        if isinstance(other, Length):
            if (self.tensor, self.axis) != (other.tensor, other.axis):
                return NotImplemented
            return replace(
                self, factor=self.factor + other.factor, offset=self.offset + other.offset
            )
        return replace(self, offset=self.offset + other)

    def __mul__(self, other: "int | Length") -> "Length":
        if isinstance(other, Length):
            return NotImplemented
        return replace(self, factor=self.factor * other, offset=self.offset * other)

    def __sub__(self, other: "int | Length") -> "Length":
        return self + other * -1

    def __rsub__(self, other: int) -> "Length":
        return self * -1 + other

    __radd__, __rmul__ = __add__, __mul__


#: A number in a shape: None if it is open.
Number: TypeAlias = int | Length | None


def bounded(value: Number) -> bool:
    """Whether a length, or the length it is computed from, fits into an int32."""
    numbers = (value.factor, value.offset) if isinstance(value, Length) else (value,)
    return all(number is None or abs(number) < _MOST for number in numbers)


def known_lengths(numbers: Iterable[Number]) -> list[int | None]:
    """Numbers with None also for those that follow from an open dimension."""
    return [None if isinstance(number, Length) else number for number in numbers]


def combined(function: Callable[[Any, Any], Any], a: Number, b: Number) -> Number:
    """An arithmetic operator on two lengths; None if unknown or the result is not a `Length`."""
    if a is None or b is None:
        return None
    try:
        return function(a, b)
    except TypeError:  # two lengths that are not related
        return None

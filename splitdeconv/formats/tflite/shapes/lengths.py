"""Lengths that are known only at run time, as far as they follow from the length of a tensor's axis."""

from dataclasses import dataclass, replace

_MOST = 2**31


@dataclass(frozen=True)
class Length:
    """``factor * n + offset``, where n is the length of an axis of a tensor.

    Args:
        tensor, axis: whose length n is.
        factor, offset: what is made of it.
    """

    tensor: int
    axis: int
    factor: int = 1
    offset: int = 0

    def __add__(self, other):
        if isinstance(other, Length):
            if (self.tensor, self.axis) != (other.tensor, other.axis):
                return NotImplemented
            return replace(self, factor=self.factor + other.factor, offset=self.offset + other.offset)
        return replace(self, offset=self.offset + other)

    def __mul__(self, other):
        if isinstance(other, Length):
            return NotImplemented
        return replace(self, factor=self.factor * other, offset=self.offset * other)

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return self * -1 + other

    __radd__, __rmul__ = __add__, __mul__


def bounded(value) -> bool:
    """Whether a length, or what it is computed from, is a number that an int32 holds."""
    numbers = (value.factor, value.offset) if isinstance(value, Length) else (value,)
    return all(number is None or abs(number) < _MOST for number in numbers)


def combined(function, a, b):
    """An operator of arithmetic on two lengths; None if one is unknown, or the result no such length."""
    if a is None or b is None:
        return None
    try:
        return function(a, b)
    except TypeError:  # of two lengths that have nothing to do with each other
        return None

"""A rewritten operator cut out of both models: everything between the tensor that the transposed
convolution reads and the one it writes, with its own weights, as a model that can be run.

Both tensors keep their names in the converted model. The cut is made on the files as they are, not
by the code that rewrote them.
"""

from dataclasses import dataclass


class UncutError(Exception):
    """Why an operator cannot be run alone, in words."""


@dataclass(frozen=True)
class Grid:
    """The values that a quantizer can tell apart: whole multiples of a step, within a range.

    Args:
        step: the quantizer's scale.
        low, high: the least and the greatest value.
    """

    step: float
    low: float
    high: float


@dataclass(frozen=True)
class Cut:
    """One operator of both models.

    Args:
        original, converted: the two parts, as the format's `load` takes them.
        grid: the steps of the quantizer that reads the operator; None if there is none.
    """

    original: object
    converted: object
    grid: Grid | None = None

"""One rewritten operator cut out of both models and made runnable.

The cut takes everything between the tensor that the transposed convolution reads and the tensor it
writes, with the model's own weights. Both tensors keep their names in the converted model, except
where operators behind the transposed convolution were folded into it: the cut then ends at the
result of the last of these. It is made from the files alone, without the code that rewrote them.
"""

from dataclasses import dataclass


class UncutError(Exception):
    """Why an operator cannot be run in isolation, as text for the user."""


@dataclass(frozen=True)
class Grid:
    """The values that a quantizer can represent: integer multiples of a step, within a range.

    Args:
        step: the quantizer's scale.
        low, high: the smallest and the largest value.
    """

    step: float
    low: float
    high: float


@dataclass(frozen=True)
class Cut:
    """One operator, cut out of both models.

    Args:
        original, converted: the two parts, as the format's `load` accepts them.
        grid: the grid of the quantizer that reads the operator; None if there is none.
    """

    original: object
    converted: object
    grid: Grid | None = None

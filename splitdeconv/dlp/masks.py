"""Structural zeros of a convolution: which taps read a real input, and which are real taps.

Both are exact and separable (a position is real if it is real along either axis), and both are decided by geometry
alone. Activations are zero in the border padding and where zeros were inserted; weights where a filter was extended.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class AxisMask:
    """One axis of a convolution. Output ``b`` at tap ``m`` reads position ``b*stride + start + m*dilation``.

    Args:
        outputs: outputs along the axis.
        stride, dilation: of the convolution.
        start: position that the first tap of the first output reads; negative where there is padding.
        inputs: real inputs along the axis.
        insertion: distance of the real inputs from one another: 1, or the stride whose zeros were inserted.
        weights: for each output phase that the convolution yields, whether each tap is real (else a zero-extension).
    """

    outputs: int
    stride: int
    start: int
    dilation: int
    inputs: int
    insertion: int
    weights: tuple[tuple[bool, ...], ...]

    @property
    def taps(self) -> int:
        """Taps per output, zeros included."""
        return len(self.weights[0])

    @property
    def extent(self) -> int:
        """Length of the map that is convolved: inserted zeros included, padding not."""
        return (self.inputs - 1) * self.insertion + 1

    @cached_property
    def activations(self) -> np.ndarray:
        """Whether an output's tap reads a real input: (outputs, taps), bool."""
        position = np.arange(self.outputs)[:, None] * self.stride + self.start + np.arange(self.taps) * self.dilation
        return (position >= 0) & (position < self.extent) & (position % self.insertion == 0)

    @cached_property
    def real(self) -> int:
        """Pairs of a real input and a real tap, over all outputs and phases."""
        return int((self.activations.sum(0) * np.array(self.weights)).sum())

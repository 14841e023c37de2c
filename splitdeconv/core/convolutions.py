"""The stride-1 convolutions of a plan: a window per axis, zero-padded where only sizes fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from .kernels import Kernels
from .phases import AxisPlan, Window


@dataclass(frozen=True, slots=True)
class Convolution:
    """One stride-1 convolution of a plan: a window per axis, and its output phases, row-major."""

    windows: tuple[Window, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def phases(self) -> tuple[tuple[int, ...], ...]:
        """Phase indices in the order of the output channel blocks."""
        return tuple(product(*(window.phases for window in self.windows)))

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Taps per axis; a zero means that the phases are empty and nothing is computed."""
        return tuple(window.length for window in self.windows)

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation per axis."""
        return tuple(window.dilation for window in self.windows)


def convolutions_of(
    axis_plans: Sequence[AxisPlan], kernels: Kernels | None = None
) -> tuple[Convolution, ...]:
    """The product of the axes' windows, leading axes slowest.

    Args:
        axis_plans: the split of each axis.
        kernels: the sizes that are accepted. A window that none of them holds stays as it is.
    """
    return tuple(
        _convolution(axis_plans, windows, kernels)
        for windows in product(*(split.windows for split in axis_plans))
    )


def issued(axis_plans: Sequence[AxisPlan], convolutions: Sequence[Convolution]) -> int:
    """Taps issued per channel pair; along an axis of open length, per block of outputs."""
    taps = sum(prod(made.kernel_size) * len(made.phases) for made in convolutions)
    return taps * prod(split.blocks for split in axis_plans)


def _convolution(
    axis_plans: Sequence[AxisPlan], windows: tuple[Window, ...], kernels: Kernels | None
) -> Convolution:
    size = tuple(window.length for window in windows)
    held = kernels.holding(size) if kernels is not None and 0 not in size else None
    if held is not None:
        parts = zip(axis_plans, windows, held, strict=True)
        windows = tuple(split.lengthened(window, length) for split, window, length in parts)
    sides = zip(axis_plans, windows, strict=True)
    return Convolution(windows, tuple(split.pads(window) for split, window in sides))

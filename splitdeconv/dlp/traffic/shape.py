"""A convolution as far as its traffic depends on it."""

from dataclasses import dataclass

from .tiling import Side


@dataclass(frozen=True)
class Shape:
    """A convolution, or all phases of a layer together.

    Args:
        height, width: the axes of the outputs; of several phases, the union of their windows.
        c_in: input channels.
        c_out: output channels of each phase.
        taps: of the filters of each phase.
        pieces: rows and columns of taps to run at a time; None for whole filters.
    """

    height: Side
    width: Side
    c_in: int
    c_out: int
    taps: tuple[int, ...]
    pieces: tuple[int, int] | None = None

    @property
    def filters(self) -> int:
        """Words of all filters."""
        return sum(self.taps) * self.c_in * self.c_out

    @property
    def outputs(self) -> int:
        """Outputs of one image."""
        return self.height.outputs * self.width.outputs * self.c_out * len(self.taps)

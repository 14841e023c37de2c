"""The convolutions of a layer as shapes: each alone, and all phases together."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from ..lowering import Work
from ..masks import AxisMask
from .shape import Shape
from .tiling import Side

#: The shapes of a layer's convolutions with how often each runs, and the shape of all together.
LayerShapes = tuple[tuple[tuple[int, Shape], ...], Shape | None]


def layers(work: Work, zeros: str) -> Iterator[tuple[LayerShapes, int]]:
    """The shapes of each layer, and its number of groups of channels.

    Args:
        work: M convolutions of L layers.
        zeros: where inserted zeros are; see `splitdeconv.dlp.traffic.placing`.
    """
    start = 0
    for layer in range(int(work.layer[-1]) + 1):
        stop = start
        while stop < len(work) and work.layer[stop] == layer:
            stop += 1
        entries = tuple(
            (int(work.times[at]), int(work.c_in[at]), int(work.c_out[at]), *work.axes[at])
            for at in range(start, stop)
        )
        yield _shapes(entries, zeros), int(work.groups[start])
        start = stop


@lru_cache(maxsize=4096)
def _shapes(
    entries: tuple[tuple[int, int, int, AxisMask, AxisMask], ...], zeros: str
) -> LayerShapes:
    apart = []
    for times, c_in, c_out, height, width in entries:
        sides = _side(height, zeros), _side(width, zeros)
        apart.append((times, Shape(*sides, c_in, c_out, (height.taps * width.taps,))))
    alike = len({shape.c_out for _, shape in apart}) == 1
    if sum(times for times, _ in apart) == 1 or not alike:
        return tuple(apart), None
    first = apart[0][1]
    heights, widths = ([getattr(shape, name) for _, shape in apart] for name in ("height", "width"))
    taps = tuple(shape.taps[0] for times, shape in apart for _ in range(times))
    return tuple(apart), Shape(_union(heights), _union(widths), first.c_in, first.c_out, taps)


def _side(axis: AxisMask, zeros: str) -> Side:
    """An axis; where zeros are in DRAM, they are words like others."""
    insertion = 1 if zeros in ("stored", "pass") else axis.insertion
    return Side(
        axis.outputs,
        axis.stride,
        axis.start,
        axis.taps,
        axis.dilation,
        axis.extent,
        insertion,
        zeros == "expanded",
    )


def _union(sides: Sequence[Side]) -> Side:
    """One window that covers those of all phases along an axis."""
    first = sides[0]
    start = min(side.start for side in sides)
    stop = max(side.start + side.reach for side in sides)
    window = (first.outputs, first.stride, start, stop - start, 1)
    return Side(*window, first.extent, first.insertion, first.zeros_held)

"""The least DRAM traffic of a convolution whose operands and sums share one buffer, and its nest.

accelforge's memories hold all tensors; the processor model has a buffer for each. Every way to
share a buffer is a choice of three buffers that together are no larger, so the least traffic with
a shared one is the least over these choices.
"""

from typing import Any, NamedTuple

import numpy as np

from splitdeconv.core.typing import NumpyArray
from splitdeconv.dlp.traffic.least import ROWS, run_once
from splitdeconv.dlp.traffic.nests import FiltersInside, FiltersKept, FiltersOutside, Order, orders
from splitdeconv.dlp.traffic.room import Room
from splitdeconv.dlp.traffic.shape import Shape
from splitdeconv.dlp.traffic.tiling import Side

# Sizes of a part, from a word to the whole buffer; then rounds of as many between the neighbours of
# the best one.
_SIZES = 40
_ROUNDS = 4
_INPUT, _FILTERS, _SUMS = ([(name, None)] for name in ("input", "weight", "output"))

#: Loops (a dimension and the size of its tiles) and operands that the buffer holds from there on
#: (with None), outermost first. Dimensions as in accelforge's workload: p rows, q columns, m
#: filters, c input channels.
Nest = list[tuple[str, int | None]]


class Least(NamedTuple):
    """The fewest words from and to DRAM; of outputs, with sums that go and return."""

    input: int
    weight: int
    output: int
    nest: Nest


def shape(row: dict[str, Any]) -> Shape:
    """A stated convolution over a map that holds its padding as words, as accelforge has it."""
    sides = [
        Side(int(row[f"out_{side}"]), int(row[f"stride_{side}"]), 0, *_window(row, side))
        for side in "hw"
    ]
    taps = int(row["taps_h"] * row["taps_w"])
    return Shape(*sides, int(row["c_in"]), int(row["c_out"]), (taps,))


def least(convolution: Shape, capacity: int) -> Least:
    """The best nest of a convolution that runs once.

    Args:
        convolution: of one phase.
        capacity: words of the buffer, which holds tiles of the inputs and of the filters, and the
            sums that are begun; a sum is as wide as a word.
    """
    inputs = sums = _sizes(1, capacity)
    best: NumpyArray = np.full(len(ROWS), np.inf)
    for _ in range(_ROUNDS):
        grid = [part.ravel() for part in np.meshgrid(inputs, sums)]
        split = np.stack([grid[0], capacity - grid[0] - grid[1], grid[1]])
        split = split[:, split[1] >= 1]
        found = run_once(convolution, _room(*split), 1)
        at = int(np.argmin(found[:3].sum(axis=0)))
        if found[:3, at].sum() < best[:3].sum():
            best = found[:, at]
        inputs, sums = _around(inputs, split[0, at]), _around(sums, split[2, at])
    words = int(best[0]), int(best[1]), int(best[2]) + convolution.outputs
    return Least(*words, _nest(convolution, dict(zip(ROWS, map(int, best), strict=True))))


def _nest(convolution: Shape, chosen: dict[str, int]) -> Nest:
    """The chosen nest, without loops of one turn."""
    order = orders(convolution, spill=True)[chosen["order"]]
    tiles = order.tiles.at(np.array([chosen["tile"]]))
    rows, columns = order.nests.sides
    sizes = {
        "p": int(rows.size[tiles.height[0]]),
        "q": int(columns.size[tiles.width[0]]),
        "c": chosen["chunk"],
    }
    outside = int(tiles.outside[0]) if isinstance(order, FiltersKept) else 0
    before = [name for bit, name in enumerate("pq") if outside >> bit & 1]
    inside = [name for name in "pq" if name not in before]
    # The input stays in the buffer, and slides, while the innermost loop goes along its axis.
    slides = [] if tiles.slides[0] < 0 else ["pq"[tiles.slides[0]]]
    still = [name for name in inside if name not in slides]
    loops = {name: [(name, size)] for name, size in sizes.items()}
    window = [*_all(loops, still), *_INPUT, *_all(loops, slides)]
    parts, held = _channels(order, chosen["place"])
    first, channels = _all(loops, before), loops["c"]
    if isinstance(order, FiltersInside):
        nest = [*first, *parts, *_SUMS, *channels, *window, *held, *_FILTERS]
    elif isinstance(order, FiltersKept):
        nest = [*first, *parts, *_SUMS, *channels, *_FILTERS, *window]
    elif isinstance(order, FiltersOutside):
        nest = [*channels, *parts, *_FILTERS, *window, *_SUMS]
    else:
        nest = [*channels, *window, *parts, *_FILTERS, *_SUMS]
    whole = {
        "p": convolution.height.outputs,
        "q": convolution.width.outputs,
        "c": convolution.c_in,
        "m": convolution.c_out,
    }
    return [(name, size) for name, size in nest if size is None or size < whole[name]]


def _channels(order: Order, place: int) -> tuple[Nest, Nest]:
    """Loops over the filters of a tile, and over those of it that the buffer holds."""
    tiles = order.nests.parts if isinstance(order, FiltersInside) else order.nests.filters
    return [("m", int(tiles.channels[place]))], [("m", int(tiles.held_channels[place]))]


def _all(loops: dict[str, Nest], names: list[str]) -> Nest:
    return [loop for name in names for loop in loops[name]]


def _window(row: dict[str, Any], side: str) -> tuple[int, int, int]:
    """Taps, dilation and extent of the padded map."""
    taps, dilation = int(row[f"taps_{side}"]), int(row[f"dilation_{side}"])
    last = (row[f"out_{side}"] - 1) * row[f"stride_{side}"] + (taps - 1) * dilation
    return taps, dilation, int(last) + 1


def _room(inputs: NumpyArray, filters: NumpyArray, sums: NumpyArray) -> Room:
    """Buffers of these sizes, and an array that keeps no sum while the input channels change."""
    columns = [inputs, filters, sums, *np.zeros((3, len(inputs))), np.ones(len(inputs))]
    whole = (np.reshape(column, (-1, 1)).astype(float) for column in columns)
    return Room(*whole, flow="output_stationary", policy="dram")


def _sizes(least: float, most: float) -> NumpyArray:
    return np.unique(np.geomspace(least, most, _SIZES).round())


def _around(sizes: NumpyArray, best: float) -> NumpyArray:
    """Sizes between the neighbours of the best one."""
    at = int(np.searchsorted(sizes, best))
    return _sizes(sizes[max(at - 1, 0)], sizes[min(at + 1, len(sizes) - 1)])

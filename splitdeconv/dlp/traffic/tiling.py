"""Every way to cut one axis of a convolution's outputs into equal tiles, and what each reads."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from ...core.typing import NumpyArray

# Above this many outputs, only the smallest tile of each number of tiles is considered.
_MOST_OUTPUTS = 2**16
# Points that the others are compared with, and comparisons that are made at once.
_STRONG, _MOST_CELLS = 64, 2**20


@dataclass(frozen=True)
class Side:
    """One axis of the outputs, and the positions of the input that each of them reads.

    Output ``b`` reads the positions from ``b*stride + start`` on, `taps` of them, `dilation` apart.

    Args:
        outputs, stride, start, taps, dilation: of the convolution.
        extent: positions of the map along this axis, padding not included.
        insertion: distance of the words that DRAM holds from one another: more than 1 if zeros lie
            between them that no memory off the chip holds.
        zeros_held: whether the buffer holds those zeros.
    """

    outputs: int
    stride: int
    start: int
    taps: int
    dilation: int
    extent: int
    insertion: int = 1
    zeros_held: bool = False

    @property
    def reach(self) -> int:
        """Positions from the first tap to the last."""
        return (self.taps - 1) * self.dilation + 1


@dataclass(frozen=True, eq=False)
class Tilings:
    """Tilings of an axis, none of which is worse than another in every respect; arrays (N,).

    Args:
        size: outputs of a tile; the last tile may have fewer.
        count: tiles.
        window: positions that the buffer holds for one tile, at most.
        apart: positions fetched for all tiles, each tile's window anew.
        sliding: positions fetched if a tile keeps what its successor reads, too.
    """

    size: NumpyArray
    count: NumpyArray
    window: NumpyArray
    apart: NumpyArray
    sliding: NumpyArray


@lru_cache(maxsize=4096)
def tilings(side: Side, taps: int | None = None) -> Tilings:
    """The tilings of an axis.

    Args:
        side: the axis.
        taps: run the filter in pieces of this many taps, one piece after the other; None for whole.
    """
    count, size = _sizes(side.outputs)
    first = np.cumsum(count) - count
    tile = np.arange(count.sum()) - np.repeat(first, count)
    step = np.repeat(size, count)
    begin = tile * step * side.stride
    end = (np.minimum((tile + 1) * step, side.outputs) - 1) * side.stride
    window, apart, sliding = (np.zeros(len(size), np.int64) for _ in range(3))
    for position in range(0, side.taps, taps or side.taps):
        last = min(position + (taps or side.taps), side.taps) - 1
        a = np.clip(begin + side.start + position * side.dilation, 0, side.extent)
        e = np.clip(end + side.start + last * side.dilation + 1, a, side.extent)
        spread = 1 if side.zeros_held else side.insertion
        window = np.maximum(window, np.maximum.reduceat(_words(a, e, spread), first))
        apart += np.add.reduceat(_words(a, e, side.insertion), first)
        before = np.where(tile == 0, 0, np.roll(e, 1))
        fresh = _words(np.minimum(np.maximum(a, before), e), e, side.insertion)
        sliding += np.add.reduceat(fresh, first)
    every = Tilings(size, count, window, apart, sliding)
    keep = _unbeaten(every)
    return Tilings(*(values[keep] for values in vars(every).values()))


def cuts(total: int) -> NumpyArray:
    """The sizes, descending, that cut a total into different numbers of parts."""
    counts = np.unique(-(-total // np.arange(1, total + 1)))
    return np.unique(-(-total // counts))[::-1]


def front(*columns: NumpyArray) -> NumpyArray:
    """Places, ascending, of points without most of those that another one beats.

    A point is beaten if another is as small in every column and smaller in one. Only the few points
    that are small in all columns together are tried against the others: this removes nearly all
    that can be removed, in a fraction of the time.
    """
    volume = np.sum([np.log1p(column) for column in columns], axis=0)
    kept: NumpyArray = np.ones(len(volume), dtype=bool)
    strong = np.argpartition(volume, min(_STRONG, len(volume)) - 1)[:_STRONG]
    step = max(1, _MOST_CELLS // len(volume))
    for first in range(0, len(strong), step):
        points = strong[first : first + step, None]
        beaten: NumpyArray = volume > volume[points]
        for column in columns:
            beaten &= column >= column[points]
        kept &= ~beaten.any(axis=0)
    return np.flatnonzero(kept)


def pieces(height: Side, width: Side) -> list[tuple[int, int]]:
    """Shapes of taps to cut a filter into: rows of it, then parts of one row; large ones first."""
    rows = [(int(taps), width.taps) for taps in cuts(height.taps)]
    parts = product([1], map(int, cuts(width.taps)))
    return [*rows, *(part for part in parts if part not in rows)][1:]


def _sizes(outputs: int) -> tuple[NumpyArray, NumpyArray]:
    """Number of tiles and outputs of each, for every size of a tile."""
    size = cuts(outputs) if outputs > _MOST_OUTPUTS else np.arange(1, outputs + 1)
    return -(-outputs // size), size


def _words(begin: NumpyArray, end: NumpyArray, spread: int) -> NumpyArray:
    """Multiples of `spread` in each range."""
    return -(-end // spread) + -begin // spread


def _unbeaten(every: Tilings) -> NumpyArray:
    """Places of the tilings worth a look, so few that pairs of two axes stay few."""
    # Of the same number of tiles the smallest tile is best, but for a larger one whose boundaries
    # fall into the padding.
    order = np.lexsort((every.size, every.count))
    starts = np.flatnonzero(np.diff(every.count[order], prepend=-1))
    least = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    better = order == least
    for reads in (every.window, every.apart, every.sliding):
        better |= reads[order] < reads[least]
    some = np.sort(order[better])
    return some[front(*(values[some] for values in vars(every).values()))]

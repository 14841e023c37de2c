"""Structural zeros of a convolution, and the work of an array that remains when they are skipped.

Which taps read a real input, and which taps are real, is exact and decided by geometry alone.
Activations are zero in the border padding and where zeros were inserted; weights where a filter was
extended. Both are separable: real means real along both axes. Tiles of an array are not, because a
run of outputs in row-major order spans rows and images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from math import gcd
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from ..core.typing import NumpyArray


@dataclass(frozen=True)
class AxisMask:
    """One axis of a convolution.

    Output ``b`` at tap ``m`` reads position ``b*stride + start + m*dilation``.

    Args:
        outputs: outputs along the axis.
        stride, dilation: of the convolution.
        start: position that the first tap of the first output reads; negative where there is
            padding.
        inputs: real inputs along the axis.
        insertion: distance of the real inputs from one another: 1, or the stride whose zeros were
            inserted.
        weights: for each output phase that the convolution yields, whether each tap is real (else a
            zero-extension).
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
    def phases(self) -> int:
        """Output phases along the axis, side by side on the channels."""
        return len(self.weights)

    @property
    def extent(self) -> int:
        """Length of the map that is convolved: inserted zeros included, padding not."""
        return (self.inputs - 1) * self.insertion + 1

    @cached_property
    def activations(self) -> NumpyArray:
        """Whether an output's tap reads a real input: (outputs, taps), bool."""
        position = (
            np.arange(self.outputs)[:, None] * self.stride
            + self.start
            + np.arange(self.taps) * self.dilation
        )
        return (position >= 0) & (position < self.extent) & (position % self.insertion == 0)

    @cached_property
    def real(self) -> int:
        """Pairs of a real input and a real tap, over all outputs and phases."""
        return int((self.activations.sum(0) * np.array(self.weights)).sum())


#: The height and the width of a convolution.
Axes: TypeAlias = tuple[AxisMask, AxisMask]


class PixelTiles(NamedTuple):
    """Where tiles of output pixels read anything: per tap, row-major, shape (taps_h * taps_w,)."""

    tiles: NumpyArray
    """Tiles in which at least one pixel's tap reads a real input."""
    pixels: NumpyArray
    """Pixels in those tiles."""


class ChannelTiles(NamedTuple):
    """The kinds of tiles of output channels.

    A tap is real if it is in any phase that has a channel in the tile.
    """

    masks: NumpyArray
    """Real taps of each kind, row-major: (kinds, taps_h * taps_w), bool."""
    tiles: NumpyArray
    """Tiles of each kind: (kinds,)."""
    channels: NumpyArray
    """Channels in them: (kinds,)."""


_Counts = TypeVar("_Counts", PixelTiles, ChannelTiles)
#: What rectangles need along height and width: (tiles, taps) each.
_Rectangles: TypeAlias = tuple[NumpyArray, NumpyArray]


@lru_cache(maxsize=8192)
def pixel_tiles(height: AxisMask, width: AxisMask, size: int, batch: int = 1) -> PixelTiles:
    """Cut a batch of output maps into tiles of pixels, and count for each tap where it is needed.

    Args:
        height, width: the convolution's axes.
        size: pixels per tile, in row-major order; a tile runs on into the next row and the next
            image, the last may be smaller.
        batch: images.
    """
    if width.outputs % size == 0:
        # No tile leaves its row, so the count is separable like the mask.
        columns = width.activations.reshape(-1, size, width.taps).any(1)
        tiles = batch * np.outer(height.activations.sum(0), columns.sum(0)).ravel()
        return _frozen(PixelTiles(tiles, tiles * size))
    # After this many images a tile ends where an image does.
    period = size // gcd(height.outputs * width.outputs, size)
    periods, rest = divmod(batch, period)
    tiles, last = _tiles(height, width, size, min(period, batch))
    if not periods:
        return _frozen(PixelTiles(tiles, tiles * size - last))
    tiles = periods * tiles
    pixels = tiles * size
    if rest:
        counted = pixel_tiles(height, width, size, rest)
        tiles, pixels = tiles + counted.tiles, pixels + counted.pixels
    return _frozen(PixelTiles(tiles, pixels))


@lru_cache(maxsize=8192)
def tiles_by_taps(
    height: AxisMask, width: AxisMask, size: int, batch: int = 1, skip: str = "WA"
) -> NumpyArray:
    """How many tiles of pixels keep how many taps.

    Args:
        height, width, size, batch: as for `pixel_tiles`.
        skip: a tile leaves out a tap that reads no real input at any of its pixels ("A"), or that
            is real in no phase ("W"), or either ("WA").

    Returns:
        int64 of shape (taps_h * taps_w + 1,): by number of taps, the tiles.
    """
    rows, columns = (_kept_taps(axis, skip) for axis in (height, width))
    most = height.taps * width.taps + 1
    if width.outputs % size == 0:
        across = columns.reshape(-1, size, width.taps).any(1).sum(1)
        counts = batch * np.bincount(np.outer(rows.sum(1), across).ravel(), minlength=most)
        return _read_only(counts)
    period = size // gcd(height.outputs * width.outputs, size)
    periods, rest = divmod(batch, period)
    counts = np.zeros(most, np.int64)
    for parts in _tiled(rows, columns, size, min(period, batch)):
        counts += max(periods, 1) * np.bincount(_size(parts), minlength=most)
    if periods and rest:
        counts += tiles_by_taps(height, width, size, rest, skip)
    return _read_only(counts)


def _kept_taps(axis: AxisMask, skip: str) -> NumpyArray:
    """Whether an output needs a tap, of those that are not skipped: (outputs, taps), bool."""
    kept = axis.activations if "A" in skip else np.ones_like(axis.activations)
    return kept & np.array(axis.weights).any(0) if "W" in skip else kept


def _tiles(
    height: AxisMask, width: AxisMask, size: int, images: int
) -> tuple[NumpyArray, NumpyArray]:
    """Tiles per tap over `images`, and the pixels that a last tile lacks at the taps it needs."""
    rows, columns = height.activations, width.activations
    total = images * height.outputs * width.outputs
    count = -(-total // size)
    tiles = sum(map(_count, _tiled(rows, columns, size, images)), np.zeros(1, np.int64))
    last = np.array([(count - 1) * size])
    lacking = count * size - total
    return tiles, lacking * _count(_parts(rows, columns, last, np.array([total])))


def _tiled(
    rows: NumpyArray, columns: NumpyArray, size: int, images: int
) -> Iterator[list[_Rectangles]]:
    """All tiles over `images`, as `_parts` has them, a few megabytes at a time."""
    total = images * len(rows) * len(columns)
    count = -(-total // size)
    # Counts stay far below 2^24, so that a fast product in float32 is exact.
    step = max(1, 2**18 // (rows.shape[1] + columns.shape[1]))
    for first in range(0, count, step):
        start = np.arange(first, min(first + step, count)) * size
        yield _parts(rows, columns, start, np.minimum(start + size, total))


def _parts(
    rows: NumpyArray, columns: NumpyArray, start: NumpyArray, stop: NumpyArray
) -> list[_Rectangles]:
    """The tiles ``start .. stop - 1`` as up to three rectangles each.

    They are the rest of a row, whole rows, and a row's beginning.

    Args:
        rows, columns: what an output needs along height and width: (outputs, taps), bool.
        start, stop: of each tile, pixels of the batch.

    Returns:
        Pairs of what is needed along height and width: float32 of (tiles, taps); a rectangle that
            is empty has zeros.
    """
    (high, taps_h), (per_row, taps_w) = rows.shape, columns.shape
    seen = np.concatenate([np.zeros((1, taps_w), int), columns.cumsum(0)])
    first, last = start // per_row, (stop - 1) // per_row
    end = (stop - 1) % per_row + 1
    spans = last > first
    head = seen[np.where(spans, per_row, end)] - seen[start % per_row] > 0
    parts = [(rows[first % high], head)]
    if spans.any():
        parts.append((rows[last % high], seen[np.where(spans, end, 0)] > 0))
    between = np.minimum(np.maximum(last - first - 1, 0), high)
    if between.any():
        # Repeated, because the rows continue in the next image.
        stacked = np.concatenate([np.zeros((1, taps_h), int), np.tile(rows, (2, 1)).cumsum(0)])
        above = (first + 1) % high
        whole = stacked[above + between] - stacked[above] > 0
        parts.append((whole, np.broadcast_to(seen[-1] > 0, (len(start), taps_w))))
    return [(a.astype(np.float32), b.astype(np.float32)) for a, b in parts]


def _overlaps(parts: Sequence[_Rectangles]) -> Iterator[tuple[int, NumpyArray, NumpyArray]]:
    """Inclusion-exclusion over the rectangles of tiles: a sign, and what they have in common."""
    for number in range(1, len(parts) + 1):
        for chosen in combinations(parts, number):
            rows, columns = (np.prod(side, axis=0) for side in zip(*chosen, strict=True))
            yield (-1) ** (number + 1), rows, columns


def _count(parts: Sequence[_Rectangles]) -> NumpyArray:
    """Tiles per tap that any of the rectangles needs: matrix products instead of a 3-D mask."""
    total = sum(
        (sign * (rows.T @ columns) for sign, rows, columns in _overlaps(parts)), np.zeros(1)
    )
    return total.ravel().astype(np.int64)


def _size(parts: Sequence[_Rectangles]) -> NumpyArray:
    """Taps per tile that any of its rectangles needs."""
    total = sum(
        (sign * rows.sum(1) * columns.sum(1) for sign, rows, columns in _overlaps(parts)),
        np.zeros(1),
    )
    return total.astype(np.int64)


@lru_cache(maxsize=8192)
def channel_tiles(height: AxisMask, width: AxisMask, channels: int, size: int) -> ChannelTiles:
    """Cut the output channels into tiles of `size`, and find the taps of each.

    Args:
        height, width: the convolution's axes.
        channels: of each phase; stacked phases follow one another, the width's fastest.
        size: channels per tile; the last may be smaller.
    """
    rows, columns = (np.array(axis.weights, dtype=int) for axis in (height, width))
    phases = np.einsum("ay,bx->abyx", rows, columns).reshape(len(rows) * len(columns), -1)
    seen = np.concatenate([np.zeros_like(phases[:1]), phases.cumsum(0)])
    start = np.arange(0, len(phases) * channels, size)
    stop = np.minimum(start + size, len(phases) * channels)
    kinds, which = np.unique(
        start // channels * len(phases) + (stop - 1) // channels, return_inverse=True
    )
    first, last = np.divmod(kinds, len(phases))
    widths = np.bincount(which, weights=stop - start).astype(np.int64)
    return _frozen(ChannelTiles(seen[last + 1] - seen[first] > 0, np.bincount(which), widths))


def _frozen(counts: _Counts) -> _Counts:
    """The arrays are shared by all callers of the cache."""
    for array in counts:
        _read_only(array)
    return counts


def _read_only(array: NumpyArray) -> NumpyArray:
    array.flags.writeable = False
    return array

"""Steps of an array that are left when structural zeros are skipped, and tiles that stay in it.

How many are left is counted for many processors at once. Of an output-stationary array, a step is
issued where the tile of pixels needs a tap and the tile of channels has it, whatever the other
tiles do. So over all pairs of tiles the count is, for each tap, the tiles of pixels that need it
times the tiles of channels that have it. Either depends on one size of the array, which is what
makes sweeps cheap: few distinct sizes, one table per convolution, looked up for each processor.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.typing import NumpyArray
from .lowering import Work
from .machine import Counts
from .masks import Axes, channel_tiles, pixel_tiles, tiles_by_taps


def issued(
    work: Work, size: Counts, cols: Counts, batch: Counts, skip: str, unit: str
) -> NumpyArray:
    """Steps per input channel, or the lanes occupied in them.

    Args:
        work: M convolutions, from `lower`.
        size: pixels per tile.
        cols: channels per tile.
        batch: images. These three are numbers or arrays that broadcast against shape (M,).
        skip: "none", "A", "W" or "WA".
        unit: "tiles" counts pairs of a tile of pixels and one of channels, "lanes" pairs of a pixel
            and a channel.

    Returns:
        int64 that broadcasts to (..., M).
    """
    if skip == "none":
        pixels, taps = work.out_h * work.out_w * batch, work.taps_h * work.taps_w
        if unit == "tiles":
            return ceil(pixels, size) * ceil(work.c_out, cols) * taps
        return pixels * work.c_out * taps

    def table(
        entry: int, sizes: Sequence[int], batches: Sequence[int], widths: Sequence[int]
    ) -> NumpyArray:
        axes, c_out = work.axes[entry], int(work.c_out[entry])
        needed = np.array([[_needed(axes, r, b, skip, unit) for b in batches] for r in sizes])
        kept = np.array([_kept(axes, c_out, c, skip, unit) for c in widths])
        return needed @ kept.T

    return _looked_up(work, table, size, batch, cols)


def weight_tiles(work: Work, rows: Counts, cols: Counts, skip: str) -> NumpyArray:
    """Tiles of filter rows and output channels that a weight-stationary array holds in turn.

    Arguments and result as for `issued`; `rows` are filter rows, and `skip` is "none" or "W".
    """
    if skip == "none":
        return ceil(work.taps_h * work.taps_w * work.c_in, rows) * ceil(work.c_out, cols)

    def table(entry: int, sizes: Sequence[int], widths: Sequence[int]) -> NumpyArray:
        axes, c_in, c_out = work.axes[entry], int(work.c_in[entry]), int(work.c_out[entry])
        channels = c_out // (axes[0].phases * axes[1].phases)
        kinds = [channel_tiles(*axes, channels, c) for c in widths]
        return np.array([[-(-k.masks.sum(1) * c_in // r) @ k.tiles for k in kinds] for r in sizes])

    return _looked_up(work, table, rows, cols)


def input_tiles(work: Work, rows: Counts, cols: Counts, batch: Counts, skip: str) -> NumpyArray:
    """Tiles of filter rows and pixels that an input-stationary array holds in turn.

    Arguments and result as for `issued`; `rows` are filter rows, `cols` pixels.
    """
    if skip == "none":
        pixels = work.out_h * work.out_w * batch
        return ceil(work.taps_h * work.taps_w * work.c_in, rows) * ceil(pixels, cols)

    def table(
        entry: int, sizes: Sequence[int], widths: Sequence[int], batches: Sequence[int]
    ) -> NumpyArray:
        axes, c_in = work.axes[entry], int(work.c_in[entry])
        counts = [[tiles_by_taps(*axes, c, b, skip) for b in batches] for c in widths]
        taps = np.arange(axes[0].taps * axes[1].taps + 1)
        folds = np.array([-(-taps * c_in // r) for r in sizes])
        return np.einsum("rt,cbt->rcb", folds, np.array(counts))

    return _looked_up(work, table, rows, cols, batch)


def ceil(value: Counts, size: Counts) -> NumpyArray:
    """How often `size` fits into `value`, rounded up."""
    return -(-np.asarray(value) // size)


def whole(*values: Counts) -> list[NumpyArray]:
    """Numbers or arrays as arrays of int64."""
    return [np.asarray(value, dtype=np.int64) for value in values]


def _needed(axes: Axes, size: int, batch: int, skip: str, unit: str) -> NumpyArray:
    """For each tap the tiles of pixels, or their pixels, that are not skipped."""
    if "A" in skip:
        counted = pixel_tiles(*axes, size, batch)
        return counted.tiles if unit == "tiles" else counted.pixels
    pixels = axes[0].outputs * axes[1].outputs * batch
    return np.full(axes[0].taps * axes[1].taps, -(-pixels // size) if unit == "tiles" else pixels)


def _kept(axes: Axes, c_out: int, size: int, skip: str, unit: str) -> NumpyArray:
    """For each tap the tiles of channels, or their channels, that are not skipped."""
    if "W" in skip:
        kinds = channel_tiles(*axes, c_out // (axes[0].phases * axes[1].phases), size)
        return (kinds.tiles if unit == "tiles" else kinds.channels) @ kinds.masks
    return np.full(axes[0].taps * axes[1].taps, -(-c_out // size) if unit == "tiles" else c_out)


def _looked_up(work: Work, table: Callable[..., NumpyArray], *settings: Counts) -> NumpyArray:
    """``table(entry, *distinct values)`` for each convolution, at the settings."""
    distinct, places = list[Any](), list[Any]()
    for values in map(np.atleast_1d, whole(*settings)):
        different, place = np.unique(values, return_inverse=True)
        distinct.append(different.tolist())
        places.append(place.reshape(values.shape))
    shape = np.broadcast_shapes(*(place.shape for place in places), (len(work),))
    counts: NumpyArray = np.empty(shape, dtype=np.int64)
    for entry in range(len(work)):
        at = tuple(place[..., entry if place.shape[-1] > 1 else 0] for place in places)
        counts[..., entry] = table(entry, *distinct)[at]
    return counts

"""Cycles of the two arrays, and the multiplications that they issue.

With ``P`` output pixels of the whole batch, ``T`` taps and an array of ``R`` rows and ``C``
columns, nothing skipped:

===================  ==========================================================
dataflow             cycles of one convolution
===================  ==========================================================
output stationary    ``ceil(P/R) * ceil(Cout/C) * (T*Cin + R + C - 2) - 1``
weight stationary    ``ceil(T*Cin/R) * ceil(Cout/C) * (P + 2*R + C - 2) - 1``
dot product          ``ceil(Cin/R) * ceil(Cout/C) * P * T``
===================  ==========================================================

Rows are pixels, filter rows, and the multipliers of a unit, in this order; columns are output
channels, in a dot-product array its units.

The first two include fill and drain and are the cycles of SCALE-Sim 3.0.0 (Samajdar et al., arXiv
1811.02883). They apply to arrays of more than one multiplier; without fill and drain, the 1 is not
subtracted.

Skipping removes steps whose products are all zero by structure. Output stationary: a step is a tap
of an input channel, for a tile of ``R`` consecutive pixels and one of ``C`` channels; "A" removes
it if no pixel of the tile reads a real input, "W" if no channel of the tile has a real tap, "WA" if
either. Fill and drain of the tile remain. Dot product: likewise, pixel by pixel, because a zero
pixel is zero in all input channels. Weight stationary: "W" leaves out filter rows that are zero in
all columns of a tile; rows of different taps advance together, so that activations cannot be
skipped.

How many steps are left is counted for many processors at once. A step is issued where the tile of
pixels needs a tap and the tile of channels has it, whatever the other tiles do. So over all pairs
of tiles the count is, for each tap, the tiles of pixels that need it times the tiles of channels
that have it. Either depends on one size of the array, which is what makes sweeps cheap: few
distinct sizes, one table per convolution, looked up for each processor.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.typing import NumpyArray
from ..errors import SplitDeconvError, check_choice
from .lowering import Work
from .machine import Counts, MultiplierArray
from .masks import Axes, channel_tiles, pixel_tiles

DATAFLOWS = ("output_stationary", "weight_stationary", "dot_product")
SKIPS = ("none", "A", "W", "WA")


def output_stationary(
    pixels: Counts, taps: Counts, c_in: Counts, c_out: Counts, rows: Counts, cols: Counts
) -> NumpyArray:
    """Cycles of an output-stationary systolic array that skips nothing; arguments broadcast.

    Args:
        pixels: output pixels, of the whole batch.
        taps: of the filter, in both axes together.
        c_in, c_out: channels.
        rows, cols: the array's pixels and output channels.
    """
    tiles = _ceil(pixels, rows) * _ceil(c_out, cols)
    return tiles * taps * c_in + _in_turn(tiles, rows + cols - 2)


def weight_stationary(
    pixels: Counts, taps: Counts, c_in: Counts, c_out: Counts, rows: Counts, cols: Counts
) -> NumpyArray:
    """Cycles of a weight-stationary systolic array that skips nothing; as `output_stationary`.

    Here `rows` are filter rows, the products of taps and input channels.
    """
    tiles = _ceil(np.multiply(taps, c_in), rows) * _ceil(c_out, cols)
    return _in_turn(tiles, pixels + 2 * rows + cols - 2)


def dot_product(
    pixels: Counts, taps: Counts, c_in: Counts, c_out: Counts, rows: Counts, cols: Counts
) -> NumpyArray:
    """Cycles of a dot-product array that skips nothing; arguments as for `output_stationary`.

    Here `rows` are the input channels that a unit multiplies at a time, `cols` the units.
    """
    return _ceil(c_in, rows) * _ceil(c_out, cols) * pixels * taps


def compute_cycles(
    work: Work,
    processor: MultiplierArray,
    skip: str = "none",
    dataflow: str | None = None,
    batch: Counts = 1,
) -> NumpyArray:
    """Cycles of the array, with fill and drain and without stalls for memory.

    Args:
        work: M convolutions, from `lower`.
        processor: has `rows`, `cols`, `dataflows` and `skipping`; rows and columns are numbers, or
            arrays that broadcast against shape (M,), such as (K, 1) for K processors.
        skip: "none", "A" (activations), "W" (weights) or "WA".
        dataflow: one of the processor's; None for its first.
        batch: images, a number or an array like `rows`.

    Returns:
        int64 of shape (..., M): the cycles of each convolution, run once.

    Raises:
        SplitDeconvError: the processor does not have that dataflow or skipping mode.
    """
    flow = check_run(processor, skip, dataflow)
    rows, cols, batch = _whole(processor.rows, processor.cols, batch)
    pixels = work.out_h * work.out_w * batch
    if flow == "weight_stationary":
        cycles = _in_turn(weight_tiles(work, rows, cols, skip), pixels + 2 * rows + cols - 2)
    elif flow == "output_stationary":
        tiles = _ceil(pixels, rows) * _ceil(work.c_out, cols)
        steps = issued(work, rows, cols, batch, skip, "tiles")
        cycles = steps * work.c_in + _in_turn(tiles, rows + cols - 2)
    else:
        cycles = _ceil(work.c_in, rows) * issued(work, 1, cols, batch, skip, "tiles")
    return work.groups * cycles


def issued_macs(
    work: Work,
    processor: MultiplierArray,
    skip: str = "none",
    dataflow: str | None = None,
    batch: Counts = 1,
) -> NumpyArray:
    """Multiplications that receive operands: the occupied lanes of every step that is not skipped.

    Arguments, shape and errors as for `compute_cycles`.
    """
    flow = check_run(processor, skip, dataflow)
    # Only a tile of pixels keeps idle lanes: others decide by pixel, or skip no activations.
    size = processor.rows if flow == "output_stationary" else 1
    lanes = issued(work, size, processor.cols, batch, skip, "lanes")
    shape = np.broadcast_shapes(lanes.shape, np.shape(processor.rows), np.shape(processor.cols))
    return np.broadcast_to(work.c_in * work.groups * lanes, shape)


def real_macs(work: Work, batch: Counts = 1) -> NumpyArray:
    """Multiplications of a real activation and a real weight, which no skipping can remove."""
    pairs = np.array([h.real * w.real for h, w in work.axes], dtype=np.int64)
    phases = np.array([h.phases * w.phases for h, w in work.axes])
    return batch * work.groups * work.c_in * (work.c_out // phases) * pairs


def fill_cycles(
    work: Work,
    processor: MultiplierArray,
    skip: str = "none",
    dataflow: str | None = None,
    batch: Counts = 1,
) -> NumpyArray:
    """Cycles of `compute_cycles` in which the array is only filled or drained.

    Arguments, shape and errors as for `compute_cycles`; a dot-product array has none.
    """
    flow = check_run(processor, skip, dataflow)
    if flow == "dot_product":
        return np.zeros_like(work.groups)
    rows, cols, batch = _whole(processor.rows, processor.cols, batch)
    if flow == "output_stationary":
        length = rows + cols - 2
        tiles = _ceil(work.out_h * work.out_w * batch, rows) * _ceil(work.c_out, cols)
    else:
        length = 2 * rows + cols - 2
        tiles = weight_tiles(work, rows, cols, skip)
    return work.groups * _in_turn(tiles, length)


def check_run(processor: MultiplierArray, skip: str, dataflow: str | None = None) -> str:
    """The dataflow to run, after a check that the processor supports it.

    Args:
        processor: has `dataflows` and `skipping`, and perhaps a `name`.
        skip: one of `SKIPS`.
        dataflow: one of the processor's; None for its first.

    Raises:
        SplitDeconvError: as `compute_cycles`.
    """
    where = f"processor {getattr(processor, 'name', '')}".strip()
    flow = processor.dataflows[0] if dataflow is None else dataflow
    check_choice(flow, processor.dataflows, "dataflow", where)
    check_choice(skip, SKIPS, "skip", where)
    if skip not in processor.skipping:
        raise SplitDeconvError(
            "the processor does not support that skipping mode",
            where=where,
            expected=", ".join(processor.skipping),
            got=f"skip {skip!r}",
        )
    if flow == "weight_stationary" and "A" in skip:
        raise SplitDeconvError(
            "a weight-stationary array cannot skip activations: "
            "its rows hold taps whose zeros do not coincide",
            where=where,
            expected="skip 'none' or 'W', or another dataflow",
            got=f"skip {skip!r}",
        )
    return flow


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
            return _ceil(pixels, size) * _ceil(work.c_out, cols) * taps
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
        return _ceil(work.taps_h * work.taps_w * work.c_in, rows) * _ceil(work.c_out, cols)

    def table(entry: int, sizes: Sequence[int], widths: Sequence[int]) -> NumpyArray:
        axes, c_in, c_out = work.axes[entry], int(work.c_in[entry]), int(work.c_out[entry])
        channels = c_out // (axes[0].phases * axes[1].phases)
        kinds = [channel_tiles(*axes, channels, c) for c in widths]
        return np.array([[-(-k.masks.sum(1) * c_in // r) @ k.tiles for k in kinds] for r in sizes])

    return _looked_up(work, table, rows, cols)


def _in_turn(tiles: NumpyArray, length: Counts) -> NumpyArray:
    """Cycles of tiles of that length each; an array of one multiplier may have none."""
    return np.maximum(tiles * length - 1, 0)


def _whole(*values: Counts) -> list[NumpyArray]:
    return [np.asarray(value, dtype=np.int64) for value in values]


def _ceil(value: Counts, size: Counts) -> NumpyArray:
    return -(-np.asarray(value) // size)


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
    for values in map(np.atleast_1d, _whole(*settings)):
        different, place = np.unique(values, return_inverse=True)
        distinct.append(different.tolist())
        places.append(place.reshape(values.shape))
    shape = np.broadcast_shapes(*(place.shape for place in places), (len(work),))
    counts: NumpyArray = np.empty(shape, dtype=np.int64)
    for entry in range(len(work)):
        at = tuple(place[..., entry if place.shape[-1] > 1 else 0] for place in places)
        counts[..., entry] = table(entry, *distinct)[at]
    return counts

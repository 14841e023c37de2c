"""Cycles of the two arrays, and the multiplications that they issue.

With ``P`` output pixels of the whole batch, ``T`` taps and an array of ``R`` rows and ``C``
columns, nothing skipped:

===================  ==========================================================
dataflow             cycles of one convolution
===================  ==========================================================
output stationary    ``ceil(P/R) * ceil(Cout/C) * (T*Cin + R + C - 2) - 1``
weight stationary    ``ceil(T*Cin/R) * ceil(Cout/C) * (P + 2*R + C - 2) - 1``
input stationary     ``ceil(T*Cin/R) * ceil(P/C) * (Cout + 2*R + C - 2) - 1``
dot product          ``ceil(Cin/R) * ceil(Cout/C) * P * T``
===================  ==========================================================

Rows are pixels, filter rows, filter rows, and the multipliers of a unit, in this order; columns are
output channels, of an input-stationary array pixels, of a dot-product array its units.

The first three include fill and drain and are the cycles of SCALE-Sim 3.0.0 (Samajdar et al., arXiv
1811.02883). They apply to arrays of more than one multiplier; without fill and drain, the 1 is not
subtracted.

Skipping removes steps whose products are all zero by structure. Output stationary: a step is a tap
of an input channel, for a tile of ``R`` consecutive pixels and one of ``C`` channels; "A" removes
it if no pixel of the tile reads a real input, "W" if no channel of the tile has a real tap, "WA" if
either. Fill and drain of the tile remain. Dot product: likewise, pixel by pixel, because a zero
pixel is zero in all input channels. Weight stationary: "W" leaves out filter rows that are zero in
all columns of a tile; rows of different taps advance together, so that activations cannot be
skipped. Input stationary: "A" leaves out filter rows at which no pixel of a tile reads a real
input. All filters pass through the rows, so that "W" leaves out those that are zero in every
filter, as they are where filters were extended; zeros of some stacked phases remain.
"""

import numpy as np

from ..core.typing import NumpyArray
from ..errors import SplitDeconvError, check_choice
from .lowering import Work
from .machine import Counts, MultiplierArray
from .steps import ceil, input_tiles, issued, weight_tiles, whole

DATAFLOWS = ("output_stationary", "weight_stationary", "input_stationary", "dot_product")
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
    tiles = ceil(pixels, rows) * ceil(c_out, cols)
    return tiles * taps * c_in + _in_turn(tiles, rows + cols - 2)


def weight_stationary(
    pixels: Counts, taps: Counts, c_in: Counts, c_out: Counts, rows: Counts, cols: Counts
) -> NumpyArray:
    """Cycles of a weight-stationary systolic array that skips nothing; as `output_stationary`.

    Here `rows` are filter rows, the products of taps and input channels.
    """
    tiles = ceil(np.multiply(taps, c_in), rows) * ceil(c_out, cols)
    return _in_turn(tiles, pixels + 2 * rows + cols - 2)


def input_stationary(
    pixels: Counts, taps: Counts, c_in: Counts, c_out: Counts, rows: Counts, cols: Counts
) -> NumpyArray:
    """Cycles of an input-stationary systolic array that skips nothing; as `output_stationary`.

    Here `rows` are filter rows, the products of taps and input channels, and `cols` pixels.
    """
    tiles = ceil(np.multiply(taps, c_in), rows) * ceil(pixels, cols)
    return _in_turn(tiles, c_out + 2 * rows + cols - 2)


def dot_product(
    pixels: Counts, taps: Counts, c_in: Counts, c_out: Counts, rows: Counts, cols: Counts
) -> NumpyArray:
    """Cycles of a dot-product array that skips nothing; arguments as for `output_stationary`.

    Here `rows` are the input channels that a unit multiplies at a time, `cols` the units.
    """
    return ceil(c_in, rows) * ceil(c_out, cols) * pixels * taps


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
    rows, cols, batch = whole(processor.rows, processor.cols, batch)
    pixels = work.out_h * work.out_w * batch
    if flow == "weight_stationary":
        cycles = _in_turn(weight_tiles(work, rows, cols, skip), pixels + 2 * rows + cols - 2)
    elif flow == "input_stationary":
        tiles = input_tiles(work, rows, cols, batch, skip)
        cycles = _in_turn(tiles, work.c_out + 2 * rows + cols - 2)
    elif flow == "output_stationary":
        tiles = ceil(pixels, rows) * ceil(work.c_out, cols)
        steps = issued(work, rows, cols, batch, skip, "tiles")
        cycles = steps * work.c_in + _in_turn(tiles, rows + cols - 2)
    else:
        cycles = ceil(work.c_in, rows) * issued(work, 1, cols, batch, skip, "tiles")
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
    # Lanes idle where one decision holds for a tile of pixels, which are the rows or the columns.
    # Others decide by pixel, or skip no activations.
    pixels = {"output_stationary": processor.rows, "input_stationary": processor.cols}.get(flow, 1)
    # All filters pass through an input-stationary array, one tile of channels.
    channels = work.c_out if flow == "input_stationary" else processor.cols
    lanes = issued(work, pixels, channels, batch, skip, "lanes")
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
    rows, cols, batch = whole(processor.rows, processor.cols, batch)
    if flow == "output_stationary":
        length = rows + cols - 2
        tiles = ceil(work.out_h * work.out_w * batch, rows) * ceil(work.c_out, cols)
    else:
        length = 2 * rows + cols - 2
        tiles = (
            weight_tiles(work, rows, cols, skip)
            if flow == "weight_stationary"
            else input_tiles(work, rows, cols, batch, skip)
        )
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


def _in_turn(tiles: NumpyArray, length: Counts) -> NumpyArray:
    """Cycles of tiles of that length each; an array of one multiplier may have none."""
    return np.maximum(tiles * length - 1, 0)

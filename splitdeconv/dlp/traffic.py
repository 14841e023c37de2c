"""Bytes that move between DRAM, buffers and the array.

**DRAM.** With ``I``, ``W`` the words of one image's input and of the filters of one convolution,
``B`` images, ``i`` and ``w`` the words that half the input and weight buffers hold, and ``[x]`` the
ceiling:

==================  ============================================  ================================
loop order          input is read                                 filters are read
==================  ============================================  ================================
filters outermost   ``B*I``, ``[W/w]`` times unless ``B*I <= i``  once
strips outermost    ``B*(I + (S - 1)*halo)``                      once if ``W <= w``, else ``B*S``
                                                                  times
==================  ============================================  ================================

``S`` strips of output rows, the longest whose input rows fit into ``i``; ``halo`` are the
``k - stride`` rows that two neighbours share, padding rows at the map's edge included. Where not
even the rows of one output row fit, they are read again for each, and as often as the filters have
to be changed. The order of fewer bytes counts. The s^2 (or s) convolutions of a split layer each
read the input again, unless one image's fits into ``i``: then the layer may also go image by image,
its input read once, its filters once if they or the whole batch fit, else once per image.

Outputs are written once; the sums of a weight-stationary array are taken to stay in the output
buffer. **Interleaving** costs nothing where the whole output fits into half the output buffer. Else
a processor that can write every s-th pixel pays for the bursts that a pixel does not fill, unless
the phases of a row lie together (rows, stacked), or, like one that cannot, reads and writes the
output once more: whichever is less. **Inserting zeros** ("stored") reads the input and writes the
inserted map, which is then the convolution's input; "generated" makes the zeros beside the array,
so that they are in no memory at all.

**Buffers**, per convolution, with ``P`` pixels, ``T`` taps, and the array's rows ``R`` and columns
``C``:

=================  ====================  ====================  ===================================
dataflow           input reads           weight reads          output accesses
=================  ====================  ====================  ===================================
output stationary  ``P*T*Cin*[Cout/C]``  ``T*Cin*Cout*[P/R]``  ``P*Cout`` written
weight stationary  ``P*T*Cin*[Cout/C]``  ``T*Cin*Cout``        ``P*Cout*[T*Cin/R]`` sums, all but
                                                               one read again
dot product        ``P*T*Cin*[Cout/C]``  ``T*Cin*Cout*[P/q]``  ``P*Cout`` written; q pixels share
                                                               latched weights
=================  ====================  ====================  ===================================

The first two are SCALE-Sim's counters; of a sum, it counts the writes alone. Skipping reduces reads
in proportion to the multiplications issued; zeros that are generated are not read. Every byte from
or to DRAM passes a buffer once more.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from ..core.typing import NumpyArray
from ..errors import check_choice
from .lowering import Work
from .machine import Counts, Machine, Numbers

ZEROS = ("generated", "stored")
_LENGTHS = ("out_h", "out_w", "taps_h", "taps_w", "stride_h", "dilation_h")
_SIZES = ("layer", *_LENGTHS, "c_in", "c_out", "groups")


def dram_bytes(
    work: Work,
    table: pd.DataFrame,
    processor: Machine,
    method: str,
    batch: Counts = 1,
    zeros: str = "generated",
) -> dict[str, NumpyArray]:
    """Bytes from and to DRAM, per layer.

    Args:
        work: M convolutions of L layers, from `lower(table, method)`.
        table: the layers.
        processor: a `Processor`, or anything with its fields; numbers, or arrays of shape (K, 1).
        method: of `splitdeconv.dlp.lowering.METHODS`.
        batch: images, a number or an array like the processor's.
        zeros: what "nzp" does: "generated" or "stored".

    Returns:
        dict of float arrays (..., L): "input", "weight", "output" and "interleave" (insertion of
        zeros included).

    Raises:
        SplitDeconvError: invalid `zeros`.
    """
    stored = stores_zeros(method, zeros)
    sizes = _distinct(work, stored)
    word = processor.word_bits / 8
    i, w = (
        kib * 1024 / 2 / word for kib in (processor.input_buffer_kib, processor.weight_buffer_kib)
    )
    by_filters = _filters_outermost(sizes, batch, i, w)
    by_strips = _strips_outermost(sizes, batch, i, w)
    pick = sum(by_filters) <= sum(by_strips)
    apart = [
        _per_layer(sizes, np.where(pick, a, b)) for a, b in zip(by_filters, by_strips, strict=True)
    ]
    together = _image_by_image(sizes, batch, i, w)
    pick = sum(together) < sum(apart)
    inputs, weights = (np.where(pick, a, b) for a, b in zip(together, apart, strict=True))
    pixels = _column(table, "out_h") * _column(table, "out_w")
    outputs = pixels * _column(table, "c_out") * batch * word
    moved = _interleave(table, processor, method, batch, outputs)
    if stored:
        original = _column(table, "in_h") * _column(table, "in_w") * _column(table, "c_in")
        inserted = _per_layer(sizes, sizes.image * sizes.groups)
        moved = moved + np.where(_split(table), (original + inserted) * batch * word, 0)
    shape = np.broadcast_shapes(inputs.shape, np.shape(outputs), np.shape(moved))
    parts = {
        "input": inputs * word,
        "weight": weights * word,
        "output": outputs,
        "interleave": moved,
    }
    return {name: np.broadcast_to(part, shape) for name, part in parts.items()}


def stores_zeros(method: str, zeros: str) -> bool:
    """Whether the inserted zeros are stored in memory."""
    check_choice(zeros, ZEROS, "zeros")
    return zeros == "stored" and method == "nzp"


def buffer_words(
    work: Work,
    processor: Machine,
    flow: str,
    kept: Numbers = 1.0,
    batch: Counts = 1,
    stored: bool = True,
) -> dict[str, NumpyArray]:
    """Accesses of the buffers by the array, per convolution run once.

    Args:
        work: M convolutions.
        processor: as for `dram_bytes`.
        flow: the dataflow.
        kept: multiplications issued over all of them, array (..., M).
        batch: images.
        stored: whether inserted zeros lie in the buffer, and are read from it.

    Returns:
        dict of float arrays (..., M): words of "input" and "weight", and of "output" at the width
        of a sum where partial sums are written ("sums"), else of a result.
    """
    pixels, taps = work.out_h * work.out_w * batch * 1.0, work.taps_h * work.taps_w
    filters = taps * work.c_in * work.c_out * work.groups * 1.0
    inputs = pixels * taps * work.c_in * work.groups * -(-work.c_out // processor.cols)
    outputs = pixels * work.c_out * work.groups
    sums = np.zeros(1)
    if flow == "weight_stationary":
        folds = -(-taps * work.c_in // processor.rows)
        # The last fold's sums are the results.
        sums = 2 * outputs * (folds - 1)
    else:
        kept_for = processor.rows if flow == "output_stationary" else processor.stripe_pixels
        filters = filters * np.ceil(pixels / kept_for)
    reads = inputs * kept if stored else inputs * np.where(*_generated(work), kept)
    return {"input": reads, "weight": filters * kept, "output": outputs, "sums": sums * kept}


def _generated(work: Work) -> tuple[NumpyArray, NumpyArray]:
    """Which convolutions have inserted zeros, and their share of activations that are real."""
    inserted = [max(side.insertion for side in pair) > 1 for pair in work.axes]
    real = [np.prod([side.activations.mean() for side in pair]) for pair in work.axes]
    return np.array(inserted), np.array(real)


def _distinct(work: Work, stored: bool) -> SimpleNamespace:
    """The convolutions that differ in size, whatever their positions, for the loop orders."""
    spread = [[1 if stored else side.insertion for side in pair] for pair in work.axes]
    extent = [[side.extent if stored else side.inputs for side in pair] for pair in work.axes]
    columns = [getattr(work, name) for name in _SIZES]
    fields = np.stack([*columns, *np.array(extent).T, *np.array(spread).T])
    different, place = np.unique(fields, axis=1, return_inverse=True)
    names = (*_SIZES, "rows", "columns", "spread_h", "spread_w")
    sizes = SimpleNamespace(**dict(zip(names, different.astype(float), strict=True)))
    sizes.layer = different[0]
    sizes.times = np.bincount(place.ravel(), weights=work.times)
    sizes.row = sizes.columns * sizes.c_in
    sizes.image = sizes.rows * sizes.row
    sizes.filters = sizes.taps_h * sizes.taps_w * sizes.c_in * sizes.c_out
    reach = (sizes.taps_h - 1) * sizes.dilation_h + 1
    # Rows of input that are needed for one output row.
    sizes.held = np.minimum(np.ceil(reach / sizes.spread_h), sizes.rows)
    sizes.reach = reach
    sizes.halo = np.maximum(reach - sizes.stride_h, 0) / sizes.spread_h * sizes.row
    return sizes


def _filters_outermost(
    sizes: SimpleNamespace, batch: Counts, i: Numbers, w: Numbers
) -> tuple[NumpyArray, NumpyArray]:
    once = sizes.image + np.where(sizes.held * sizes.row <= i, 0, (sizes.out_h - 1) * sizes.halo)
    passes = np.where(sizes.image * batch <= i, 1, np.ceil(sizes.filters / w))
    return once * batch * passes * sizes.groups, sizes.filters * sizes.groups


def _strips_outermost(
    sizes: SimpleNamespace, batch: Counts, i: Numbers, w: Numbers
) -> tuple[NumpyArray, NumpyArray]:
    strips = _strips(sizes, i)
    passes = np.where(sizes.held * sizes.row <= i, 1, np.ceil(sizes.filters / w))
    inputs = (sizes.image + (strips - 1) * sizes.halo) * batch * passes
    times = np.where(sizes.filters <= w, 1, strips * batch)
    return inputs * sizes.groups, sizes.filters * times * sizes.groups


def _strips(sizes: SimpleNamespace, i: Numbers) -> NumpyArray:
    rows = np.floor((np.floor(i / sizes.row) * sizes.spread_h - sizes.reach) / sizes.stride_h) + 1
    return np.where(sizes.image <= i, 1, np.ceil(sizes.out_h / np.maximum(rows, 1)))


def _image_by_image(
    sizes: SimpleNamespace, batch: Counts, i: Numbers, w: Numbers
) -> tuple[NumpyArray, NumpyArray]:
    """Input and filters of a layer whose image stays in the buffer; infinite if it cannot."""
    first = np.flatnonzero(np.diff(sizes.layer, prepend=-1))
    image = (sizes.image * sizes.groups)[first]
    filters = _per_layer(sizes, sizes.filters * sizes.groups)
    times = np.where((filters <= w) | (image * batch <= i), 1, batch)
    return np.where(image <= i, image * batch, np.inf), filters * times


def _interleave(
    table: pd.DataFrame, processor: Machine, method: str, batch: Counts, outputs: NumpyArray
) -> NumpyArray:
    """Bytes, beyond the output itself, that interleaving its pixels takes."""
    parts = np.where(_split(table) & (method not in ("nzp", "native")), 1.0, 0.0)
    piece = _column(table, "c_out") * (processor.word_bits / 8)
    # The phases of a row are written together if they are stacked or if there is only one.
    together = (_column(table, "stride_w") <= 1) | (method in ("rows", "stacked"))
    scattered = np.where(together, 0.0, 1.0)
    bursts = np.ceil(piece / processor.burst_bytes) * processor.burst_bytes
    again = 2 * outputs
    extra = again
    if processor.strided_writes:
        extra = np.minimum(outputs / piece * (bursts - piece) * scattered, again)
    return parts * np.where(outputs <= processor.output_buffer_kib * 1024 / 2, 0, extra)


def _split(table: pd.DataFrame) -> NumpyArray:
    return ((table["kind"] == "deconv") & (table["stride_h"] * table["stride_w"] > 1)).to_numpy()


def _column(table: pd.DataFrame, name: str) -> NumpyArray:
    return table[name].to_numpy(dtype=float)


def _per_layer(sizes: SimpleNamespace, values: NumpyArray) -> NumpyArray:
    first = np.flatnonzero(np.diff(sizes.layer, prepend=-1))
    return np.add.reduceat(np.asarray(values * sizes.times), first, axis=-1)

"""What it costs that pixels lie s apart: interleaving the phases of a split layer, inserting zeros.

Both write pixels of one map ``s`` apart into another. `INTERLEAVE` says how a processor does it:

===========  ====================================  ============================================
policy       phases of a split layer               zeros that the layer before stores
===========  ====================================  ============================================
``free``     written in place at no cost           written with its outputs: words more
``bursts``   each pixel fills whole bursts alone,  the same
             or, if that is less, a pass
``pass``     the output is read and written again  the input is read, the inserted map written
===========  ====================================  ============================================

A map of which half the output buffer holds all needs no pass: it is put together there. Rows of
stacked phases lie together already. `ZEROS` says where the zeros of "nzp" are:

=============  ======================  ===================  ====================================
home           DRAM holds and sends    the buffer holds     insertion costs
=============  ======================  ===================  ====================================
``generated``  the input               the input            nothing: made beside the array
``expanded``   the input               the inserted map     nothing: made as the buffer is filled
``stored``     the inserted map        the inserted map     what the policy says: the layer before
                                                            writes it
``pass``       the inserted map        the inserted map     a pass, whatever the policy says
=============  ======================  ===================  ====================================
"""

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...errors import check_choice
from ..machine import Counts, Machine

ZEROS = ("generated", "expanded", "stored", "pass")
INTERLEAVE = ("free", "bursts", "pass")


def zeros_of(method: str, zeros: str) -> str:
    """Where the zeros of a method are; those of other methods than "nzp" are generated.

    Raises:
        SplitDeconvError: invalid `zeros`.
    """
    check_choice(zeros, ZEROS, "zeros")
    return zeros if method == "nzp" else "generated"


def placing_bytes(
    table: pd.DataFrame,
    processor: Machine,
    method: str,
    batch: Counts,
    zeros: str,
    interleave: str | None,
) -> NumpyArray:
    """Bytes of DRAM, beyond inputs, filters and outputs, that placing pixels takes, per layer.

    Args:
        table: the layers.
        processor: as for `splitdeconv.dlp.traffic.dram_bytes`; so are the others.

    Raises:
        SplitDeconvError: invalid `interleave`.
    """
    if interleave is None:
        interleave = "bursts" if processor.strided_writes else "pass"
    check_choice(interleave, INTERLEAVE, "interleave")
    word = processor.word_bits / 8
    transposed = (table["kind"] == "deconv") & (table["stride_h"] * table["stride_w"] > 1)
    transposed = transposed.to_numpy()
    room = np.multiply(processor.output_buffer_kib, 512)
    images = np.multiply(batch, word)
    inputs = [_column(table, f"in_{side}") for side in "hw"]
    strides = [_column(table, f"stride_{side}") for side in "hw"]
    if method == "nzp":
        spread = [(n - 1) * s + 1 for n, s in zip(inputs, strides, strict=True)]
        c_in = _column(table, "c_in") * images
        real, inserted = inputs[0] * inputs[1] * c_in, spread[0] * spread[1] * c_in
        moved = real + inserted
        if zeros in ("generated", "expanded"):
            moved = np.zeros_like(moved)
        elif zeros == "stored" and interleave != "pass":
            moved = inserted - real
        elif zeros == "stored":
            moved = np.where(inserted <= room, inserted - real, moved)
        return np.where(transposed, moved, 0)
    outputs = _column(table, "out_h") * _column(table, "out_w") * _column(table, "c_out") * images
    moved = 2 * outputs
    if interleave == "free" or method == "native":
        moved = np.zeros_like(moved)
    elif interleave == "bursts":
        # The phases of a row are written together if they are stacked or if there is only one.
        together = (strides[1] <= 1) | (method in ("rows", "stacked"))
        piece = _column(table, "c_out") * word
        bursts = np.ceil(piece / processor.burst_bytes) * processor.burst_bytes
        moved = np.minimum(np.where(together, 0, outputs / piece * (bursts - piece)), moved)
    return np.where(transposed & (outputs > room), moved, 0)


def _column(table: pd.DataFrame, name: str) -> NumpyArray:
    return table[name].to_numpy(dtype=float)

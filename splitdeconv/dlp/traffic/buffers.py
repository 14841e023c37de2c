"""Accesses of the buffers by the array.

Per convolution, with ``P`` pixels, ``T`` taps, and the array's rows ``R`` and columns ``C``:

=================  ====================  ====================  ===================================
dataflow           input reads           weight reads          output accesses
=================  ====================  ====================  ===================================
output stationary  ``P*T*Cin*[Cout/C]``  ``T*Cin*Cout*[P/R]``  ``P*Cout`` written
weight stationary  ``P*T*Cin*[Cout/C]``  ``T*Cin*Cout``        ``P*Cout*[T*Cin/R]`` sums, all but
                                                               one read again
input stationary   ``P*T*Cin``           ``T*Cin*Cout*[P/C]``  as weight stationary
dot product        ``P*T*Cin*[Cout/C]``  ``T*Cin*Cout*[P/q]``  ``P*Cout`` written; q pixels share
                                                               latched weights
=================  ====================  ====================  ===================================

The first three are SCALE-Sim's counters; of a sum, it counts the writes alone. Skipping reduces
reads in proportion to the multiplications issued; zeros that no buffer holds are not read. Every
byte from or to DRAM passes a buffer once more.
"""

import numpy as np

from ...core.typing import NumpyArray
from ..lowering import Work
from ..machine import Counts, Machine, Numbers


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
    if flow == "input_stationary":
        inputs = pixels * taps * work.c_in * work.groups
        filters = filters * np.ceil(pixels / processor.cols)
    if flow in ("weight_stationary", "input_stationary"):
        folds = -(-taps * work.c_in // processor.rows)
        # The last fold's sums are the results.
        sums = 2 * outputs * (folds - 1)
    if flow in ("output_stationary", "dot_product"):
        kept_for = processor.rows if flow == "output_stationary" else processor.stripe_pixels
        filters = filters * np.ceil(pixels / kept_for)
    reads = inputs * kept if stored else inputs * np.where(*_generated(work), kept)
    return {"input": reads, "weight": filters * kept, "output": outputs, "sums": sums * kept}


def _generated(work: Work) -> tuple[NumpyArray, NumpyArray]:
    """Which convolutions have inserted zeros, and their share of activations that are real."""
    inserted = [max(side.insertion for side in pair) > 1 for pair in work.axes]
    real = [np.prod([side.activations.mean() for side in pair]) for pair in work.axes]
    return np.array(inserted), np.array(real)

"""Accesses of the buffers: SCALE-Sim's, and what its arrays do not have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from splitdeconv.dlp import load_processor
from splitdeconv.dlp.lowering import lower
from splitdeconv.dlp.traffic import buffer_words
from tests.dlp.tables import layer, networks, systolic, table

SCALESIM = pd.read_csv(Path(__file__).parents[3] / "data/reference/scalesim_3.0.0_dcgan.csv")
FLOWS = {"os": "output_stationary", "ws": "weight_stationary"}
# Input length and channels of DCGAN's 5x5 s2 layers; outputs and taps an axis of the convolution
# SCALE-Sim was given.
LAYERS = {"d1": (8, 256, 128), "d2": (16, 128, 64), "d3": (32, 64, 3)}
STATED = {
    "NZP": lambda n, c_out: (2 * n, 5, c_out),
    "SD": lambda n, c_out: (n, 3, c_out),
    "SDfused": lambda n, c_out: (n, 3, 4 * c_out),
    "SDfull": lambda n, c_out: (n + 2, 3, c_out),
}
LOWERED = {"NZP": "nzp", "SD": "sd", "SDfused": "stacked"}


def counters(words, flow):
    """What SCALE-Sim counts: reads of inputs and weights, and writes of outputs.

    It writes the sums of every fold of a weight-stationary array, but does not count that all but
    the last are read again; `sums` are both, to and fro.
    """
    writes = words["output"] + (words["sums"] / 2 if flow == "weight_stationary" else 0)
    return [words["input"], words["weight"], writes]


@pytest.mark.parametrize(
    "row", list(SCALESIM.itertuples()), ids=lambda row: f"{row.form}-{row[3]}-{row[4]}-{row[5]}"
)
def test_buffer_accesses_are_scalesim_s(row):
    n, c_in, c_out = LAYERS[row.layer[:2]]
    out, k, c_out = STATED[row.form](n, c_out)
    stated = table(
        layer("conv", (out + k - 1,) * 2, (k, k), (1, 1), (out, out), c_in, c_out, "VALID")
    )
    words = buffer_words(
        lower(stated, "nzp"), systolic(*map(int, row[3].split("x"))), FLOWS[row.dataflow]
    )
    found = [int(np.sum(count)) for count in counters(words, FLOWS[row.dataflow])]
    assert found == [row.ifmap_sram_reads, row.filter_sram_reads, row.ofmap_sram_writes]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("form", LOWERED)
@pytest.mark.parametrize("shape", ["16x16", "32x7"])
def test_buffer_accesses_of_lowered_layers_are_scalesim_s(form, shape, flow):
    rows = SCALESIM.query(
        "form == @form and array_rows_x_cols == @shape and dataflow == @flow"
    ).sort_values("layer")
    work = lower(networks("DCGAN"), LOWERED[form])
    words = buffer_words(work, systolic(*map(int, shape.split("x"))), FLOWS[flow])
    found = [work.per_layer(count)[1:].tolist() for count in counters(words, FLOWS[flow])]
    names = ("ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes")
    assert len(rows) == 3
    assert found == [(rows["times_per_layer"] * rows[name]).tolist() for name in names]


def test_zeros_that_are_generated_are_not_read_from_the_buffer():
    # 3x3 at stride 2 on 4x4: an axis of 8 outputs reads 3 taps each, of which 11 are real (one of
    # 12 is padding).
    one = table(layer("deconv", (4, 4), (3, 3), (2, 2), (8, 8), 5, 7))
    work, processor = lower(one, "nzp"), systolic(16, 4)
    for kept in (1.0, 0.5):
        generated, stored = (
            buffer_words(work, processor, "output_stationary", kept, 3, stored=stored)
            for stored in (False, True)
        )
        assert generated["input"].tolist() == pytest.approx([3 * 11 * 11 * 5 * 2])
        assert stored["input"].tolist() == [3 * 24 * 24 * 5 * 2 * kept]
        assert generated["weight"].tolist() == stored["weight"].tolist()
    split = lower(one, "sd")
    words = [
        buffer_words(split, processor, "output_stationary", stored=stored)["input"]
        for stored in (False, True)
    ]
    np.testing.assert_array_equal(*words)


def test_stripes_share_the_weights_that_a_dot_product_array_latches():
    work = lower(networks("DCGAN"), "nzp")
    dot = replace(load_processor("dot_product_16x16"), stripe_pixels=16)
    shared, apart = (
        buffer_words(work, replace(dot, stripe_pixels=pixels), "dot_product")["weight"]
        for pixels in (16, 1)
    )
    # Every map but the dense layer's single pixel divides by 16.
    assert (apart / shared).tolist() == [1, 16, 16, 16]

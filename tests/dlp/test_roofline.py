"""Layers under their roof."""

import numpy as np
import pytest

from splitdeconv.dlp import load_processor, roof, roofline, simulate
from tests.dlp.tables import networks
from tests.refusals import refused

DCGAN = networks("DCGAN")


def test_a_roof_is_the_peak_and_the_bandwidth_per_cycle():
    # 12.8 GB/s at 800 MHz are 16 bytes per cycle.
    assert roof("pe_array_32x7") == (224, pytest.approx(16))


def test_points_are_those_of_simulate_before_and_after():
    variants = [("sd", "none"), ("sd", "WA"), ("nzp", "none")]
    found = roofline(DCGAN, "pe_array_16x16", variants, batch=2)
    assert len(found) == 3 * len(DCGAN)
    before = simulate(DCGAN, "pe_array_16x16", "nzp", batch=2)
    runs = {("nzp", "none"): before}
    runs |= {(m, s): simulate(DCGAN, "pe_array_16x16", m, s, batch=2) for m, s in variants}
    assert found["layer"].tolist() == DCGAN["name"].tolist() * 3
    for (method, skip), rows in found.groupby(["method", "skip"], sort=False):
        run = runs[method, skip]
        np.testing.assert_array_equal(
            rows["operational_intensity"], run["macs_useful"] / run["dram_bytes"]
        )
        np.testing.assert_array_equal(rows["achieved"], run["macs_useful"] / run["cycles"])
        np.testing.assert_array_equal(rows["achieved_before"], before["achieved"])
        np.testing.assert_array_equal(
            rows["operational_intensity_before"], before["operational_intensity"]
        )
    assert found["method"].tolist()[: len(DCGAN)] == ["nzp"] * len(DCGAN)
    # Nothing changes in layers that are no transposed convolutions, and SD multiplies fewer zeros
    # in those that are.
    after, kinds = found.query("method == 'sd' and skip == 'none'"), DCGAN["kind"] == "deconv"
    faster = (after["achieved"] > after["achieved_before"]).to_numpy()
    assert faster.tolist() == kinds.tolist()


@pytest.mark.parametrize(
    "processor", ["pe_array_16x16", "dot_product_16x16", "eyeriss_like", "tpu_v5e_like"]
)
def test_without_skipping_no_layer_is_above_its_roof(processor):
    found = roofline(DCGAN, processor, [("sd", "none"), ("stacked", "none")])
    peak, bandwidth = roof(processor)
    np.testing.assert_array_equal(
        found["attainable"], np.minimum(peak, found["operational_intensity"] * bandwidth)
    )
    np.testing.assert_array_equal(found["share"], found["achieved"] / found["attainable"])
    # Rounded once for each of two divisions.
    assert (found["share"] <= 1 + 1e-15).all()
    # A layer that waits for DRAM is on the sloped roof.
    waiting = found[found["bound_by"] == "bandwidth"]
    np.testing.assert_allclose(
        waiting["achieved"], waiting["operational_intensity"] * bandwidth, rtol=1e-14
    )


def test_what_simulate_refuses_is_refused():
    assert load_processor("pe_array_16x16").native is None
    with refused("the processor has no transposed convolution"):
        roofline(DCGAN, "pe_array_16x16", [("native", "none")])
    with refused("no such processor or file"):
        roofline(DCGAN, "pe_array")

"""Comparisons are sums of simulations, and the sensitivity is the same sums weighed anew."""

import pandas as pd
import pytest

from splitdeconv.dlp import compare, load_technology, sensitivity, simulate
from splitdeconv.dlp.checks import PARTS
from splitdeconv.dlp.compare import VARIANTS, label
from tests.refusals import refused

COLUMNS = [
    "name",
    "kind",
    "in_h",
    "in_w",
    "c_in",
    "c_out",
    "k_h",
    "k_w",
    "stride_h",
    "stride_w",
    "padding",
]


def network():
    """Three layers, as a user would write them down."""
    rows = [
        ("before", "conv", 12, 10, 5, 24, 3, 3, 1, 1, "SAME"),
        ("first", "deconv", 12, 10, 24, 20, 5, 4, 2, 3, "SAME"),
        ("second", "deconv", 24, 30, 20, 7, 4, 4, 2, 2, "SAME"),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_rows_are_sums_over_layers_and_gains_are_ratios():
    found = compare({"mine": network()}, "pe_array_16x16", [("sd", "WA")], batch=2, zeros="stored")
    options = {"batch": 2, "zeros": "stored"}
    runs = {
        label(m, s): simulate(network(), "pe_array_16x16", m, s, **options)
        for m, s in (("nzp", "none"), ("sd", "WA"))
    }
    assert found[["variant", "part"]].apply(tuple, axis=1).tolist() == [
        (variant, part) for variant in ("nzp", "sd-WA") for part in ("deconv", "network")
    ]
    for row in found.itertuples():
        layers, base = (
            run if row.part == "network" else run.query("kind == 'deconv'")
            for run in (runs[row.variant], runs["nzp"])
        )
        assert row.cycles == layers.cycles.sum()
        assert row.energy_pj == pytest.approx(layers.energy_pj.sum(), rel=1e-12)
        assert row.speedup == pytest.approx(base.cycles.sum() / layers.cycles.sum(), rel=1e-12)
        assert row.array_speedup == pytest.approx(
            base.compute_cycles.sum() / layers.compute_cycles.sum(), rel=1e-12
        )
        assert row.energy_saving == pytest.approx(
            1 - layers.energy_pj.sum() / base.energy_pj.sum(), rel=1e-12
        )
    assert found.query("variant == 'sd-WA' and part == 'deconv'").speedup.item() > 1.5


def test_by_default_everything_that_the_processor_allows_is_compared():
    names = {
        name: compare({"mine": network()}, name).variant.unique().tolist()
        for name in ("pe_array_32x7", "edge_tpu_like")
    }
    assert names["pe_array_32x7"] == [
        label(*variant) for variant in VARIANTS if variant[0] != "native"
    ]
    assert names["edge_tpu_like"] == [
        "nzp",
        "native",
        "sd",
        "sd_trimmed",
        "rows",
        "stacked",
        "paper",
    ]
    # A weight-stationary array cannot skip activations.
    found = (
        compare({"mine": network()}, "pe_array_32x7", dataflow="weight_stationary")
        .variant.unique()
        .tolist()
    )
    assert found == ["nzp", "sd", "sd-W", "sd_trimmed", "rows", "stacked", "paper"]


def test_refusals():
    with refused("there is nothing to compare"):
        compare({}, "pe_array_32x7")
    with refused(r"there is nothing to compare\n  where: compare, network mine"):
        compare({"mine": network().query("kind == 'conv'")}, "pe_array_32x7")
    with refused("the processor does not support that skipping mode"):
        compare({"mine": network()}, "eyeriss_like", [("sd", "A")])
    with refused("the processor has no transposed convolution"):
        compare({"mine": network()}, "eyeriss_like", [("native", "none")])


def test_sensitivity_scales_one_part_in_both():
    found = compare(
        {"mine": network()}, "pe_array_32x7", [("sd", "none")], technology="horowitz_45nm"
    )
    changed = (
        sensitivity(found)
        .set_index(["part", "variant", "energy_part", "end"])["energy_saving"]
        .sort_index()
    )
    assert len(changed) == 2 * 2 * len(PARTS) * 2
    band = load_technology("horowitz_45nm")
    rows = found.set_index(["part", "variant"])
    for name in PARTS:
        for end in ("low", "high"):
            extra = getattr(band, end)[name] - 1
            ours, base = (rows.loc[("deconv", variant)] for variant in ("sd", "nzp"))
            column = f"energy_{name}_pj"
            expected = 1 - (ours.energy_pj + extra * ours[column]) / (
                base.energy_pj + extra * base[column]
            )
            assert changed[("deconv", "sd", name, end)] == pytest.approx(expected, rel=1e-9)
            assert changed[("deconv", "nzp", name, end)] == pytest.approx(0, abs=1e-12)
    assert changed.loc[("deconv", "sd")].nunique() > 5

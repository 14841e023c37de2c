"""Means of gains are right, and what has no comparable cost is in none of them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import splitdeconv as sd
from splitdeconv.study import gains, measured

ROOT = Path(__file__).resolve().parents[2]


def row(network, layer, form, cycles, complete=True, configuration="npu"):
    keys = {"network": network, "layer": layer, "configuration": configuration, "form": form}
    return {**keys, "cycles": cycles, "complete": complete}


TABLE = pd.DataFrame(
    [
        *(
            row("dcgan", "a", form, cycles)
            for form, cycles in (("native", 400), ("nzp", 900), ("auto", 100), ("rows", 80))
        ),
        *(
            row("dcgan", "b", form, cycles)
            for form, cycles in (("native", 90), ("nzp", 100), ("auto", 100), ("rows", 120))
        ),
        row(
            "fcn8s", "c", "native", 0, complete=False
        ),  # on the CPU, which costs nothing that is counted
        *(row("fcn8s", "c", form, cycles) for form, cycles in (("nzp", 800), ("auto", 200))),
        row("mde", "d", "native", 10),
        row("mde", "d", "nzp", 10),
        row("mde", "d", "auto", np.nan, complete=False),
        row("dcgan", gains.WHOLE, "native", 10**6),
        row("dcgan", gains.WHOLE, "auto", 1),
        row("artgan", "e", "native", 10**6),
        row("artgan", "e", "auto", 1),
    ]
)


def test_gains_are_quotients_and_say_why_there_is_none():
    found = gains.gains(TABLE).set_index(["network", "layer"])
    assert found.loc[("dcgan", "a"), "gain"] == 4
    assert found.loc[("dcgan", "b"), "gain"] == 0.9
    assert found.loc[("fcn8s", "c"), "note"] == "native does not run on the accelerator alone"
    assert found.loc[("mde", "d"), "note"] == "auto does not run on the accelerator alone"
    assert found["gain"].notna().equals(found["note"] == "")


def test_a_form_that_is_there_twice_is_refused():
    twice = pd.concat([TABLE, TABLE[TABLE["form"] == "rows"].iloc[:1]])
    with pytest.raises(sd.SplitDeconvError, match="duplicate form") as caught:
        gains.gains(twice, form="rows")
    assert "dcgan, a, npu, rows" in str(caught.value)
    assert len(gains.gains(twice, form="auto")) == len(
        gains.gains(TABLE)
    )  # which it does not concern


def test_what_was_not_compiled_has_its_own_reason():
    rows = [row("mde", "d", "native", 10) | {"skipped": None}]
    rows += [
        row("mde", "d", "auto", np.nan, complete=False) | {"skipped": "Vela took longer than 60 s"}
    ]
    assert gains.gains(pd.DataFrame(rows))["note"].tolist() == ["Vela took longer than 60 s"]
    rows[0] |= {"complete": False, "skipped": "too many operations"}
    assert gains.gains(pd.DataFrame(rows))["note"].tolist() == [
        "Vela took longer than 60 s"
    ]  # the form's own
    rows[1] |= row("mde", "d", "auto", 5) | {"skipped": None}
    assert gains.gains(pd.DataFrame(rows))["note"].tolist() == ["too many operations"]
    counted = gains.summary(pd.DataFrame(rows), baselines=["native"]).iloc[0]
    assert counted[["layers", "rescued", "lost", "unknown"]].tolist() == [0, 0, 0, 1]


def test_a_baseline_that_is_not_in_the_table_is_unknown_and_a_form_lost():
    rows = [row("mde", "d", "auto", 5), row("mde", "f", "native", 5), *TABLE.to_dict("records")[:2]]
    rows += [row("dcgan", "a", "auto", 100)]
    found = gains.gains(pd.DataFrame(rows)).set_index("layer")["note"]
    assert found.to_dict() == {
        "a": "",
        "d": "native is not in the table",
        "f": "auto is not in the table",
    }
    counted = gains.summary(pd.DataFrame(rows), baselines=["native"]).iloc[0]
    assert counted[["layers", "rescued", "lost", "unknown"]].tolist() == [1, 0, 1, 1]


def test_every_form_has_its_gains_in_the_tables_order():
    found = gains.by_form(TABLE, baseline="nzp")
    assert list(dict.fromkeys(found["form"])) == ["native", "auto", "rows"]
    assert list(dict.fromkeys(found["layer"])) == ["a", "b", gains.WHOLE, "c", "d", "e"]
    by_form = found.set_index(["layer", "form"])["gain"]
    assert by_form["a", "rows"] == 900 / 80
    assert by_form["b", "auto"] == 1
    assert np.isnan(by_form["c", "native"])


def test_cells_are_the_gains_of_one_form_by_layer_and_configuration():
    rows = [
        ("dcgan", "one", "npu", "auto", 2.0),
        ("dcgan", "one", "npu", "rows", 9.0),
        ("dcgan", "one", "cpu", "auto", np.nan),
        ("mde", "two", "npu", "auto", np.nan),
        ("mde", "", "npu", "auto", 0.5),
    ]
    table = pd.DataFrame(rows, columns=["network", "layer", "configuration", "form", "gain"])
    cells = gains.cells(table, panel="a side")
    assert cells[["group", "row", "column", "panel"]].values.tolist() == [
        ["DCGAN", "one", "npu", "a side"],
        ["DCGAN", "one", "cpu", "a side"],
        ["MDE", "MDE", "npu", "a side"],
    ]
    np.testing.assert_array_equal(cells["gain"], [2.0, np.nan, 0.5])
    assert gains.cells(table, form="rows")["gain"].tolist() == [9.0]


def test_a_verdict_counts_what_is_known():
    values = pd.Series([0.5, 2.0, 8.0, np.nan])
    assert gains.verdict(values) == "faster on 2 of 3 layers, 2.00 times on average"
    assert gains.verdict(values[:1], "networks").startswith("faster on 0 of 1 networks")


def test_what_binds_is_what_most_cycles_are_counted_of():
    counted = pd.DataFrame(
        {"cycles_npu": [5, 3], "cycles_sram": [4, 0], "cycles_off_chip_flash": [0, 9]}
    )
    assert gains.bound(counted).tolist() == ["arithmetic", "off-chip flash"]
    assert gains.bound(counted.assign(cycles_sram=[np.nan, 0])).tolist() == [
        "arithmetic",
        "off-chip flash",
    ]


def test_what_was_not_compiled_waits_for_nothing():
    kept = TABLE.assign(cycles_npu=TABLE["cycles"].astype(object)).query("network != 'fcn8s'")
    assert gains.bound(kept).isna().tolist() == kept["cycles"].isna().tolist()
    assert gains.by_bound(kept, baseline="native")["layers"].tolist() == [2]


def test_gains_are_grouped_by_what_binds_the_form():
    kept = TABLE.assign(cycles_npu=1, cycles_dram=np.where(TABLE["layer"] == "b", 2, 0))
    found = gains.by_bound(kept, baseline="nzp").set_index("bound")
    assert found["layers"].to_dict() == {"arithmetic": 2, "DRAM": 1}
    assert found["mean"].to_dict() == pytest.approx({"arithmetic": 6.0, "DRAM": 1.0}, rel=1e-15)
    assert found.loc["arithmetic", ["worst", "best"]].tolist() == [4, 9]


def test_another_cost_can_be_compared():
    kept = TABLE.assign(cycles_npu=TABLE["cycles"].where(TABLE["form"] == "auto", 50))
    found = gains.summary(kept, baselines=["nzp"], cost="cycles_npu").iloc[0]
    assert found["mean"] == pytest.approx((50 / 100 * 50 / 100 * 50 / 200) ** (1 / 3), rel=1e-15)


def test_the_summary_is_over_the_layers_of_its_networks():
    found = gains.summary(TABLE).set_index("baseline")
    native, nzp = found.loc["native"], found.loc["nzp"]
    assert native["mean"] == pytest.approx((4 * 0.9) ** (1 / 2), rel=1e-15)
    assert native["median"] == pytest.approx(2.45, rel=1e-15)
    assert (native["worst"], native["worst_layer"]) == (0.9, "dcgan b")
    assert native[["layers", "rescued", "lost", "unknown"]].tolist() == [2, 1, 1, 0]
    assert nzp["mean"] == pytest.approx((9 * 1 * 4) ** (1 / 3), rel=1e-15)
    assert nzp["median"] == 4
    assert nzp[["layers", "rescued", "lost", "unknown"]].tolist() == [3, 0, 1, 0]


def test_the_summary_of_no_network_has_its_columns_and_no_row():
    nothing, something = (gains.summary(TABLE, networks=names) for names in ([], ["dcgan"]))
    assert list(nothing) == list(something)
    assert (len(nothing), len(something)) == (0, 2)


def test_the_best_form_of_each_layer_takes_the_fewest_cycles():
    found = gains.best(TABLE, forms=("native", "rows")).set_index(["network", "layer"])["best"]
    assert found["dcgan", "a"] == "rows"
    assert found["dcgan", "b"] == "native"
    assert ("fcn8s", "c") not in found.index


def test_what_has_no_cost_is_not_the_best():
    # A form that ran beside no baseline has seconds, and no cost relative to them.
    free = TABLE.assign(cycles=TABLE["cycles"].where(TABLE["layer"] != "a"))
    assert set(gains.best(free, forms=("native", "rows"))["layer"]) == {"b", "d", "e", gains.WHOLE}


def test_the_kept_table_bears_out_the_targets_rules():
    table = measured.read("ethos_u")
    chosen = gains.summary(table).set_index(["configuration", "baseline"])
    best = gains.summary(pd.concat([table, gains.best(table)]), form="best").set_index(
        ["configuration", "baseline"]
    )
    assert (chosen["lost"] == 0).all()
    # No rule of a target makes a layer slower than the operator that it would replace.
    for configuration in ("ethos_u55", "ethos_u65", "ethos_u85"):
        assert chosen.loc[(configuration, "native"), "worst"] >= 1
    # They were learnt on other weights of these sizes, in part: what a perfect choice would add is
    # small.
    for configuration in ("ethos_u55", "ethos_u85"):
        assert (
            chosen["mean"][configuration, "native"] > 0.98 * best["mean"][configuration, "native"]
        )
    # Strides that the native operator leaves to the CPU run on the NPU: FCN-8s' 16x16 s8 and
    # FCN-32s' 64x64 s32.
    assert chosen["rescued"]["ethos_u55", "native"] == chosen["rescued"]["ethos_u65", "native"] == 2


def test_tuned_models_are_counted_by_configuration():
    rows = [
        ("deconv1", 2, 1, 2.0, 2.1, "rows concat", "rows concat", 2.2),
        ("deconv2", 2, 1, 0.5, 0.6, "split concat", "split concat", 0.8),
        ("deconv3", 2, 0, 1.0, 1.0, "native", "split concat", 1.331),
        ("deconv4", 2, 0, 1.0, 1.0, "native", "split concat", 0.7),
        (gains.WHOLE, 2, 3, 0.97, 0.99, "native; rows concat", "", np.nan),
        (gains.WHOLE, 1, 0, 1.0, 1.0, "native", "", np.nan),
    ]
    columns = ["layer", "threads", "changed", "gain", "high", "variants", "best", "best_gain"]
    table = pd.DataFrame(rows, columns=columns)
    found = gains.tuned(table.assign(runtime="litert", dtype="int8")).set_index("configuration")
    assert found.loc["litert int8, 2 threads"].to_dict() == pytest.approx(
        {
            "models": 5,
            "changed": 3,
            "least": 0.5,
            "losses": 2,
            "proven_losses": 1,  # the interval of the other one reaches 0.99
            "layers": 4,
            "mean": 1.0,
            "of_best": 1 / 1.331**0.25,  # one of four layers misses a gain; at 0.7 none is missed
        }
    )
    alone = found.loc["litert int8, 1 thread"]
    assert (alone["models"], alone["changed"], alone["layers"]) == (1, 0, 0)
    assert np.isnan(alone["mean"])


def test_no_recorded_model_is_slower_after_tuning_beyond_its_interval():
    """The README says so."""
    found = gains.tuned(measured.read("tune"))
    text = (ROOT / "README.md").read_text()
    assert found["models"].sum() == int(re.search(r"Of (\d+) models that are recorded", text)[1])
    assert found["proven_losses"].sum() == 0

"""Every row of the summary is the quotient of recorded sums; no loss or gap is hidden."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv import dlp
from splitdeconv.study import gains, measured, summary


@pytest.fixture(scope="module")
def table():
    return summary.summary()


@pytest.mark.slow
def test_one_row_for_each_processor_network_batch_and_type(table):
    assert not table.duplicated(["processor", "network", "batch", "dtype"]).any()
    assert set(table["kind"]) == set(summary.KINDS)
    assert table["source"].notna().all()
    assert list(table.columns) == list(summary.COLUMNS)
    assert all(
        table[name].dtype == float for name in table if name.endswith(("over_native", "over_nzp"))
    )


def test_costs_are_added_up_by_network(table):
    vela = measured.read("ethos_u")
    part = vela[
        (vela["network"] == "dcgan")
        & (vela["configuration"] == "ethos_u55")
        & (vela["layer"] != gains.WHOLE)
    ]
    cycles = part.pivot(index="layer", columns="form", values="cycles")
    best = cycles[["split", "rows", "stacked"]].min(axis=1).sum()
    found = table[
        (table["network"] == "dcgan") & table["processor"].str.startswith("Ethos-U55")
    ].iloc[0]
    assert found["over_native"] == pytest.approx(cycles["native"].sum() / best)
    assert found["over_nzp"] == pytest.approx(cycles["nzp"].sum() / best)
    assert found["auto_over_native"] == pytest.approx(cycles["native"].sum() / cycles["auto"].sum())


def test_a_program_is_charged_by_all_that_is_recorded(monkeypatch):
    keys = {
        "network": "dcgan",
        "generation": "v2",
        "dtype": "bfloat16",
        "interleave": "concat",
        "reason": None,
    }
    columns = ["layer", "batch", "form", "cycles", "unestimated_bytes", "slowest"]
    rows = [
        ("deconv1", 1, "native", 200, 0, np.nan),
        ("deconv1", 1, "rows", 50, 100, np.nan),
        ("deconv2", 8, "rows", 10, 0, 0.5),  # of a batch that the summary does not show
    ]
    table = pd.DataFrame(rows, columns=columns).assign(
        **keys, lower_bound=False, compiler="libtpu 0"
    )
    monkeypatch.setattr(summary.measured, "read", lambda _: table)
    (found,) = summary.cloud_tpu().to_dict("records")
    assert (found["batch"], found["over_native"]) == (1, 200 / (50 + 100 * 0.5))


def test_the_model_is_run_and_not_recorded(table):
    fresh = dlp.compare(["sngan"], "dot_product_16x16", [("sd", "WA")])
    wanted = fresh[(fresh["method"] == "sd") & (fresh["part"] == "deconv")]["speedup"].item()
    found = table[
        (table["processor"] == "dot_product_16x16, skips zeros") & (table["network"] == "sngan")
    ]
    assert found["over_nzp"].item() == pytest.approx(wanted)
    assert found["over_native"].isna().all()


def test_losses_and_missing_costs_stay_in(table):
    assert (table["over_native"] < 1).any()
    # Native strides of 8 and more stay on the CPU beside an Ethos-U, which is no cost.
    u55 = table[table["processor"].str.startswith("Ethos-U55") & (table["network"] == "fcn32s")]
    assert (u55["native_missing"] > 0).all()
    assert u55["over_native"].isna().all()


def test_published_values_are_replayed_as_they_are(table):
    ncs = table[table["processor"].str.startswith("Intel NCS2")].set_index("network")
    assert ncs.loc["dcgan", "over_native"] == 1.05
    assert ncs["source"].str.startswith("replayed").all()
    assert ncs["over_nzp"].isna().all()


def test_a_layer_without_a_form_makes_the_sum_unknown():
    rows = [
        ("a", "native", 6.0),
        ("a", "split", 2.0),
        ("b", "native", 6.0),
        ("b", "split", 4.0),
        ("b", "nzp", 9.0),
    ]
    tidy = pd.DataFrame(rows, columns=["layer", "form", "cost"])
    tidy = tidy.assign(network="dcgan", configuration="npu", complete=True)
    (found,) = summary._sums(tidy, "cost").to_dict("records")
    assert found["over_native"] == 2.0
    assert np.isnan(found["over_nzp"])
    assert (found["nzp_missing"], found["native_missing"], found["forms"]) == (1, 0, "split 2")


def test_cells_hold_each_row_in_both_panels(table):
    cells = summary.cells(table)
    assert len(cells) == 2 * len(table)
    assert list(dict.fromkeys(cells["group"])) == list(summary.KINDS)
    assert not cells.duplicated(["row", "column", "panel"]).any()
    assert set(cells["mark"]) <= {"", *summary.NOTES}
    loss = cells[(cells["panel"] == "over native") & (cells["gain"] < 1)]
    assert len(loss) == (table["over_native"] < 1).sum()
    whole = summary.cells(table, "network_")
    assert whole["framed"].any()
    assert whole.loc[whole["framed"], "gain"].notna().all()
    assert set(whole["mark"]) == {""}
    assert 0 < len(whole) < len(cells)


def test_means_are_geometric_over_networks(table):
    found = summary.means(table)
    assert set(found.index.get_level_values("row")) == set(summary.cells(table)["row"])
    own = table[table["processor"].str.startswith("Ethos-U85-1024, Sram")]["over_nzp"]
    row = found.loc[("compiler", "Ethos-U85-1024, Sram_Only")]
    assert row["over_nzp", "mean"] == pytest.approx(own.prod() ** (1 / len(own)))
    assert row["over_nzp", "least"] == own.min()


def test_accelerators_that_were_timed_have_rows(monkeypatch):
    where = {
        "network": "dcgan",
        "device": "gpu H",
        "batch": 8,
        "dtype": "float32",
        "compiler": "jax 1",
        "date": "2026",
    }
    rows = [
        ("a", "native", 6.0, None),
        ("a", "rows", 4.0, None),
        ("b", "native", 4.0, None),
        ("b", "split", 4.0, None),
    ]
    rows += [
        ("a", "nzp", 9.0, None),
        ("b", "nzp", np.nan, "took longer than 300 s"),
        ("whole network", "native", 9.0, None),
    ]
    table = pd.DataFrame(rows, columns=["layer", "form", "seconds", "reason"]).assign(**where)
    monkeypatch.setattr(
        summary.measured, "read", lambda name: {"accelerators": table}.get(name, pd.DataFrame())
    )
    found = summary.accelerators().set_index("part")
    assert found.loc["deconv", "over_native"] == 10 / 8
    assert np.isnan(found.loc["deconv", "over_nzp"])
    assert np.isnan(found.loc["network", "over_native"])
    assert found.loc["deconv", ["kind", "processor", "batch"]].tolist() == ["measured", "gpu H", 8]
    monkeypatch.setattr(summary.measured, "read", lambda name: pd.DataFrame())
    assert summary.accelerators().empty


def test_each_thread_count_of_a_cpu_is_a_row_of_its_own(table):
    recorded = measured.read("cpu_runtimes")
    part = recorded[(recorded["network"] == "dcgan") & (recorded["runtime"] == "openvino")]
    for threads, processor in ((1, "OpenVINO"), (2, "OpenVINO, 2 threads")):
        kept = part[(part["threads"] == threads) & (part["layer"] != gains.WHOLE)]
        seconds = kept.groupby("form")["seconds"].sum()
        found = table[(table["processor"] == processor) & (table["network"] == "dcgan")]
        assert found["auto_over_native"].item() == pytest.approx(
            seconds["native"] / seconds["auto"]
        )
        assert found["over_nzp"].item() == pytest.approx(seconds["nzp"] / seconds["auto"])


def recorded(rows):
    """A table by a compiler: (network, layer, form, interleave, cost, complete)."""
    tidy = pd.DataFrame(
        rows, columns=["network", "layer", "form", "interleave", "cost", "complete"]
    )
    return tidy.assign(configuration="npu")


def test_of_two_interleaves_the_cheaper_counts_and_what_is_left_is_no_split_form():
    rows = [
        ("dcgan", "a", "native", "concat", 6.0, True),
        ("dcgan", "a", "auto", "concat", 6.0, True),
    ]
    rows += [
        ("dcgan", "a", "rows", interleave, cost, True)
        for interleave, cost in (("concat", 12.0), ("other", 8.0))
    ]
    (found,) = summary._sums(recorded(rows), "cost").to_dict("records")
    assert (found["over_native"], found["auto_over_native"], found["forms"]) == (
        6 / 8,
        1.0,
        "rows 1",
    )
    # What does not run on the accelerator alone has no cost, however small.
    rows.append(("dcgan", "a", "split", "concat", 1.0, False))
    (found,) = summary._sums(recorded(rows), "cost").to_dict("records")
    assert found["over_native"] == 6 / 8


def test_a_frame_says_that_the_rules_split_something(monkeypatch):
    where = {
        "kind": "compiler",
        "processor": "npu",
        "batch": 1,
        "dtype": "int8",
        "source": "here",
        "complete": True,
    }
    layers = {("dcgan", "a"): (6.0, 6.0, 12.0), ("sngan", "a"): (6.0, 3.0, 3.0)}
    layers |= {("dcgan", gains.WHOLE): (9.0, 9.0, 15.0), ("sngan", gains.WHOLE): (9.0, 6.0, 6.0)}
    rows = [
        (*name, form, "concat", cost, True)
        for name, costs in layers.items()
        for form, cost in zip(("native", "auto", "rows"), costs, strict=True)
    ]
    found = summary._sums(recorded(rows), "cost").assign(**where)
    for source in ("modelled", "cloud_tpu", "accelerators", "runtimes", "published"):
        monkeypatch.setattr(summary, source, lambda *_: pd.DataFrame())
    monkeypatch.setattr(summary, "ethos_u", lambda: found)
    table = summary.summary()
    networks = table.set_index("network")
    assert networks["network_over_native"].to_dict() == {"dcgan": 9 / 15, "sngan": 9 / 6}
    assert networks["network_auto_over_native"].to_dict() == {"dcgan": 1.0, "sngan": 9 / 6}
    for prefix in ("", "network_"):
        cells = summary.cells(table, prefix).query("panel == 'over native'").set_index("column")
        assert cells["framed"].to_dict() == {"dcgan": False, "sngan": True}


def test_hardware_without_skipping_is_modelled_once_and_generations_are_in_order(table):
    plain = summary.modelled(["dcgan"], ["pe_array_16x16"])
    assert set(plain["processor"]) == {"pe_array_16x16", "pe_array_16x16, skips zeros"}
    ones = table[table["processor"].str.startswith("Cloud TPU") & (table["batch"] == 1)]
    generations = list(dict.fromkeys(ones["processor"].str.split().str[-1]))
    assert generations == ["v2", "v3", "v4", "v5e", "v5p", "v6e"]


def test_what_took_too_long_is_not_complete(monkeypatch):
    where = {
        "network": "dcgan",
        "device": "gpu H",
        "batch": 8,
        "dtype": "float32",
        "compiler": "jax 1",
        "date": "2026",
    }
    rows = [
        ("a", "native", 6.0, None),
        ("a", "split", 2.0, None),
        ("a", "rows", 1.0, "the results differ"),
    ]
    table = pd.DataFrame(rows, columns=["layer", "form", "seconds", "reason"]).assign(**where)
    monkeypatch.setattr(
        summary.measured, "read", lambda name: {"accelerators": table}.get(name, pd.DataFrame())
    )
    (found,) = summary.accelerators().to_dict("records")
    assert (found["over_native"], found["forms"]) == (3.0, "split 1")


def test_what_the_authors_did_not_compile_is_a_row_of_its_own(table):
    names = set(table[table["kind"] == "published"]["processor"])
    assert names == {
        "Edge TPU (authors)",
        "Edge TPU (authors), not compiled",
        "Intel NCS2 (authors)",
    }

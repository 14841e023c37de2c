"""Layers are compared by their best split form; targets choose as `convert` does."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.study import gains, measured, tpu_gains
from splitdeconv.toolchains import libtpu


def row(
    form,
    cycles,
    *,
    interleave="concat",
    layer="deconv1",
    network="sngan",
    generation="v5e",
    batch=1,
    **more,
):
    keys = {
        "network": network,
        "layer": layer,
        "generation": generation,
        "batch": batch,
        "dtype": "bfloat16",
    }
    told = {
        "cycles": cycles,
        "lower_bound": False,
        "unestimated_bytes": 0,
        "slowest": 0.5,
        "reason": None,
    }
    return {**keys, "form": form, "interleave": interleave, **told, **more}


@pytest.fixture
def table():
    return pd.DataFrame(
        [
            row("native", 800),
            row("nzp", 100),
            row("rows", 300, lower_bound=True, unestimated_bytes=200),  # charged 300 + 200 / 2
            row("stacked", 500),
            row("stacked", 420, interleave="depth_to_space"),
            row("split", np.nan, reason="took longer than 120 s"),
            row("native", 90, layer="deconv2"),
            row("rows", 100, layer="deconv2"),
            row("native", 1000, layer=tpu_gains.WHOLE),
            row("auto", 500, layer=tpu_gains.WHOLE),
            row("native", 10, layer=tpu_gains.CHAIN),
        ]
    )


def test_charged_and_raw_sums_each_have_their_best_form(table):
    found = tpu_gains.wins(tpu_gains.costs(table)).set_index("layer")
    assert list(found.index) == ["deconv1", "deconv2"]
    first = found.loc["deconv1"]
    assert (first["form"], first["interleave"], first["gain"]) == ("rows", "concat", 2.0)
    assert first["gain_raw"] == pytest.approx(800 / 300)
    assert first["bound"]
    assert first["configuration"] == "v5e, batch 1"
    assert found.loc["deconv2", "gain"] == 0.9
    assert not found.loc["deconv2", "bound"]


def test_what_has_no_program_in_any_interleave_keeps_its_reason(table):
    late = {"cycles": np.nan, "reason": "took longer than 120 s"}
    more = [
        row("auto", layer=tpu_gains.WHOLE, generation="v6e", **late),
        row("native", 900, layer=tpu_gains.WHOLE, generation="v6e"),
        row("stacked", layer=tpu_gains.WHOLE, generation="v6e", **late),
        row(
            "stacked", layer=tpu_gains.WHOLE, generation="v6e", interleave="depth_to_space", **late
        ),
        row("stacked", layer="deconv2", **late),
        row("stacked", 70, layer="deconv2", interleave="depth_to_space"),
    ]
    table = pd.concat([table, pd.DataFrame(more)], ignore_index=True)
    absent = tpu_gains.absent(table)
    told = [
        tuple(one)
        for one in absent[["layer", "configuration", "form", "skipped"]].itertuples(index=False)
    ]
    assert told == [
        ("deconv1", "v5e, batch 1", "split", "took longer than 120 s"),
        (tpu_gains.WHOLE, "v6e, batch 1", "auto", "took longer than 120 s"),
        (tpu_gains.WHOLE, "v6e, batch 1", "stacked", "took longer than 120 s"),
    ]
    both = pd.concat([tpu_gains.interleaved(tpu_gains.costs(table)), absent])
    found = gains.gains(both, cost="charged").set_index(["layer", "configuration"])
    assert found.loc[(tpu_gains.WHOLE, "v6e, batch 1"), "note"] == "took longer than 120 s"
    assert found.loc[(tpu_gains.WHOLE, "v5e, batch 1"), "gain"] == 2.0
    assert found["gain"].notna().sum() == 3


def test_a_target_is_asked_for_what_it_chooses(table):
    # SNGAN's layers are 4x4, stride 2; on v5e only those of at least 256 channels on small maps are
    # split, as rows.
    costs = tpu_gains.costs(table)
    auto = costs[(costs["form"] == "auto") & (costs["layer"] == "deconv1")]
    assert list(zip(auto["chosen"], auto["charged"], strict=True)) == [("rows", 400.0)]
    wins = tpu_gains.wins(costs).set_index("layer")
    assert wins.loc["deconv1", "auto_gain"] == 2.0
    # The same estimates of another generation are another choice; of the generic one, its own.
    generic = tpu_gains.wins(tpu_gains.costs(table, target="generic")).set_index("layer")
    assert generic.loc["deconv1", "auto"] == "split" or np.isnan(
        generic.loc["deconv1", "auto_gain"]
    )
    sixtyfour = tpu_gains.wins(tpu_gains.costs(table.assign(batch=64))).set_index("layer")
    assert sixtyfour.loc["deconv1", "auto"] == "native"
    assert sixtyfour.loc["deconv1", "auto_gain"] == 1.0


def test_whole_networks_and_chains_stay_out_of_the_layers(table):
    costs = tpu_gains.costs(table)
    whole = costs[costs["layer"] == tpu_gains.WHOLE]
    assert sorted(whole["form"]) == ["auto", "native"]
    assert tpu_gains.standing(tpu_gains.wins(costs))["layers"].item() == 2


def test_the_standing_counts_wins_and_means(table):
    (found,) = tpu_gains.standing(tpu_gains.wins(tpu_gains.costs(table))).to_dict("records")
    assert (found["won"], found["won_raw"], found["lost_by_auto"]) == (1, 1, 1)
    assert found["mean"] == pytest.approx(np.sqrt(2.0 * 0.9))
    assert found["best_or_native"] == pytest.approx(np.sqrt(2.0))
    assert found["auto_worst"] == pytest.approx(0.9)


def test_one_interleave_is_kept_for_each_form(table):
    kept = tpu_gains.interleaved(tpu_gains.costs(table))
    stacked = kept[(kept["form"] == "stacked") & (kept["layer"] == "deconv1")]
    assert list(stacked["interleave"]) == ["depth_to_space"]


def test_what_was_timed_is_compared_by_seconds(table):
    timed = table.assign(generation=libtpu.HERE, seconds=table["cycles"] / 1e6).drop(
        columns="cycles"
    )
    wins = tpu_gains.wins(tpu_gains.costs(timed)).set_index("layer")
    assert wins.loc["deconv1", "gain"] == pytest.approx(800 / 300)
    assert wins["auto_gain"].isna().all()


def test_cells_have_generations_in_order_and_marks(table):
    both = pd.concat(
        [table, table.assign(generation="v2", cycles=table["cycles"] * 2)], ignore_index=True
    )
    cells = tpu_gains.cells(tpu_gains.wins(tpu_gains.costs(both)))
    assert list(dict.fromkeys(cells["column"])) == ["v2", "v5e"]
    assert set(cells.loc[cells["row"] == "deconv1", "mark"]) == {"*"}
    assert set(cells["mark"]) <= {"", *tpu_gains.NOTES}
    assert cells.set_index(["column", "row"]).loc[("v5e", "deconv1"), "framed"]


def test_what_is_recorded_loses_nowhere_by_the_rules():
    wins = tpu_gains.wins(tpu_gains.costs(measured.read("libtpu")))
    assert set(wins["generation"]) == set(libtpu.GENERATIONS)
    assert (tpu_gains.standing(wins)["lost_by_auto"] == 0).all()
    assert (wins["gain"] < 1).any()


def test_what_has_no_charge_has_no_gain_but_is_there(table):
    silent = table.assign(slowest=np.nan)
    wins = tpu_gains.wins(tpu_gains.costs(silent[~silent["form"].isin(["stacked"])])).set_index(
        "layer"
    )
    assert np.isnan(wins.loc["deconv1", "gain"])
    assert wins.loc["deconv1", "gain_raw"] == pytest.approx(800 / 300)
    (found,) = tpu_gains.standing(wins.reset_index()).to_dict("records")
    assert (found["layers"], found["won"]) == (1, 0)
    native = silent["form"].eq("native") & silent["layer"].eq("deconv1")
    owing = silent.assign(unestimated_bytes=silent["unestimated_bytes"].mask(native, 8))
    assert list(tpu_gains.wins(tpu_gains.costs(owing))["layer"]) == [
        "deconv1",
        "deconv2",
    ]  # native cannot be charged


def test_where_all_went_wrong_nothing_is_compared(table):
    costs = tpu_gains.costs(table.assign(reason="took longer than 1 s"))
    assert costs.empty
    assert tpu_gains.standing(tpu_gains.wins(costs)).empty


def test_layers_that_a_network_does_not_have_are_refused(table):
    with pytest.raises(SplitDeconvError, match="a layer that its network does not have"):
        tpu_gains.costs(table.replace({"layer": {"deconv2": "deconv9"}}))


def test_a_gain_is_unsure_whichever_side_is_a_lower_bound(table):
    native = table["form"].eq("native") & table["layer"].eq("deconv2")
    wins = tpu_gains.wins(tpu_gains.costs(table.assign(lower_bound=native))).set_index("layer")
    assert wins["bound"].to_dict() == {"deconv1": False, "deconv2": True}


def test_only_what_the_target_splits_is_framed(table):
    both = pd.concat([table, table.assign(batch=64)], ignore_index=True)
    cells = tpu_gains.cells(tpu_gains.wins(tpu_gains.costs(both))).set_index(["panel", "row"])
    assert cells["framed"].to_dict() == {
        ("batch 1", "deconv1"): True,
        ("batch 1", "deconv2"): True,
        ("batch 64", "deconv1"): False,
        ("batch 64", "deconv2"): False,
    }

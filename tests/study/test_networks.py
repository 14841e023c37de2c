"""Measurements of a network: forms are run or skipped with a reason, values compared."""

import numpy as np
import pytest

from splitdeconv.networks import layer_table
from splitdeconv.study import networks as measure


def test_layers_are_timed_and_compared():
    table = measure.time_layers("sngan", turns=3)
    layers = layer_table("sngan").query("kind == 'deconv'")["name"].tolist()
    assert table["layer"].tolist() == [layer for layer in layers for _ in measure.FORMS]
    assert table["form"].tolist() == list(measure.FORMS) * len(layers)
    assert (table["seconds"] > 0).all()
    assert (table["ratio"] <= 1).all()
    assert (table.query("form == 'nzp'")["error"] > 0).any()
    assert table["skipped"].isna().all()
    same = table[table["runs"] == "split"].groupby("layer")["seconds"].nunique()
    assert (same == 1).all()  # one program is timed once
    assert table["shape"][0] == "4\u00d74\u00d7512 \u2192 8\u00d78\u00d7256"


def test_a_wrong_form_would_be_found_out(monkeypatch):
    right = measure.conv2d_transpose

    def wrong(x, filters, *arguments, form, **options):
        return right(
            x, filters[::-1] if form == "split" else filters, *arguments, form=form, **options
        )

    monkeypatch.setattr(measure, "conv2d_transpose", wrong)
    ratios = (
        measure.time_layers("sngan", forms=("native", "split"), turns=3)
        .groupby("form")["ratio"]
        .max()
    )
    assert ratios["native"] == 0
    assert ratios["split"] > 1


def test_networks_are_timed_and_compared():
    table = measure.time_network("dcgan", forms=("native", "split"), turns=3).set_index("form")
    assert table.loc["native", "error"] == 0
    # tanh keeps outputs within 1; a dozen float32 roundings through four layers of up to 6,400
    # terms stay below 1e-4.
    assert 0 < table.loc["split", "error"] < 1e-4 * table["magnitude"].max()
    assert np.isfinite(table[["seconds", "speedup", "low", "high"]].to_numpy()).all()


@pytest.mark.parametrize("form", ["nzp", "split"])
def test_a_network_with_a_layer_that_would_not_pay_is_skipped(form, monkeypatch):
    monkeypatch.setattr(measure.bench, "frozen", lambda model, *inputs: lambda: np.ones(3))
    monkeypatch.setattr(
        measure, "build", lambda name, form, seed: type("Model", (), {"inputs": []})
    )
    table = measure.time_network("fcn32s", forms=("native", form), turns=3).set_index("form")
    assert "1,024" in table.loc[form, "skipped"]
    assert np.isnan(table.loc[form, "seconds"])

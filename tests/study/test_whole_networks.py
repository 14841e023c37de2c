"""Whole networks side by side: shares of work, gains and the sentence, by hand-made times."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.networks import layer_table
from splitdeconv.study import whole_networks

TIMES = pd.DataFrame(
    [
        ("GP-GAN", "native", 0.004, 1.0, 4, 0.75),
        ("GP-GAN", "split", 0.002, 2.0, 4, 0.75),
        ("GP-GAN", "nzp", 0.008, 0.5, 4, 0.75),
        ("FCN-32s", "native", 0.3, 1.0, 1, 0.0031),
        ("FCN-32s", "split", 0.6, 0.5, 1, 0.0031),
        ("FCN-32s", "nzp", np.nan, np.nan, 1, 0.0031),
    ],
    columns=["network", "form", "seconds", "speedup", "layers", "work"],
)


def test_each_network_is_a_row_with_its_gains():
    rows = whole_networks.table(TIMES)
    assert rows.index.tolist() == ["GP-GAN", "FCN-32s"]
    assert rows.columns.tolist() == ["layers", "work in %", "native in ms", "split", "nzp"]
    assert rows.loc["GP-GAN"].tolist() == [4, 75, 4, 2, 0.5]
    assert rows.loc["FCN-32s"].tolist()[:4] == [1, 0.3, 300, 0.5]
    assert np.isnan(rows.loc["FCN-32s", "nzp"])


def test_the_sentence_names_both_ends_and_the_mean_of_what_ran():
    split, nzp = (whole_networks.result(TIMES, form) for form in ("split", "nzp"))
    assert "2 whole networks" in split
    assert "1.00 times on average, from 0.50 (FCN-32s) to 2.00 (GP-GAN)" in split
    assert "1 whole networks" not in nzp
    assert "0.50 times" in nzp


def test_networks_are_timed_in_order_with_their_share_of_work(monkeypatch):
    fake = TIMES[TIMES["network"] == "GP-GAN"].drop(columns=["network", "layers", "work"])
    asked = []

    def timed(name, **options):
        asked.append((name, options["turns"], options["budget"], options["seed"]))
        return fake

    monkeypatch.setattr(whole_networks, "time_network", timed)
    times = whole_networks.time_networks(["sngan", "fcn32s"], turns=3, budget=2.0, seed=5)
    assert asked == [("sngan", 3, 2.0, 5), ("fcn32s", 3, 2.0, 5)]
    assert times.drop_duplicates("network")["network"].tolist() == ["SNGAN", "FCN-32s"]
    layers = layer_table("fcn32s")
    share = layers[layers["kind"] == "deconv"]["macs"].sum() / layers["macs"].sum()
    assert times[times["network"] == "FCN-32s"]["work"].tolist() == [pytest.approx(share)] * 3
    assert times[times["network"] == "SNGAN"]["layers"].tolist() == [3] * 3

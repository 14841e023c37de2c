"""The targets tpu_*: what they choose loses nowhere that was measured, and what was not measured is left."""

import numpy as np
import pytest

from splitdeconv import measured
from splitdeconv.convert.choose import decide
from splitdeconv.convert.report import Site
from splitdeconv.convert.targets import load_target
from splitdeconv.networks import layer_table
from splitdeconv.networks.counts import layer_plan
from splitdeconv.toolchains import libtpu

TABLE = measured.read("libtpu")


def sites(generation):
    """Each layer that was measured in every form: its site, and what each variant costs."""
    table = TABLE[TABLE["reason"].isna()].copy()
    table["charged"] = libtpu.charged(table)
    table = table[(table["generation"] == generation) & ~table["layer"].isin(["chain", "whole network"])]
    for (network, layer, batch, dtype), rows in table.groupby(["network", "layer", "batch", "dtype"]):
        (row,) = layer_table(network).query("name == @layer").itertuples()
        site = Site(
            name=layer,
            operator="Conv2DTranspose",
            axes=layer_plan(row).axes,
            groups=1,
            in_channels=row.c_in,
            out_channels=row.c_out,
            dtype=dtype,
            batch=batch,
        )
        yield site, rows.set_index(["form", "interleave"])["charged"]


@pytest.mark.parametrize("generation", libtpu.GENERATIONS)
def test_what_is_chosen_loses_nowhere(generation):
    target, gains, bests = load_target(f"tpu_{generation}"), [], []
    for site, costs in sites(generation):
        decision = decide(site, target)
        native = costs["native", "concat"]
        chosen = native if decision.verdict == "leave" else costs[decision.form, decision.interleave]
        assert chosen <= native, (site.name, site.geometry, site.batch, decision)
        if (site.batch, site.dtype) == (1, "bfloat16"):
            gains.append(native / chosen)
            bests.append(native / costs[costs.index.get_level_values("form") != "nzp"].min())
    assert len(gains) >= 15
    # Rules in a few lines, for batch 1 alone, do not catch the best everywhere, but most of it.
    assert np.log(gains).sum() > 0.85 * np.log(bests).sum()
    assert any(gain > 1.5 for gain in gains)


@pytest.mark.parametrize("generation", libtpu.GENERATIONS)
def test_what_is_not_known_is_left(generation):
    target = load_target(f"tpu_{generation}")
    site, _ = next(one for one in sites(generation) if decide(one[0], target).verdict == "convert")
    for change in ({"batch": None}, {"dtype": "float16"}):
        decision = decide(type(site)(**{**vars(site), **change}), target)
        assert decision.verdict == "leave", (change, decision)
        assert "data/measured/libtpu.csv" in decision.reason

"""Gains on Cloud TPU: every layer's best split form over native, and what the targets choose."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from ..convert.decide import decide
from ..convert.targets import load_target
from ..errors import SplitDeconvError
from ..formats.site import Site
from ..means import geometric_mean
from ..networks import names, titles
from ..networks.table import layers
from ..toolchains import libtpu

#: Values of the column ``layer`` that are not a layer's name.
WHOLE, CHAIN = "whole network", "chain"
#: The meaning of the marks of `cells`.
NOTES = {
    "*": "rests on a charge for operations without estimate",
    "framed": "split by the target's rules",
}
_WHERE = libtpu.KEY[:-2]  # all but form and interleave


def costs(table: pd.DataFrame, target: str | None = None) -> pd.DataFrame:
    """The rows that `splitdeconv.study.gains` compares: programs, and the target's choice of them.

    Args:
        table: of `splitdeconv.toolchains.libtpu.measure`: all compiled, or all timed.
        target: of `splitdeconv.convert` whose choice is "auto"; None for the target of each row's
            generation; timed rows have no target.

    Returns:
        Its rows without those that have a reason, and with ``configuration``, ``complete``,
            ``charged``: cycles as `splitdeconv.toolchains.libtpu.charged`, ``raw``: the sum of the
            compiler's estimates as it is (both are seconds where the table was timed), and
            ``bound``: whether raw is only a lower bound. Each layer of a benchmark network has one
            more row, of form "auto": a copy of the chosen row, which may be native. ``chosen`` is
            its form.

    Raises:
        SplitDeconvError: some rows were compiled and others timed, or a layer that its benchmark
            network does not have.
    """
    timed, table = libtpu.timed(table), table[table["reason"].isna()].copy()
    if timed:
        table = table.assign(charged=table["seconds"], raw=table["seconds"], bound=False)
    else:
        bound = table["lower_bound"].eq(True)
        table = table.assign(charged=libtpu.charged(table), raw=table["cycles"], bound=bound)
    table["configuration"] = [
        name_of(*row) for row in table[["generation", "batch", "dtype"]].itertuples(index=False)
    ]
    table = table.assign(complete=True, chosen=table["form"])
    layers = table[~table["layer"].isin([WHOLE, CHAIN]) & table["network"].isin(names())]
    if target is None:
        layers = layers[layers["generation"] != libtpu.HERE]
    places = list(zip(*(layers[column] for column in _WHERE), strict=True))
    choices = {place: _choice(place, target) for place in dict.fromkeys(places)}
    variants = zip(layers["form"], layers["interleave"], strict=True)
    chosen = [choices[place] == variant for place, variant in zip(places, variants, strict=True)]
    auto = layers[chosen]
    return pd.concat([table, auto.assign(form="auto")], ignore_index=True)


def absent(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that `costs` leaves out, as `splitdeconv.study.gains` has them.

    Args:
        table: as for `costs`.

    Returns:
        One row per form, whatever the interleave, with ``configuration``, ``complete`` (False) and
        ``skipped``: why.
    """
    key = [*_WHERE, "form"]
    lost = table["reason"].notna().groupby([table[name] for name in key]).transform("all")
    rows = table[lost].drop_duplicates(key)
    names = [
        name_of(*row) for row in rows[["generation", "batch", "dtype"]].itertuples(index=False)
    ]
    return rows.assign(configuration=names, complete=False, skipped=rows["reason"])


def name_of(generation: str, batch: int, dtype: str = "bfloat16") -> str:
    """A configuration in words, such as "v5e, batch 1"."""
    return f"{generation}, batch {batch}" + ("" if dtype == "bfloat16" else f", {dtype}")


def wins(costs: pd.DataFrame) -> pd.DataFrame:
    """Native against the best split form of every layer and configuration, losses included.

    Args:
        costs: of `costs`.

    Returns:
        One row per layer and configuration with both: ``gain``, native's charged cost over the best
            split form's (NaN where one cannot be charged); ``gain_raw``, the same of the raw sums,
            each with its own best form; ``form`` and ``interleave`` of the charged one; ``bound``:
            whether native's or this form's sum is a lower bound, so that the raw gain may be too
            high or too low; ``auto``: the form that the target chooses, and ``auto_gain`` over
            native (NaN and missing where nothing was chosen).
    """
    layers = costs[~costs["layer"].isin([WHOLE, CHAIN])]
    key = [*_WHERE, "configuration"]
    split = layers[~layers["form"].isin(["native", "nzp", "auto"])]
    best = libtpu.cheapest(split, _WHERE, "charged").set_index(key)
    native, auto = (
        layers[layers["form"] == form].set_index(key).reindex(best.index)
        for form in ("native", "auto")
    )
    raw = split.groupby(key, sort=False)["raw"].min().reindex(best.index)
    compared = best[["form", "interleave"]].assign(
        gain=native["charged"] / best["charged"],
        gain_raw=native["raw"] / raw,
        bound=native["bound"].eq(True) | best["bound"],
        auto=auto["chosen"],
        auto_gain=native["charged"] / auto["charged"],
    )
    return compared[native["raw"].notna()].reset_index()


def standing(wins: pd.DataFrame) -> pd.DataFrame:
    """How many layers the split forms win in each configuration, and by how much.

    Args:
        wins: of `wins`.

    Returns:
        One row per generation and batch (and type): ``layers`` that have a gain, ``won`` and
        ``won_raw``, geometric ``mean`` and ``mean_raw`` of the best split form over native,
        ``best_or_native``: the mean if native is kept where it wins, ``auto``: the mean of what the
        target chooses, ``auto_worst``, and ``lost_by_auto``: layers slower than native.
    """
    better = wins.assign(better=wins["gain"].clip(lower=1))
    groups = better.groupby(["dtype", "batch", "generation"], sort=False)
    return groups.agg(
        layers=("gain", "count"),
        won=("gain", lambda gain: (gain > 1).sum()),
        won_raw=("gain_raw", lambda gain: (gain > 1).sum()),
        mean=("gain", geometric_mean),
        mean_raw=("gain_raw", geometric_mean),
        best_or_native=("better", geometric_mean),
        auto=("auto_gain", geometric_mean),
        auto_worst=("auto_gain", "min"),
        lost_by_auto=("auto_gain", lambda gain: (gain < 1).sum()),
    ).reset_index()


def cells(wins: pd.DataFrame) -> pd.DataFrame:
    """`wins` as `splitdeconv.study.charts.gain_map` draws them, a panel per batch."""
    order = {name: place for place, name in enumerate(libtpu.GENERATIONS)}
    panel = "batch " + wins["batch"].astype(str)
    drawn = wins.assign(
        group=wins["network"].map(titles()),
        row=wins["layer"],
        column=wins["generation"],
        panel=panel,
        mark=np.where(wins["bound"], "*", ""),
        framed=wins["auto"].notna() & (wins["auto"] != "native"),
    )
    return drawn.sort_values("generation", key=lambda names: names.map(order), kind="stable")


def interleaved(costs: pd.DataFrame) -> pd.DataFrame:
    """The rows with one interleave for each form, the cheaper one as charged."""
    key = [*_WHERE, "form"]
    return libtpu.cheapest(costs, key, "charged")


def _choice(where: tuple[str, str, str, int, str], target: str | None) -> tuple[str, str]:
    """The (form, interleave) that a target chooses for a layer of a benchmark network."""
    network, layer, generation, batch, dtype = where
    site = replace(_site(network, layer), dtype=dtype, batch=batch)
    decision = decide(site, load_target(target or f"tpu_{generation}"))
    if decision.verdict != "convert" or decision.form is None:
        return "native", "concat"
    # On JAX transpose is the same program as depth_to_space.
    return decision.form, "concat" if decision.interleave == "concat" else "depth_to_space"


@cache
def _site(network: str, layer: str) -> Site:
    """A layer of a benchmark network as `splitdeconv.convert` sees it."""
    rows = {row.name: row for row in layers(network) if row.kind == "deconv"}
    if layer not in rows:
        raise SplitDeconvError(
            "a layer that its network does not have",
            where=network,
            expected=", ".join(rows),
            got=repr(layer),
        )
    row = rows[layer]
    return Site(
        name=layer,
        operator="Conv2DTranspose",
        axes=row.plan().axes,
        groups=row.groups,
        in_channels=row.c_in,
        out_channels=row.c_out,
        dtype="float32",
    )

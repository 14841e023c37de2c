"""How many times fewer cycles a form takes than a baseline, by layer and on average."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import SplitDeconvError
from ..means import geometric_mean
from ..networks import titles

#: The networks over whose transposed convolutions the means are taken.
NETWORKS = ("dcgan", "sngan", "gpgan", "fst", "mde", "fcn8s", "fcn32s")
WHOLE = "whole network"
_SUMMARY = (
    "configuration",
    "baseline",
    "layers",
    "mean",
    "median",
    "worst",
    "worst_layer",
    "rescued",
    "lost",
    "unknown",
)
_KEY = ["network", "layer", "configuration"]
# Columns of a compiler's cycles, and what a layer waits for if that column is the largest.
_BOUNDS = {
    "cycles_npu": "arithmetic",
    "cycles_sram": "SRAM",
    "cycles_dram": "DRAM",
    "cycles_on_chip_flash": "on-chip flash",
    "cycles_off_chip_flash": "off-chip flash",
}


def gains(
    table: pd.DataFrame, *, form: str = "auto", baseline: str = "native", cost: str = "cycles"
) -> pd.DataFrame:
    """The gain of one form over a baseline.

    Args:
        table: one row per network, layer, configuration and form, with the columns `cost` and
            complete, as data/measured/ethos_u.csv has them.
        form, baseline: forms in the table.
        cost: the column to compare.

    Returns:
        One row per network, layer and configuration: ``gain``, the baseline's cost divided by the
        form's, and ``note``, the reason if there is no gain. A model that is incomplete or missing
        in the table has no comparable cost. A model that was not compiled has the reason from the
        column skipped.

    Raises:
        SplitDeconvError: duplicate rows of a form for one layer and configuration.
    """
    twice = table[table["form"].isin([form, baseline]) & table.duplicated([*_KEY, "form"])]
    if len(twice):
        raise SplitDeconvError(
            "duplicate form",
            where="table",
            expected="one row per network, layer, configuration and form",
            got=", ".join(map(str, twice.iloc[0][[*_KEY, "form"]])),
            fix="choose one, as tpu_gains.interleaved does of interleaves",
        )
    columns = [column for column in (cost, "complete", "skipped") if column in table]
    ours, theirs = (
        table[table["form"] == side].set_index(_KEY)[columns] for side in (form, baseline)
    )
    joined = ours.add_suffix("_form").join(theirs.add_suffix("_baseline"), how="outer")
    ours, theirs = joined["complete_form"].eq(True), joined["complete_baseline"].eq(True)
    gain = (joined[f"{cost}_baseline"] / joined[f"{cost}_form"]).where(ours & theirs)
    neither = f"neither {form} nor {baseline} runs on the accelerator alone"
    # Later reasons overwrite earlier ones: not on the accelerator, not in the table, not compiled.
    reasons = [neither, _alone(form), _alone(baseline)]
    note = pd.Series(np.select([~ours & ~theirs, ~ours, ~theirs], reasons, ""), joined.index)
    for side, name in (("form", form), ("baseline", baseline)):
        note = note.where(joined[f"complete_{side}"].notna(), f"{name} is not in the table")
    for side in ("skipped_baseline", "skipped_form"):  # of two reasons the form's is reported
        if side in joined:
            note = note.where(joined[side].isna(), joined[side])
    return joined.assign(gain=gain, note=note).reset_index()[[*_KEY, "gain", "note"]]


def by_form(table: pd.DataFrame, *, baseline: str = "native", cost: str = "cycles") -> pd.DataFrame:
    """`gains` of every form but the baseline.

    Returns:
        Its rows with the column ``form``, networks, layers, configurations and forms in the table's
        order.
    """
    forms = [form for form in dict.fromkeys(table["form"]) if form != baseline]
    tables = [
        gains(table, form=form, baseline=baseline, cost=cost).assign(form=form) for form in forms
    ]
    order = {
        name: {value: i for i, value in enumerate(dict.fromkeys(table[name]))}
        for name in (*_KEY, "form")
    }
    every = pd.concat(tables)
    keys = [*_KEY, "form"]
    return every.sort_values(keys, key=lambda c: c.map(order[c.name]), ignore_index=True)


def cells(table: pd.DataFrame, *, form: str = "auto", panel: str = "") -> pd.DataFrame:
    """The gains of one form as `splitdeconv.study.charts.gain_map` draws them.

    Args:
        table: of `by_form`.
        form: the form whose gains are drawn.
        panel: the panel that they are drawn in.

    Returns:
        A row for each layer (or network, where `layer` is empty) and configuration, networks in
        the order of `splitdeconv.networks`. Those without a gain in any configuration are left out.
    """
    rows = table[table["form"] == form].assign(panel=panel)
    known = rows.groupby(["network", "layer"])["gain"].transform("count") > 0
    rows = rows[known]
    names = rows["network"].map(titles())
    layers = rows["layer"].where(rows["layer"] != "", names)
    cells = rows.assign(group=names, row=layers, column=rows["configuration"])
    order = list(titles().values()).index
    return cells.sort_values("group", key=lambda column: column.map(order), kind="stable")


def verdict(values: pd.Series, what: str = "layers") -> str:
    """How often gains are gains, and their geometric mean, in words.

    Args:
        values: gains; NaN where there is none.
        what: what each of them belongs to.

    >>> verdict(pd.Series([0.5, 2.0, 8.0, float("nan")]))
    'faster on 2 of 3 layers, 2.00 times on average'
    """
    known = values.dropna()
    mean = geometric_mean(known)
    return f"faster on {(known > 1).sum()} of {len(known)} {what}, {mean:.2f} times on average"


def bound(table: pd.DataFrame) -> pd.Series:
    """What each row waits for: the accelerator part with most cycles, NaN if all are zero."""
    parts = [column for column in _BOUNDS if column in table]
    # What was not compiled waits for nothing.
    counted = table[parts].astype("float64").dropna(how="all")
    return counted.idxmax(axis=1).map(_BOUNDS).reindex(table.index).rename("bound")


def by_bound(
    table: pd.DataFrame,
    *,
    form: str = "auto",
    baseline: str = "native",
    networks: Sequence[str] = NETWORKS,
) -> pd.DataFrame:
    """Gains over the transposed convolutions of some networks, grouped by what the form waits for.

    Returns:
        One row per configuration and `bound`: ``layers`` that have a gain, ``mean`` (geometric),
        ``worst`` and ``best``.
    """
    layers = table[table["network"].isin(networks) & (table["layer"] != WHOLE)]
    ours = layers[layers["form"] == form]
    joined = gains(layers, form=form, baseline=baseline).merge(
        ours[_KEY].assign(bound=bound(ours)), on=_KEY
    )
    groups = joined.dropna(subset="gain").groupby(["configuration", "bound"])["gain"]
    named = {"layers": "size", "mean": geometric_mean, "worst": "min", "best": "max"}
    return groups.agg(**named).reset_index()


def summary(
    table: pd.DataFrame,
    *,
    form: str = "auto",
    baselines: Sequence[str] = ("native", "nzp"),
    networks: Sequence[str] = NETWORKS,
    cost: str = "cycles",
) -> pd.DataFrame:
    """Geometric mean, median and worst gain over the transposed convolutions of some networks.

    Args:
        table: as for `gains`.
        form: in the table.
        baselines: likewise.
        networks: whose layers count, each as often as it occurs.
        cost: the column to compare.

    Returns:
        One row per configuration and baseline: ``layers`` that have a gain, ``mean`` (geometric),
            ``median``, ``worst``, ``worst_layer``, ``rescued``: layers that only the form runs on
            the accelerator, which cannot be part of a mean, ``lost``: layers that the form does not
            run there, and ``unknown``: layers whose baseline has no cost for another reason.
    """
    layers = table[table["network"].isin(networks) & (table["layer"] != WHOLE)]
    able = layers[(layers["form"] == form) & layers["complete"].eq(True)].set_index(_KEY).index
    rows = []
    for baseline in baselines:
        for configuration, part in gains(layers, form=form, baseline=baseline, cost=cost).groupby(
            "configuration", sort=False
        ):
            compared = part.dropna(subset="gain")
            worst = compared.loc[compared["gain"].idxmin()] if len(compared) else None
            rescued = (part["note"] == _alone(baseline)).sum()
            lost = (~part.set_index(_KEY).index.isin(able)).sum()
            rows.append(
                {
                    "configuration": configuration,
                    "baseline": baseline,
                    "layers": len(compared),
                    "mean": float(geometric_mean(compared["gain"])) if len(compared) else np.nan,
                    "median": compared["gain"].median(),
                    "worst": np.nan if worst is None else worst["gain"],
                    "worst_layer": "" if worst is None else f"{worst['network']} {worst['layer']}",
                    "rescued": int(rescued),
                    "lost": int(lost),
                    "unknown": int((part["note"] != "").sum() - rescued - lost),
                }
            )
    return pd.DataFrame(rows, columns=list(_SUMMARY))


def best(
    table: pd.DataFrame,
    forms: Sequence[str] = ("native", "split", "rows", "stacked"),
    cost: str = "cycles",
) -> pd.DataFrame:
    """The form of least cost for each network, layer and configuration: a perfect choice.

    Returns:
        Those rows of the table, their form in the column ``best`` and "best" as form.
    """
    able = table[table["form"].isin(forms) & table["complete"].eq(True) & table[cost].notna()]
    least = able.loc[able.groupby(_KEY, sort=False)[cost].idxmin()]
    return least.assign(best=least["form"], form="best")


def _alone(form: str) -> str:
    return f"{form} does not run on the accelerator alone"


def tuned(table: pd.DataFrame, least: float = 0.98) -> pd.DataFrame:
    """What `splitdeconv tune` gains by runtime, type and threads.

    Args:
        table: of data/measured/tune.csv: one row per tuned model, ``gain`` with ``low`` and
            ``high`` that of the whole of it over the original; of a single layer also
            ``best_gain`` and ``best``, its best form when the choice was made, and ``variants``,
            the chosen one.
        least: a gain below this is a loss.

    Returns:
        DataFrame, one row per configuration: ``models``, ``changed``, those of them in which a
            layer has another form, ``least``, the least gain, ``losses``, and ``proven_losses``,
            those whose interval lies below `least` as a whole; and of the benchmark's layers
            ``layers``, ``mean``, the geometric mean gain, and ``of_best``, the chosen forms' mean
            as a share of that of the best forms, native included, by the times of the choice.
    """
    rows = []
    for (runtime, dtype, threads), part in table.groupby(
        ["runtime", "dtype", "threads"], sort=False
    ):
        alone = part[part["layer"] != WHOLE]
        # Where native was chosen and another form is faster, that form's gain is lost.
        missed = alone["best_gain"].clip(lower=1).where(alone["variants"] != alone["best"], 1.0)
        rows.append(
            {
                "configuration": f"{runtime} {dtype}, {threads} thread{'s' * (threads > 1)}",
                "models": len(part),
                "changed": (part["changed"] > 0).sum(),
                "least": part["gain"].min(),
                "losses": (part["gain"] < least).sum(),
                "proven_losses": (part["high"] < least).sum(),
                "layers": len(alone),
                "mean": geometric_mean(alone["gain"]) if len(alone) else np.nan,
                "of_best": 1 / geometric_mean(missed) if len(alone) else np.nan,
            }
        )
    return pd.DataFrame(rows)

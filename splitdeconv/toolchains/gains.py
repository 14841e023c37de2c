"""How many times fewer cycles a form takes than a baseline, layer by layer and in the mean, losses included."""

import numpy as np
import pandas as pd

#: The networks over whose transposed convolutions the means are taken.
NETWORKS = ("dcgan", "sngan", "gpgan", "fst", "mde", "fcn8s", "fcn32s")
WHOLE = "whole network"
_KEY = ["network", "layer", "configuration"]


def gains(table, *, form="auto", baseline="native", cost="cycles") -> pd.DataFrame:
    """The gain of one form over a baseline.

    Args:
        table: one row a network, layer, configuration and form, with the columns `cost` and complete, as
            data/measured/ethos_u.csv has them.
        form, baseline: forms in the table.
        cost: the column to compare.

    Returns:
        One row a network, layer and configuration: ``gain``, the baseline's cost over the form's, and ``note``, why
        there is none: a model that is not complete has no cost that could be compared.
    """
    ours, theirs = (table[table["form"] == side].set_index(_KEY)[[cost, "complete"]] for side in (form, baseline))
    joined = ours.add_suffix("_form").join(theirs.add_suffix("_baseline"), how="outer")
    ours, theirs = joined["complete_form"].eq(True), joined["complete_baseline"].eq(True)
    gain = (joined[f"{cost}_baseline"] / joined[f"{cost}_form"]).where(ours & theirs)
    missing = np.select([~ours & ~theirs, ~ours, ~theirs], [f"neither {form} nor {baseline}", form, baseline], "")
    note = [f"{who} does not run on the accelerator alone" if who else "" for who in missing]
    return joined.assign(gain=gain, note=note).reset_index()[[*_KEY, "gain", "note"]]


def summary(table, *, form="auto", baselines=("native", "nzp"), networks=NETWORKS) -> pd.DataFrame:
    """Geometric mean, median and worst gain over the transposed convolutions of some networks.

    Args:
        table: as for `gains`.
        form: in the table.
        baselines: likewise.
        networks: whose layers count, each as often as it occurs.

    Returns:
        One row a configuration and baseline: ``layers`` that have a gain, ``mean`` (geometric), ``median``, ``worst``,
        ``worst_layer``, ``rescued``: layers that only the form runs on the accelerator, which no mean can hold, and
        ``lost``: layers that the form does not.
    """
    layers = table[table["network"].isin(networks) & (table["layer"] != WHOLE)]
    rows = []
    for baseline in baselines:
        for configuration, part in gains(layers, form=form, baseline=baseline).groupby("configuration", sort=False):
            held = part.dropna(subset="gain")
            worst = held.loc[held["gain"].idxmin()] if len(held) else None
            rescued = part["note"].str.startswith(f"{baseline} ").sum()
            rows.append(
                {
                    "configuration": configuration,
                    "baseline": baseline,
                    "layers": len(held),
                    "mean": float(np.exp(np.log(held["gain"]).mean())) if len(held) else np.nan,
                    "median": held["gain"].median(),
                    "worst": np.nan if worst is None else worst["gain"],
                    "worst_layer": "" if worst is None else f"{worst['network']} {worst['layer']}",
                    "rescued": int(rescued),
                    "lost": int((part["note"] != "").sum() - rescued),
                }
            )
    return pd.DataFrame(rows)


def best(table, forms=("native", "split", "rows", "stacked"), cost="cycles") -> pd.DataFrame:
    """The form of least cost for each network, layer and configuration: what a perfect choice would take.

    Returns:
        Those rows of the table, their form in the column ``best`` and "best" as form.
    """
    able = table[table["form"].isin(forms) & table["complete"].eq(True)]
    least = able.loc[able.groupby(_KEY, sort=False)[cost].idxmin()]
    return least.assign(best=least["form"], form="best")

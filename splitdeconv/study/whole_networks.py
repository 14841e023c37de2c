"""Whole networks side by side: the gain of each form on this CPU, in one table and one sentence."""

from collections.abc import Sequence

import pandas as pd

from ..dlp.workload import workload
from ..means import geometric_mean
from . import parameters
from .networks import FORMS, time_network


def time_networks(
    names: Sequence[str],
    *,
    forms: Sequence[str] = FORMS,
    turns: int = 15,
    budget: float = 15.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Time whole networks, one after the other, in each form of their transposed convolutions.

    Args:
        names: benchmark networks, or paths of model files.
        forms, turns, budget, seed: as for `splitdeconv.study.networks.time_network`; the budget, in
            seconds, is for each network.

    Returns:
        DataFrame, one row per network and form, in the order given: the columns of `time_network`,
            ``network``, as figures call it, ``layers``, the number of its transposed convolutions,
            and ``work``, their share of the operations that it needs.
    """
    parts = []
    for name, title in parameters.titles(names).items():
        part = time_network(name, forms=forms, turns=turns, budget=budget, seed=seed)
        layers = workload(name)
        deconvolutions = layers[layers["kind"] == "deconv"]
        work = deconvolutions["macs"].sum() / layers["macs"].sum()
        parts.append(part.assign(network=title, layers=len(deconvolutions), work=work))
    return pd.concat(parts, ignore_index=True)


def table(times: pd.DataFrame) -> pd.DataFrame:
    """A row for each network: what it is, its time on native, and the gain of each other form.

    Args:
        times: of `time_networks`.

    Returns:
        DataFrame indexed by network: layers, work in per cent, native in milliseconds, and a column
            of gains for each other form, NaN where it was not run.
    """
    about = times.drop_duplicates("network").set_index("network")
    gains = times.pivot(index="network", columns="form", values="speedup").reindex(about.index)
    others = [form for form in dict.fromkeys(times["form"]) if form != "native"]
    seconds = times[times["form"] == "native"].set_index("network")["seconds"]
    rows = pd.DataFrame({"layers": about["layers"], "work in %": (100 * about["work"]).round(1)})
    return rows.assign(**{"native in ms": (1000 * seconds).round(2)}).join(gains[others].round(2))


def result(times: pd.DataFrame, form: str = "split") -> str:
    """The gain of a form over native, from the least to the most, and on average, in words.

    Args:
        times: of `time_networks`.
        form: one of its forms that ran at least once.
    """
    ran = times[(times["form"] == form) & times["speedup"].notna()].set_index("network")["speedup"]
    least, most = ran.idxmin(), ran.idxmax()
    networks = "1 whole network" if len(ran) == 1 else f"{len(ran)} whole networks"
    ends = f"from {ran[least]:.2f} ({least}) to {ran[most]:.2f} ({most})"
    return (
        f"{form.capitalize()} over native, {networks} on this CPU: "
        f"{geometric_mean(ran):.2f} times on average, {ends}"
    )

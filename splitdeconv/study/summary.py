"""All processors side by side: what split deconvolution gains on each network, and where it loses.

Four kinds of evidence, never mixed in one row: this package's processor model, the estimates of
vendors' compilers, times measured, and what others published.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import dlp, networks
from ..core.forms import FILE_FORMS
from ..means import geometric_mean
from ..toolchains import cpu, edgetpu, libtpu, vela
from . import gains, measured, tpu_gains

KINDS = ("model", "compiler", "measured", "published")
#: Marks of `cells` and their meaning.
NOTES = {
    "\u2020": "native leaves a layer to the CPU",
    "\u2021": "NZP: a hundred times the useful work or more, or not compiled",
    "framed": "at least one layer split by the target's rules",
    "grey": "not measured, not compiled, or (processor model) without a native operator",
}
_WHERE = ["kind", "processor", "network", "batch", "dtype"]
_GAINS = ["over_native", "over_nzp", "auto_over_native", "auto_over_nzp"]
COLUMNS = (
    *_WHERE,
    *_GAINS,
    "forms",
    "native_missing",
    "nzp_missing",
    "source",
    *(f"network_{gain}" for gain in _GAINS),
)
# Method and skipping of the processor model that represent split deconvolution, on the published
# hardware and on plain hardware.
_MODELLED = {"dot_product_16x16": "WA", "pe_array_32x7": "WA", "pe_array_16x16": "WA"}
_TITLES = {"litert": "LiteRT (XNNPACK)", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
# The type that TPUs are made for, and the smallest and largest batch; notebook 13 has the rest.
_TPU = {"batch": (1, 64), "dtype": ("bfloat16",)}
_PUBLISHED = {"Edge TPU (authors)": "published_edge_tpu", "Intel NCS2 (authors)": "published_ncs2"}


def summary(
    names: Iterable[str] | None = None, processors: Iterable[str] | None = None
) -> pd.DataFrame:
    """Every processor and network with evidence.

    Args:
        names: of benchmark networks; None for all.
        processors: of the processor model, simulated now; None for the paper's.

    Returns:
        DataFrame, one row per processor, network, batch and type. From the summed costs of the
        network's transposed convolutions: ``over_native`` and ``over_nzp``, the gain of each
        layer's best split form, which may be below 1; ``auto_...``, the same gains of what the
        target's rules choose, which may be native; ``forms``, how often each best form occurs
        ("chosen" is the rules' choice with its own interleave); ``native_missing`` and
        ``nzp_missing``, the number of layers without that cost, in which case there is no gain
        (NaN). ``network_...`` are the same gains of the network as one program. ``kind`` is one of
        `KINDS`; ``source`` names the evidence.
    """
    chosen = list(names or networks.names())
    parts = [modelled(chosen, processors), ethos_u(), cloud_tpu(), accelerators()]
    parts += [runtimes(), published()]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = table[table["network"].isin(chosen)].reindex(columns=[*COLUMNS, "part"])
    table[_GAINS] = table[_GAINS].astype(float)
    whole = table[table["part"] == "network"].set_index(_WHERE)[_GAINS].add_prefix("network_")
    layers = table[table["part"] == "deconv"].drop(columns=["part", *whole])
    return layers.join(whole, on=_WHERE)[list(COLUMNS)].reset_index(drop=True)


def modelled(names: Sequence[str], processors: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of `summary` by the processor model: SD with and without zeros skipped, over NZP."""
    rows = []
    for processor in processors or _MODELLED:
        best = _MODELLED.get(processor, "none")
        for skip in dict.fromkeys(("none", best)):
            compared = dlp.compare(names, processor, [("sd", skip)])
            ours = compared[(compared["method"] == "sd") & (compared["skip"] == skip)]
            rows.append(
                ours[["network", "part"]].assign(
                    kind="model",
                    processor=processor if skip == "none" else f"{processor}, skips zeros",
                    batch=1,
                    dtype="int8",
                    forms="split",
                    source="splitdeconv.dlp, SD over NZP",
                    over_nzp=ours["speedup"],
                )
            )
    return pd.concat(rows, ignore_index=True)


def ethos_u() -> pd.DataFrame:
    """Rows of `summary` by Arm's compiler."""
    table = measured.read("ethos_u")
    if table.empty:
        return table
    titles = {
        name: f"{configuration.accelerator.title()}, {configuration.memory}"
        for name, configuration in vela.CONFIGURATIONS.items()
    }
    table["configuration"] = table["configuration"].map(titles)
    source = f"data/measured/ethos_u.csv: Vela {table['vela'].dropna().iloc[0]}"
    return _sums(table, "cycles").assign(kind="compiler", batch=1, dtype="int8", source=source)


def cloud_tpu() -> pd.DataFrame:
    """Rows of `summary` by Google's compiler, charged for what it does not estimate."""
    table = measured.read("libtpu")
    if table.empty:
        return table
    # The costs of all rows first, because the charge of one program may come from others.
    table, rows = tpu_gains.costs(table), []
    drawn = table["batch"].isin(_TPU["batch"]) & table["dtype"].isin(_TPU["dtype"])
    table = table[drawn & (table["layer"] != tpu_gains.CHAIN)]
    order = list(libtpu.GENERATIONS).index
    table = table.sort_values("generation", key=lambda names: names.map(order), kind="stable")
    for (generation, batch, dtype), part in table.groupby(
        ["generation", "batch", "dtype"], sort=False
    ):
        source = f"data/measured/libtpu.csv: {part['compiler'].iloc[0]}"
        origin = {"kind": "compiler", "batch": batch, "dtype": dtype, "source": source}
        rows.append(
            _sums(part.assign(configuration=f"Cloud TPU {generation}"), "charged").assign(**origin)
        )
    return pd.concat(rows, ignore_index=True)


def accelerators() -> pd.DataFrame:
    """Rows of `summary` by times on GPUs and TPUs; none are recorded yet, so there are no rows."""
    table, rows = measured.read("accelerators"), []
    if table.empty:
        return table
    table = table.assign(complete=table["reason"].isna())
    for (device, batch, dtype, compiler), part in table.groupby(
        ["device", "batch", "dtype", "compiler"], sort=False
    ):
        origin = {"kind": "measured", "batch": batch, "dtype": dtype}
        origin["source"] = f"data/measured/accelerators.csv: {compiler}, {part['date'].iloc[0]}"
        rows.append(_sums(part.assign(configuration=device), "seconds").assign(**origin))
    return pd.concat(rows, ignore_index=True)


def runtimes() -> pd.DataFrame:
    """Rows of `summary` by times on a CPU: on one thread, as the rules assume, and on more."""
    rows = []
    table = measured.read("cpu_runtimes")
    if len(table):
        for (runtime, dtype, version, threads), part in cpu.costs(table).groupby(
            ["runtime", "dtype", "version", "threads"], sort=False
        ):
            device, date = part["device"].iloc[0], part["date"].iloc[0]
            source = f"data/measured/cpu_runtimes.csv: {version}, {device}, {date}"
            title = _TITLES[runtime] + (f", {threads} threads" if threads > 1 else "")
            sums = _sums(part.assign(configuration=title), "seconds")
            rows.append(sums.assign(kind="measured", batch=1, dtype=dtype, source=source))
    return pd.concat(rows, ignore_index=True) if rows else table


def published() -> pd.DataFrame:
    """Rows of `summary` that the paper's authors measured, replayed, as they divided networks."""
    names, rows = {title: name for name, title in networks.titles().items()}, []
    for processor, name in _PUBLISHED.items():
        table = edgetpu.published(name)
        if table.empty:
            continue
        table = table[table["network"].isin(names)]
        over = {f"over_{side}": table.get(f"speedup_{side}_over_sd") for side in ("nzp", "native")}
        series: Any = ""
        if "artifact" in table:
            series = table["artifact"].map({"tflite": ", not compiled"}).fillna("")
        origin = {"kind": "published", "processor": processor + series, "batch": 1}
        origin |= {"network": table["network"].map(names), "source": "replayed: " + table["source"]}
        rows.append(pd.DataFrame(over).assign(**origin, part="deconv", forms="split"))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def cells(table: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """`summary` as `splitdeconv.study.charts.gain_map` draws it: processors by networks.

    There is a panel for the gains over native, and one for those over NZP.

    Args:
        table: of `summary`.
        prefix: `"network_"` for networks as one program; of these there are fewer.
    """
    over_native, over_nzp = f"{prefix}over_native", f"{prefix}over_nzp"
    table = table.dropna(subset=[over_native, over_nzp], how="all") if prefix else table
    # A gain of exactly 1 means that the rules left every layer native.
    by_rules = table[f"{prefix}auto_over_native"]
    splits = by_rules.notna() & (by_rules != 1)
    missing = {side: (table[f"{side}_missing"] > 0) & (prefix == "") for side in ("native", "nzp")}
    place = {"group": table["kind"], "row": _rows(table), "column": table["network"]}
    sides = {
        "over native": (over_native, np.where(missing["native"], "\u2020", "")),
        "over zero insertion (NZP)": (over_nzp, np.where(missing["nzp"], "\u2021", "")),
    }
    order = {kind: index for index, kind in enumerate(KINDS)}
    framed = table.assign(**place, framed=splits)
    panels = [
        framed.assign(gain=table[gain], mark=mark, panel=panel)
        for panel, (gain, mark) in sides.items()
    ]
    drawn = pd.concat(panels)
    drawn["framed"] &= drawn["gain"].notna() | (drawn["mark"] != "")  # no frame without a value
    drawn = drawn.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable")
    return drawn.reset_index(drop=True)


def _sums(table: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Costs of layers summed by network: native, NZP, the best split form and the chosen one."""
    key = ["configuration", "network"]
    # One row per layer, one column per form: its cost, the least where it was measured twice.
    able = table[table["complete"].eq(True)]
    costs = able.pivot_table(index=[*key, "layer"], columns="form", values=cost, aggfunc="min")
    # Layers without any cost stay, as rows of NaN, so that their sums are NaN too.
    every = table[[*key, "layer"]].drop_duplicates()
    costs = costs.reindex(pd.MultiIndex.from_frame(every))
    costs = costs.reindex(columns=["native", "nzp", "auto", *FILE_FORMS])
    # A target may choose an interleave that no other row has. A layer that it leaves costs as much
    # as native.
    costs["chosen"] = costs["auto"].where(costs["auto"] != costs["native"])
    forms = costs[[*FILE_FORMS, "chosen"]].astype(float)
    costs["best"] = forms.min(axis=1)
    costs["forms"] = forms.fillna(np.inf).idxmin(axis=1).where(costs["best"].notna(), "")
    part = np.where(costs.index.get_level_values("layer") == gains.WHOLE, "network", "deconv")
    rows = []
    for (configuration, network, name), layers in costs.groupby(
        [*key, pd.Series(part, costs.index, name="part")], sort=False
    ):
        total = layers[["native", "nzp", "auto", "best"]].sum(skipna=False)
        counts = layers["forms"].value_counts()
        rows.append(
            {
                "processor": configuration,
                "network": network,
                "part": name,
                "over_native": total["native"] / total["best"],
                "over_nzp": total["nzp"] / total["best"],
                "auto_over_native": total["native"] / total["auto"],
                "auto_over_nzp": total["nzp"] / total["auto"],
                "forms": ", ".join(f"{form} {count}" for form, count in counts.items() if form),
                "native_missing": int(layers["native"].isna().sum()),
                "nzp_missing": int(layers["nzp"].isna().sum()),
            }
        )
    return pd.DataFrame(rows)


def means(table: pd.DataFrame) -> pd.DataFrame:
    """`summary` by row of `cells`: geometric means over networks, and the extremes.

    Returns:
        DataFrame indexed by ``kind`` and ``row`` with the columns (gain, "mean"), (gain, "least")
        and (gain, "most"), of transposed convolutions.
    """
    rows = table.assign(row=_rows(table)).groupby(["kind", "row"], sort=False)[_GAINS]
    names = {"geometric_mean": "mean", "min": "least", "max": "most"}
    return rows.agg([geometric_mean, "min", "max"]).rename(columns=names, level=1)


def chosen(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """What the rules of a target choose, by processor, as `splitdeconv.study.charts.hero` draws it.

    Args:
        table: of `summary`.
        labels: dict of the row's name in `means` to its label; only these, in this order.
    """
    rows = means(table).reset_index("kind").loc[list(labels)]
    columns = {"label": list(labels.values()), "measured": rows["kind", ""] == "measured"}
    for side in ("native", "nzp"):
        for end in ("mean", "least", "most"):
            columns[f"{side}_{end}"] = rows[f"auto_over_{side}", end]
    return pd.DataFrame(columns).reset_index(drop=True)


def _rows(table: pd.DataFrame) -> pd.Series:
    """The name of each row: the processor, with batch and type if it has several."""
    several = {
        name: table.groupby("processor")[name].transform("nunique") > 1
        for name in ("batch", "dtype")
    }
    batches = ", batch " + table["batch"].astype(str)
    row = table["processor"] + np.where(several["batch"], batches, "")
    return row + np.where(several["dtype"], ", " + table["dtype"].fillna(""), "")

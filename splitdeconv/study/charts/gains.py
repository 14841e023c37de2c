"""Charts of compilers' estimates: means of gains, verdicts on operators, published speedups."""

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...extras import require
from ...figures import COLOURS
from ...networks import titles as titles_of
from .methods import method_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100, 300, 1000, 3000, 10000)
_DECADES = (0.01, 0.1, 1, 10, 100, 1000, 10000)
#: Shades of a verdict, from good to bad; "no file" where there is nothing to judge.
VERDICTS = {"taken": "#B7D7EA", "unknown": "#F7E8B0", "refused": "#E9A583", "no file": "#E4E4E4"}


def means(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    titles: Mapping[str, str] | None = None,
    also: tuple[str, str] | None = None,
    most: float = 30,
) -> "Figure":
    """The gains of one form as dots, their geometric mean, median and worst.

    Args:
        table: of `splitdeconv.study.gains.by_form`, of that form, with a column ``baseline``.
        summary: of `splitdeconv.study.gains.summary`; each row is one row of the figure.
        titles: dict of configuration to its name in the figure.
        also: (column of the summary, its name): another mean, as a hollow diamond.
        most: where the axis ends; gains beyond are written there.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    titles = titles or {}
    fig, ax = plt.subplots(figsize=(9.5, 0.62 * len(summary) + 1.5), layout="constrained")
    jitter = np.random.default_rng(0)
    for y, row in enumerate(summary.itertuples()):
        in_row = (table["configuration"] == row.configuration) & (table["baseline"] == row.baseline)
        gains, at = table.loc[in_row, "gain"].dropna(), {"color": COLOURS["split"], "zorder": 3}
        inside, beyond = gains[gains <= most], sorted(gains[gains > most])
        heights = y + jitter.uniform(-0.16, 0.16, len(inside))
        ax.scatter(inside, heights, s=14, color="0.7", label="a layer", zorder=1)
        text = ", ".join(f"{gain:,.0f}" for gain in beyond) + " \u25b8" if beyond else ""
        look = {"ha": "right", "fontsize": 8.5, "color": "0.45"}
        ax.annotate(text, (0.995, y), xycoords=("axes fraction", "data"), va="center", **look)
        ax.scatter(row.mean, y, s=75, marker="D", label="geometric mean", **at)
        if also is not None:
            hollow = {"facecolors": "white", "edgecolors": COLOURS["split"], "zorder": 2}
            ax.scatter(getattr(row, also[0]), y, s=60, marker="D", label=also[1], **hollow)
        ax.scatter(row.median, y, s=150, marker="|", lw=2, label="median", **at)
        ax.scatter(row.worst, y, s=40, marker="x", label="worst layer", **at | {"color": "0.2"})
        text = f"{row.mean:.2f}" if np.isfinite(row.mean) else "no layer"
        ax.annotate(text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=10)
    pairs = zip(summary["configuration"], summary["baseline"], strict=True)
    labels = [f"{titles.get(name, name)} over {method_name(side)}" for name, side in pairs]
    ax.axvline(1, color="0.35", lw=1)
    _logarithmic(ax, table["gain"].clip(upper=most))
    ax.set_yticks(range(len(summary)), labels)
    ax.set(ylim=(len(summary) - 0.4, -0.6), xlabel="times fewer cycles")
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    fig.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    return fig


def verdicts(table: pd.DataFrame) -> "Figure":
    """Networks by form: the worst verdict on any operator of the file, and the operators it is on.

    Args:
        table: columns network, form, operator, version, verdict and skipped, as `edgetpu.checks`
            gives them.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    networks, forms = (list(dict.fromkeys(table[name])) for name in ("network", "form"))
    fig, ax = plt.subplots(
        figsize=(1.7 * len(forms) + 1.4, 0.62 * len(networks) + 1.1), layout="constrained"
    )
    for (network, form), rows in table.groupby(["network", "form"], sort=False):
        given = set(rows["verdict"].fillna("no file"))
        worst = next(verdict for verdict in reversed(VERDICTS) if verdict in given)
        place = forms.index(form), networks.index(network)
        corner = place[0] - 0.48, place[1] - 0.46
        ax.add_patch(plt.Rectangle(corner, 0.96, 0.92, color=VERDICTS[worst], lw=0, label=worst))
        named = rows[(rows["verdict"] == worst) & (worst != "taken")]
        operators = [f"{row.operator}\u00a0v{row.version:g}" for row in named.itertuples()]
        text = ", ".join(operators) if operators else " ".join(rows["skipped"].dropna())
        ax.annotate(fill(text, 32), place, ha="center", va="center", fontsize=6.5)
    ax.set(xlim=(-0.5, len(forms) - 0.5), ylim=(len(networks) - 0.5, -0.5))
    ax.set_xticks(range(len(forms)), [fill(method_name(form), 16) for form in forms])
    ax.set_yticks(range(len(networks)), networks)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    drawn = [verdict for verdict in VERDICTS if verdict in handles]
    fig.legend([handles[name] for name in drawn], drawn, loc="outside lower center", ncols=4)
    return fig


def published(tables: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> "Figure":
    """Published speedups by network, one panel per table; at 1 nothing is gained.

    Args:
        tables: dict of panel to DataFrame ``network, speedup, series``, networks by their titles; a
            colour for each series.
        titles: dict of series to its name in the legend.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    most = max(len(set(table["network"])) for table in tables.values())
    size = (4.3 * len(tables), 0.55 * most + 1.7)
    # One scale for all panels, each as wide as its longest bar needs.
    widths = [table["speedup"].max() + 0.8 for table in tables.values()]
    shared = {"sharey": True, "squeeze": False, "width_ratios": widths}
    fig, axes = plt.subplots(1, len(tables), figsize=size, layout="constrained", **shared)
    colours = dict(zip(titles, ("#56B4E9", "#0072B2", "#009E73"), strict=False))
    drawn = list(dict.fromkeys(name for table in tables.values() for name in table["network"]))
    known = [name for name in titles_of().values() if name in drawn]
    networks = list(dict.fromkeys([*known, *drawn]))
    for ax, width, (panel, table) in zip(axes[0], widths, tables.items(), strict=True):
        series = list(dict.fromkeys(table["series"]))
        for i, name in enumerate(series):
            rows = table[table["series"] == name]
            y = np.array([networks.index(network) for network in rows["network"]])
            height = 0.76 / len(series)
            place = y + (i - (len(series) - 1) / 2) * height
            bars = ax.barh(
                place, rows["speedup"], height * 0.92, color=colours[name], label=titles[name]
            )
            ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
        ax.axvline(1, color="0.2", lw=1)
        ax.set(title=fill(panel, int(12 * width)), xlim=(0, width), xlabel="speedup, as published")
    axes[0, 0].set_yticks(range(len(networks)), networks)
    axes[0, 0].set(ylim=(len(networks) - 0.4, -0.6))
    fig.legend(loc="outside lower center", ncols=len(titles))
    return fig


def _logarithmic(ax: "Axes", values: pd.Series) -> None:
    """A logarithmic axis around 1 with round ticks, at least a factor of two to either side."""
    # Where there are no values, they are NaN.
    left, right = np.nanmin([values.min() / 1.25, 0.5]), np.nanmax([values.max() * 1.4, 2])
    # Over more than three decades every tick would meet the next.
    marked = _TICKS if right < 1000 * left else _DECADES
    ticks = [tick for tick in marked if left <= tick <= right]
    ax.set(xscale="log", xlim=(left, right))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(axis="x", color="0.93", zorder=0)
    ax.set_axisbelow(True)

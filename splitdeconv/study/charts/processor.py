"""Charts of the processor model: gains, energy, idle multipliers and the roofline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...extras import require
from ...figures import PART_COLOURS
from .methods import METHOD_COLOURS, method_name, variant_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Points with a name in the roofline; more would cover each other.
_MOST_NAMES = 8


def by_network(
    table: pd.DataFrame,
    column: str,
    *,
    label: str,
    band: tuple[float, float] | None = None,
    panels: str = "processor",
    even: float = 1,
    percent: bool = False,
) -> "Figure":
    """A dot for each variant and network, panels side by side, and a band of published values.

    Args:
        table: of `splitdeconv.dlp.compare`; networks and variants are drawn in order of appearance.
        column: the value to draw.
        label: of the values.
        band: lowest and highest published value.
        panels: column whose values are panels.
        even: the value at which nothing is gained, drawn as a line.
        percent: whether values are fractions that are shown in per cent.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    names, variants = (list(dict.fromkeys(table[name])) for name in (panels, "variant"))
    networks, scale = list(dict.fromkeys(table["network"])), 100 if percent else 1
    size = (4.2 * len(names) + 2, 0.5 * len(networks) + 1.9)
    fig, axes = plt.subplots(
        1, len(names), figsize=size, layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    aside = np.linspace(-0.24, 0.24, len(variants)) if len(variants) > 1 else [0]
    for ax, name in zip(axes[0], names, strict=True):
        if band is not None:
            low, high = (scale * value for value in band)
            words = f"published: {low:g} to {high:g}" + " %" * percent
            ax.axvspan(low, high, color="0.9", zorder=0, label=words)
        part = table[table[panels] == name]
        for (variant, colour), shift in zip(variant_colours(variants).items(), aside, strict=True):
            values = part[part["variant"] == variant].set_index("network")[column]
            y = np.array([networks.index(network) for network in values.index]) + shift
            look = {"s": 34, "color": colour, "zorder": 3, "label": method_name(variant)}
            ax.scatter(scale * values, y, **look)
        ax.axvline(scale * even, color="0.3", lw=1)
        ax.grid(axis="x", color="0.93")
        ax.set_axisbelow(True)
        ax.set(title=name if len(names) > 1 else "", xlabel=label)
    axes[0, 0].set_yticks(range(len(networks)), networks)
    axes[0, 0].set(ylim=(len(networks) - 0.5, -0.5))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2 + (len(names) > 1), fontsize=9)
    return fig


def parts(table: pd.DataFrame, columns: Mapping[str, str], *, label: str) -> "Figure":
    """Stacked bars of what a total is made of, relative to each network's first bar.

    Args:
        table: columns ``network``, ``bar`` (the name of the bar) and those of `columns`, in the
            order in which bars are drawn.
        columns: dict of column to name: the parts, from the left.
        label: of the values.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    networks, bars = (list(dict.fromkeys(table[name])) for name in ("network", "bar"))
    values = table.set_index(["network", "bar"])[list(columns)]
    shares = values.div(
        values.sum(axis=1).groupby(level="network", sort=False).transform("first"), axis=0
    )
    height = 0.24 * len(networks) * (len(bars) + 1) + 1.4
    fig, ax = plt.subplots(figsize=(8.6, height), layout="constrained")
    places = {
        (network, bar): i * (len(bars) + 1) + j
        for i, network in enumerate(networks)
        for j, bar in enumerate(bars)
    }
    y = np.array([places[key] for key in shares.index])
    left = np.zeros(len(shares))
    for (column, name), colour in zip(columns.items(), PART_COLOURS, strict=False):
        drawn = ax.barh(y, shares[column], 0.86, left, color=colour, label=name)
        left += shares[column].to_numpy()
    ax.bar_label(drawn, [f"{total:.2f}" for total in left], padding=4, fontsize=9)
    ax.set_yticks(y, [f"{network}: {bar}" for network, bar in shares.index], fontsize=9)
    ax.set(ylim=(max(y) + 0.8, -0.8), xlabel=label)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.1)
    fig.legend(loc="outside lower center", ncols=len(columns), fontsize=9)
    return fig


def ranges(table: pd.DataFrame, group: str, *, label: str, band: tuple[float, float]) -> "Figure":
    """A fraction of each network as a dot, with the range it may have, and the published band.

    Args:
        table: columns ``network``, ``value``, ``min`` and ``max``, and `group`.
        group: the column whose values are drawn side by side.
        label: of the values, which are shown in per cent.
        band: lowest and highest published value.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    networks, groups = (list(dict.fromkeys(table[name])) for name in ("network", group))
    size = (8.6, 0.5 * len(networks) + 1.7)
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    low, high = (100 * value for value in band)
    ax.axvspan(low, high, color="0.9", zorder=0, label=f"published: {low:g} to {high:g} %")
    for i, (name, colour) in enumerate(zip(groups, PART_COLOURS, strict=False)):
        rows = table[table[group] == name]
        y = np.array([networks.index(network) for network in rows["network"]])
        y = y + (i - (len(groups) - 1) / 2) * 0.3
        ax.hlines(y, 100 * rows["min"], 100 * rows["max"], color=colour, lw=2.5)
        ax.scatter(100 * rows["value"], y, color=colour, s=36, label=name, zorder=3)
    ax.set_yticks(range(len(networks)), networks)
    ax.set(ylim=(len(networks) - 0.5, -0.5), xlabel=label)
    fig.legend(loc="outside lower center", ncols=3, fontsize=9)
    return fig


def idle(table: pd.DataFrame) -> "Figure":
    """How busy the multipliers are in each layer: a line from the first method to the second.

    Args:
        table: rows of `splitdeconv.dlp.simulate` by two methods, with a column ``network``.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    table = table.assign(row=table["network"] + " " + table["name"])
    busy = table.pivot(index="row", columns="method", values="utilisation") * 100
    busy = busy.loc[list(dict.fromkeys(table["row"])), list(dict.fromkeys(table["method"]))]
    fig, ax = plt.subplots(figsize=(7.5, 0.24 * len(busy) + 1.4), layout="constrained")
    y = np.arange(len(busy))
    ax.hlines(y, busy.min(axis=1), busy.max(axis=1), color="0.75", lw=2, zorder=1)
    for method in busy:
        look = {"s": 42, "color": METHOD_COLOURS[method], "label": method_name(method)}
        ax.scatter(busy[method], y, zorder=2, **look)
    ax.set_yticks(y, busy.index)
    ax.set(xlim=(-3, 103), ylim=(len(busy) - 0.5, -0.5))
    ax.set_xlabel("multipliers at work, % of the cycles; the rest is idle")
    ax.grid(axis="x", color="0.93")
    ax.set_axisbelow(True)
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def roofline(table: pd.DataFrame, roof: tuple[float, float]) -> "Figure":
    """The transposed convolutions under a processor's roof, before and after splitting.

    Args:
        table: of `splitdeconv.dlp.roofline`, rows of the baseline left out, with a column
            ``network``.
        roof: (peak, bytes per cycle).

    Returns:
        A matplotlib figure; the layers that gain most and least have names.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    peak, bandwidth = roof
    layers = table[table["kind"] == "deconv"].reset_index(drop=True)
    points = {
        ("nzp", "before"): layers[["operational_intensity_before", "achieved_before"]].to_numpy(),
        (layers["method"].iloc[0], "after"): layers[
            ["operational_intensity", "achieved"]
        ].to_numpy(),
    }
    every = np.concatenate([xy[:, 0] for xy in points.values()] + [[peak / bandwidth]])
    x = np.array([every.min() / 2, peak / bandwidth, every.max() * 2])
    fig, ax = plt.subplots(figsize=(8.6, 5), layout="constrained")
    ax.plot(x, np.minimum(peak, x * bandwidth), color="0.2", lw=1.6, zorder=1)
    ax.annotate("peak", (x[-1], peak), ha="right", va="bottom", fontsize=10)
    (_, old), (_, new) = points.items()
    ax.plot(*np.stack([old, new]).transpose(2, 0, 1), color="0.7", lw=0.8, zorder=1)
    for (method, _), xy in points.items():
        ax.scatter(*xy.T, s=36, color=METHOD_COLOURS[method], label=method_name(method), zorder=2)
    gain = (layers["achieved"] / layers["achieved_before"]).to_numpy()
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9}
    for row in _apart(new, np.argsort(gain)):
        name = f"{layers['network'][row]} {layers['layer'][row]}, {gain[row]:.1f}x"
        below = -13 if new[row][1] > 0.8 * peak else -3  # clear of the roof
        ax.annotate(name, new[row], xytext=(7, below), **look)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("useful multiply-accumulates per byte of DRAM")
    ax.set_ylabel("useful multiply-accumulates per cycle")
    ax.legend(loc="lower right")
    return fig


def _apart(points: NumpyArray, order: NumpyArray) -> list[int]:
    """Rows that get a name, from both ends of an order, at a distance from each other."""
    ends = [row for pair in zip(order, order[::-1], strict=True) for row in pair]
    logs, named = np.log10(points), list[int]()
    for row in dict.fromkeys(map(int, ends)):
        away = np.abs(logs[named] - logs[row])
        if len(named) < _MOST_NAMES and not ((away[:, 0] < 0.6) & (away[:, 1] < 0.04)).any():
            named.append(row)
    return named

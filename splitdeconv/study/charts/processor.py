"""Charts of the processor model: gains, energy, utilisation, design spaces and rooflines."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...extras import require
from ...figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Methods of the processor model, in the colours of the forms that they run.
METHOD_COLOURS = {
    **{name: COLOURS[name] for name in ("native", "nzp", "rows", "stacked", "paper")},
    "sd": COLOURS["split"],
    "sd_trimmed": COLOURS["auto"],
}
# Skipping tints a method's colour: towards white, or towards black if everything is skipped.
_TINTS = {"A": ("white", 0.55), "W": ("white", 0.3), "WA": ("black", 0.4)}


def variant_colours(variants: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """A colour for each variant of `splitdeconv.dlp.compare`.

    Args:
        variants: labels such as "sd" and "sd-WA".

    Returns:
        dict of label to colour.
    """
    mix = require("matplotlib.colors", "notebooks").to_rgb
    colours = {}
    for variant in variants:
        method, _, skip = variant.partition("-")
        towards, share = _TINTS.get(skip, ("white", 0))
        ends = zip(mix(METHOD_COLOURS[method]), mix(towards), strict=True)
        red, green, blue = (a * (1 - share) + b * share for a, b in ends)
        colours[variant] = red, green, blue
    return colours


def by_method(
    table: pd.DataFrame,
    column: str,
    *,
    band: tuple[float, float] | None = None,
    rows: str = "processor",
    label: str | None = None,
) -> "Figure":
    """Bars of each variant, by network; a band where published values lie.

    Args:
        table: of `splitdeconv.dlp.compare`; its networks are drawn in order of appearance.
        column: the value to draw.
        band: lowest and highest published value.
        rows: column whose values are panels, one below the other.
        label: of the values; by default the column's name.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    panels, variants = (list(dict.fromkeys(table[name])) for name in (rows, "variant"))
    networks = list(dict.fromkeys(table["network"]))
    size = (1.5 * len(networks) + 2.5, 2.9 * len(panels) + 0.6)
    fig, axes = plt.subplots(
        len(panels), 1, figsize=size, layout="constrained", sharex=True, squeeze=False
    )
    for ax, panel in zip(axes[:, 0], panels, strict=True):
        if band is not None:
            ax.axhspan(*band, color="0.9", zorder=0, label=f"published: {band[0]:g} to {band[1]:g}")
        part = table[table[rows] == panel]
        values = part.pivot(index="network", columns="variant", values=column)
        values = values.reindex(index=networks, columns=variants)
        look = {"width": 0.82, "rot": 0, "legend": False, "zorder": 2}
        values.plot.bar(ax=ax, color=variant_colours(variants), **look)
        ax.set(title=panel, xlabel="", ylabel=label or column)
        ax.axhline(0, color="0.4", lw=0.8)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return fig


def parts(
    table: pd.DataFrame, columns: Mapping[str, str], *, rows: str = "technology", label: str = ""
) -> "Figure":
    """Stacked bars of what a total is made of, relative to each network's first variant.

    Args:
        table: of `splitdeconv.dlp.compare`.
        columns: dict of column to name: the parts, from the bottom up.
        rows: column whose values are panels, one below the other.
        label: of the values.

    Returns:
        A matplotlib figure.
    """
    plt, sns = require("matplotlib.pyplot", "notebooks"), require("seaborn", "notebooks")
    panels = list(dict.fromkeys(table[rows]))
    order = list(dict.fromkeys(zip(table["network"], table["variant"], strict=True)))
    networks = list(dict.fromkeys(network for network, _ in order))
    # A gap between networks.
    at = np.array([i + networks.index(network) for i, (network, _) in enumerate(order)])
    size = (0.28 * at[-1] + 3.2, 2.9 * len(panels) + 1)
    fig, axes = plt.subplots(
        len(panels), 1, figsize=size, layout="constrained", sharex=True, squeeze=False
    )
    for ax, panel in zip(axes[:, 0], panels, strict=True):
        part = table[table[rows] == panel].set_index(["network", "variant"])
        values = part[list(columns)].loc[order]
        first = values.sum(axis=1).groupby(level="network", sort=False).transform("first")
        bottom = np.zeros(len(order))
        for column, colour in zip(columns, sns.color_palette("colorblind"), strict=False):
            share = (values[column] / first).to_numpy()
            ax.bar(at, share, 0.85, bottom, color=colour, label=columns[column])
            bottom += share
        ax.set(title=panel, ylabel=label, xlim=(-0.8, at[-1] + 0.8))
        for network in networks:
            middle = at[[name == network for name, _ in order]].mean()
            ax.annotate(network, (middle, ax.get_ylim()[1]), ha="center", va="top", fontsize=10)
    axes[-1, 0].set_xticks(at, [variant for _, variant in order], rotation=90, fontsize=8.5)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return fig


def utilisation(table: pd.DataFrame) -> "Figure":
    """How busy the multipliers are in each layer, by method; the marker shows what binds the layer.

    Args:
        table: rows of `splitdeconv.dlp.simulate` with a column ``network``.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    markers = {"compute": "o", "bandwidth": "s", "fill": "^", "utilisation": "X"}
    names = [f"{n}: {layer}" for n, layer in zip(table["network"], table["name"], strict=True)]
    order = list(dict.fromkeys(names))
    y = np.array([order.index(name) for name in names])
    fig, ax = plt.subplots(figsize=(7.5, 0.24 * len(order) + 1.3), layout="constrained")
    for (method, bound), rows in table.assign(y=y).groupby(["method", "bound_by"], sort=False):
        look = {"marker": markers[bound], "color": METHOD_COLOURS[method]}
        look |= {"label": f"{method}, bound by {bound}"}
        ax.scatter(rows["utilisation"], rows["y"], s=46, alpha=0.85, **look)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlim=(-0.03, 1.03), ylim=(len(order) - 0.5, -0.5))
    ax.set_xlabel("multiply-accumulates issued / peak")
    ax.grid(axis="x", color="0.9")
    fig.legend(loc="outside upper center", ncols=2)
    return fig


def fronts(
    table: pd.DataFrame,
    front: pd.DataFrame,
    x: str,
    y: str,
    *,
    panel: str = "network",
    labels: tuple[str, str] | None = None,
) -> "Figure":
    """Every point of a design space, and the front of each method, in logarithmic panels.

    Args:
        table: all points, with the columns `x`, `y`, `panel` and ``method``.
        front: those of `splitdeconv.dlp.pareto`, by panel and method.
        x, y: columns.
        panel: column whose values are panels.
        labels: of x and y; by default the columns' names.

    Returns:
        A matplotlib figure.
    """
    plt, ticks = (require(f"matplotlib.{name}", "notebooks") for name in ("pyplot", "ticker"))
    panels, methods = (list(dict.fromkeys(table[name])) for name in (panel, "method"))
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    size = (3.6 * columns + 1.4, 3.1 * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax, name in zip(axes.flat, panels, strict=False):
        for method in methods:
            every, best = (t[(t[panel] == name) & (t["method"] == method)] for t in (table, front))
            colour = METHOD_COLOURS[method]
            ax.scatter(every[x], every[y], s=7, color=colour, alpha=0.25, linewidths=0)
            line = {"where": "post", "marker": "o", "ms": 4, "lw": 1.5}
            ax.step(best[x], best[y], color=colour, label=method, **line)
        ax.set(title=name, xscale="log", yscale="log")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(ticks.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(ticks.NullLocator())
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    x_label, y_label = labels or (x, y)
    fig.supxlabel(x_label, fontsize=11)
    fig.supylabel(y_label, fontsize=11)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return fig


def rooflines(table: pd.DataFrame, roofs: Mapping[str, tuple[float, float]]) -> "Figure":
    """Layers under the roofline of their processor, with an arrow from the baseline to the method.

    Args:
        table: of `splitdeconv.dlp.roofline`, several processors and networks together, rows of the
            baseline left out.
        roofs: dict of processor to (peak, bytes per cycle), a panel each.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    columns = min(len(roofs), 3)
    rows = -(-len(roofs) // columns)
    size = (3.8 * columns + 1.2, 3.3 * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    kinds = {"deconv": METHOD_COLOURS["sd"], "conv": "0.55", "dense": "0.8"}
    for ax, (name, (peak, bandwidth)) in zip(axes.flat, roofs.items(), strict=False):
        layers = table[table["processor"] == name]
        intensity = layers["operational_intensity"], layers["operational_intensity_before"]
        x = np.geomspace(*_span(*intensity), 64)
        ax.plot(x, np.minimum(peak, x * bandwidth), color="0.2", lw=1.4)
        for kind, colour in kinds.items():
            points = layers[layers["kind"] == kind]
            if kind == "deconv":
                old = points[["operational_intensity_before", "achieved_before"]].to_numpy()
                new = points[["operational_intensity", "achieved"]].to_numpy()
                ax.scatter(*old.T, s=16, color=METHOD_COLOURS["nzp"], label="deconv, before")
                line = {"arrowstyle": "-", "color": "0.6", "lw": 0.7}
                for before, after in zip(old, new, strict=True):
                    ax.annotate("", after, before, arrowprops=line, zorder=0)
            label = f"{kind}, after" if kind == "deconv" else kind
            x, y = points["operational_intensity"], points["achieved"]
            ax.scatter(x, y, s=16, color=colour, label=label)
        ax.set(title=name, xscale="log", yscale="log")
    for ax in axes.flat[len(roofs) :]:
        ax.set_visible(False)
    fig.supxlabel("useful multiply-accumulates per byte of DRAM", fontsize=11)
    fig.supylabel("useful multiply-accumulates per cycle", fontsize=11)
    handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    fig.legend(handles.values(), handles.keys(), loc="outside right upper")
    return fig


def _span(*columns: pd.Series) -> tuple[float, float]:
    """From half the least to twice the greatest value."""
    values = np.concatenate(columns)
    return values.min() / 2, values.max() * 2

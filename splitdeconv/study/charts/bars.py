"""Charts of results: speedups with intervals, images side by side."""

import numpy as np

from ...extras import require
from ...figures import COLOURS

#: Methods of the processor model, in the colours of the forms that they run.
METHOD_COLOURS = {
    **{name: COLOURS[name] for name in ("native", "nzp", "rows", "stacked", "paper")},
    "sd": COLOURS["split"],
    "sd_trimmed": COLOURS["auto"],
}
# Skipping tints a method's colour: towards white, or towards black if everything is skipped.
_TINTS = {"A": ("white", 0.55), "W": ("white", 0.3), "WA": ("black", 0.4)}


def speedups(table, *, label="layer", baseline="native"):
    """Speedup of each form over a baseline, as points with intervals; points left of the line are
    losses.

    Args:
        table: columns `label`, form, speedup, low, high and skipped, as
            `splitdeconv.study.networks` gives them; where there is no speedup, `skipped` gives the
            reason.
        label: the column that names the rows of the chart, drawn from top to bottom in order of
            appearance.
        baseline: the form at 1.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    labels = list(dict.fromkeys(table[label]))
    forms = [form for form in dict.fromkeys(table["form"]) if form != baseline]
    size = (7.5, 1.3 + 0.16 * len(labels) * (len(forms) + 1))
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    for offset, form in enumerate(forms):
        rows = table[table["form"] == form].set_index(label).reindex(labels)
        y = np.arange(len(labels)) + (offset - (len(forms) - 1) / 2) * 0.8 / len(forms)
        spread = np.vstack([rows["speedup"] - rows["low"], rows["high"] - rows["speedup"]])
        colour = COLOURS[form]
        ax.errorbar(
            rows["speedup"], y, xerr=spread, fmt="o", ms=5.5, lw=1.6, color=colour, label=form
        )
        for value, end, reason, height in zip(
            rows["speedup"], rows["high"], rows["skipped"], y, strict=True
        ):
            text, place = (
                (f"{value:.2f}", end) if np.isfinite(value) else (f"{form} not run: {reason}", 1)
            )
            ax.annotate(
                text,
                (place, height),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    ax.axvline(1, color=COLOURS[baseline], lw=1.2)
    # At least a factor of two on either side: small differences should look small.
    left, right = min(table["low"].min() / 1.1, 0.5), max(table["high"].max() * 1.25, 2)
    ticks = [
        t
        for t in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)
        if left <= t <= right
    ]
    ax.set(xscale="log", xlim=(left, right))
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(labels)), labels)
    ax.set(
        ylim=(len(labels) - 0.4, -0.6), xlabel=f"speedup over {baseline} (median and 95 % interval)"
    )
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 1 + 0.42 / fig.get_figheight() + 0.06),
        ncols=len(forms),
    )
    return fig


def image_grid(images, *, reference="native"):
    """Images by form, one row each, with the count of 8-bit values that differ from the reference.

    Args:
        images: dict of form to uint8 array ``(count, height, width, channels)``.
        reference: the form the others are compared with.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    count = len(images[reference])
    size = (1.35 * count + 1.4, 1.45 * len(images))
    fig, axes = plt.subplots(len(images), count, figsize=size, layout="constrained", squeeze=False)
    for row, (form, batch) in zip(axes, images.items(), strict=True):
        differing = int(np.count_nonzero(batch != images[reference]))
        remark = "" if form == reference else f"\n{differing:,} of {batch.size:,}\nvalues differ"
        row[0].set_ylabel(f"{form}{remark}", rotation=0, ha="right", va="center", fontsize=9.5)
        for ax, image in zip(row, batch, strict=True):
            ax.imshow(image.squeeze(), cmap="gray" if image.shape[-1] == 1 else None)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    return fig


def variant_colours(variants):
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
        colours[variant] = tuple(a * (1 - share) + b * share for a, b in ends)
    return colours


def by_method(table, column, *, band=None, rows="processor", label=None):
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
        values = table[table[rows] == panel].pivot(
            index="network", columns="variant", values=column
        )
        values = values.reindex(index=networks, columns=variants)
        values.plot.bar(
            ax=ax, color=variant_colours(variants), width=0.82, rot=0, legend=False, zorder=2
        )
        ax.set(title=panel, xlabel="", ylabel=label or column)
        ax.axhline(0, color="0.4", lw=0.8)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return fig


def parts(table, columns, *, rows="technology", label=""):
    """Stacked bars of what a total is made of, by network and variant, relative to each network's
    first variant.

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
        values = (
            table[table[rows] == panel].set_index(["network", "variant"])[list(columns)].loc[order]
        )
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


def utilisation(table):
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
        ax.scatter(
            rows["utilisation"],
            rows["y"],
            s=46,
            alpha=0.85,
            label=f"{method}, bound by {bound}",
            **look,
        )
    ax.set_yticks(range(len(order)), order)
    ax.set(
        xlim=(-0.03, 1.03),
        ylim=(len(order) - 0.5, -0.5),
        xlabel="multiply-accumulates issued / peak",
    )
    ax.grid(axis="x", color="0.9")
    fig.legend(loc="outside upper center", ncols=2)
    return fig


def fronts(table, front, x, y, *, panel="network", labels=None):
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
            ax.step(
                best[x], best[y], where="post", color=colour, marker="o", ms=4, lw=1.5, label=method
            )
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


def rooflines(table, roofs):
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
        x = np.geomspace(
            *_span(layers["operational_intensity"], layers["operational_intensity_before"]), 64
        )
        ax.plot(x, np.minimum(peak, x * bandwidth), color="0.2", lw=1.4)
        for kind, colour in kinds.items():
            points = layers[layers["kind"] == kind]
            if kind == "deconv":
                old = points[["operational_intensity_before", "achieved_before"]].to_numpy()
                new = points[["operational_intensity", "achieved"]].to_numpy()
                ax.scatter(*old.T, s=16, color=METHOD_COLOURS["nzp"], label="deconv, before")
                for before, after in zip(old, new, strict=True):
                    ax.annotate(
                        "",
                        after,
                        before,
                        arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.7},
                        zorder=0,
                    )
            after = f"{kind}, after" if kind == "deconv" else kind
            ax.scatter(
                points["operational_intensity"], points["achieved"], s=16, color=colour, label=after
            )
        ax.set(title=name, xscale="log", yscale="log")
    for ax in axes.flat[len(roofs) :]:
        ax.set_visible(False)
    fig.supxlabel("useful multiply-accumulates per byte of DRAM", fontsize=11)
    fig.supylabel("useful multiply-accumulates per cycle", fontsize=11)
    handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    fig.legend(handles.values(), handles.keys(), loc="outside right upper")
    return fig


def _span(*columns):
    """From half the least to twice the greatest value."""
    values = np.concatenate(columns)
    return values.min() / 2, values.max() * 2

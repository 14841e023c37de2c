"""Charts of results: speedups with intervals, images side by side."""

import numpy as np

from .extras import require
from .figures import COLOURS


def speedups(table, *, label="layer", baseline="native"):
    """Speedup of each form over a baseline, as points with intervals; where a form loses stands left of the line.

    Args:
        table: columns `label`, form, speedup, low, high and skipped, as `splitdeconv.networks.measure` gives them;
            where there is no speedup, `skipped` tells why.
        label: the column that names the rows of the chart, drawn from top to bottom in order of appearance.
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
        ax.errorbar(rows["speedup"], y, xerr=spread, fmt="o", ms=5.5, lw=1.6, color=colour, label=form)
        for value, end, reason, height in zip(rows["speedup"], rows["high"], rows["skipped"], y, strict=True):
            text, place = (f"{value:.2f}", end) if np.isfinite(value) else (f"{form} not run: {reason}", 1)
            ax.annotate(text, (place, height), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)
    ax.axvline(1, color=COLOURS[baseline], lw=1.2)
    # A factor of two to either side, at the least: small differences should look small.
    left, right = min(table["low"].min() / 1.1, 0.5), max(table["high"].max() * 1.25, 2)
    ticks = [t for t in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50) if left <= t <= right]
    ax.set(xscale="log", xlim=(left, right))
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(labels)), labels)
    ax.set(ylim=(len(labels) - 0.4, -0.6), xlabel=f"speedup over {baseline} (median and 95 % interval)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1 + 0.42 / fig.get_figheight() + 0.06), ncols=len(forms))
    return fig


def image_grid(images, *, reference="native"):
    """Images by form, a row each, with the count of 8-bit values that differ from the reference.

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

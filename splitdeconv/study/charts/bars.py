"""Charts of results: speedups with intervals, images side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...extras import require
from ...figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def speedups(table: pd.DataFrame, *, label: str = "layer", baseline: str = "native") -> "Figure":
    """Speedup of each form over a baseline, as points with intervals; losses are left of the line.

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
        points = {"fmt": "o", "ms": 5.5, "lw": 1.6, "color": colour, "label": form}
        ax.errorbar(rows["speedup"], y, xerr=spread, **points)
        beside = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        values = rows[["speedup", "high", "skipped"]].itertuples(index=False, name=None)
        for (value, end, reason), height in zip(values, y, strict=True):
            if np.isfinite(value):
                ax.annotate(f"{value:.2f}", (end, height), **beside)
            else:
                ax.annotate(f"{form} not run: {reason}", (1, height), **beside)
    ax.axvline(1, color=COLOURS[baseline], lw=1.2)
    # At least a factor of two on either side: small differences should look small.
    left, right = min(table["low"].min() / 1.1, 0.5), max(table["high"].max() * 1.25, 2)
    marked = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)
    ticks = [tick for tick in marked if left <= tick <= right]
    ax.set(xscale="log", xlim=(left, right))
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(labels)), labels)
    ax.set(ylim=(len(labels) - 0.4, -0.6))
    ax.set_xlabel(f"speedup over {baseline} (median and 95 % interval)")
    above = 0.5, 1 + 0.42 / fig.get_figheight() + 0.06
    ax.legend(loc="upper center", bbox_to_anchor=above, ncols=len(forms))
    return fig


def image_grid(images: Mapping[str, NumpyArray], *, reference: str = "native") -> "Figure":
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

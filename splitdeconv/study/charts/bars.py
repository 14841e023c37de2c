"""Charts of results: speedups with intervals, images side by side."""

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...extras import require
from ...figures import COLOURS
from .methods import method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def speedups(table: pd.DataFrame, *, label: str = "layer", baseline: str = "native") -> "Figure":
    """Speedup of each form over a baseline, as points with intervals; losses are left of the line.

    Args:
        table: columns `label`, form, speedup, low, high and skipped, as
            `splitdeconv.study.networks` gives them; where there is no speedup, `skipped` gives the
            reason. If there is a column "runs", a form that runs another one of the table has no
            point of its own: a ring marks the point of that one.
        label: the column that names the rows of the chart, drawn from top to bottom in order of
            appearance.
        baseline: the form at 1.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    labels = list(dict.fromkeys(table[label]))
    table, same = _apart(table)
    forms = [form for form in dict.fromkeys(table["form"]) if form != baseline]
    size = (7.5, 1.3 + 0.16 * len(labels) * (len(forms) + 1))
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    named = set(forms)
    for offset, form in enumerate(forms):
        rows = table[table["form"] == form].set_index(label).reindex(labels)
        y = np.arange(len(labels)) + (offset - (len(forms) - 1) / 2) * 0.8 / len(forms)
        spread = np.vstack([rows["speedup"] - rows["low"], rows["high"] - rows["speedup"]])
        colour = COLOURS[form]
        points = {"fmt": "o", "ms": 5.5, "lw": 1.6, "color": colour, "label": method_name(form)}
        ax.errorbar(rows["speedup"], y, xerr=spread, **points)
        beside = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8.5}
        values = rows[["speedup", "skipped"]].itertuples(index=False, name=None)
        for (value, reason), height in zip(values, y, strict=True):
            if np.isfinite(value):
                # Numbers form a column, where no interval and no line can cross them.
                place = {"xycoords": ("axes fraction", "data"), "color": "0.2"}
                ax.annotate(f"{value:.2f}", (1, height), **place, **beside)
            elif isinstance(reason, str):
                ax.annotate(f"{method_name(form)} not run: {reason}", (1, height), **beside)
        for ring, places in same[same["runs"] == form].groupby("form"):
            at = [labels.index(name) for name in places[label]]
            marks = {"ls": "none", "marker": "o", "ms": 11, "mfc": "none", "mec": COLOURS[ring]}
            first = method_name(ring) if ring not in named else None
            ax.plot(rows["speedup"].iloc[at], y[at], mew=1.6, label=first, **marks)
            named.add(ring)
    ax.axvline(1, color=COLOURS[baseline], lw=1.2)
    # A wide axis, so that small differences look small and most figures have the same one.
    left, right = min(table["low"].min() / 1.1, 0.2), max(table["high"].max() * 1.25, 5)
    marked = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)
    ticks = [tick for tick in marked if left <= tick <= right]
    ax.set(xscale="log", xlim=(left, right))
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(labels)), labels)
    ax.set(ylim=(len(labels) - 0.4, -0.6))
    alone = f" of {method_name(forms[0])}" if len(forms) == 1 else ""
    ax.set_xlabel(f"speedup{alone} over {method_name(baseline)} (median and 95 % interval)")
    above = 0.5, 1 + 0.42 / fig.get_figheight() + 0.06
    if not alone:
        ax.legend(loc="upper center", bbox_to_anchor=above, ncols=len(named))
    return fig


def _apart(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with a point of their own, and those that run another form of the table."""
    if "runs" not in table:
        return table, table.assign(runs=table["form"])[:0]
    same = (table["runs"] != table["form"]) & table["runs"].isin(table["form"])
    return table[~same], table[same]


def image_grid(
    images: Mapping[str, NumpyArray], *, reference: str = "native", times: int = 64
) -> "Figure":
    """A row of images, and under it how far the other forms are from them, made visible.

    Args:
        images: dict of form to uint8 array ``(count, height, width, channels)``.
        reference: the form whose images are drawn, and that the others are compared with.
        times: what a difference is multiplied by; black is none.

    Returns:
        A matplotlib figure. The difference is the greatest of all forms.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    whole = images[reference].astype(int)
    apart = np.max([np.abs(batch - whole) for batch in images.values()], axis=0)
    others = " and ".join(method_name(form) for form in images if form != reference)
    rows = {
        method_name(reference): images[reference],
        fill(f"greatest difference of {others}, \u00d7 {times}", 16): np.minimum(
            apart * times, 255
        ),
    }
    size = (1.35 * len(whole) + 1.6, 1.4 * len(rows) + 0.1)
    fig, axes = plt.subplots(
        len(rows), len(whole), figsize=size, layout="constrained", squeeze=False
    )
    for row, (name, batch) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10.5)
        for ax, image in zip(row, batch.astype("uint8"), strict=True):
            ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    return fig

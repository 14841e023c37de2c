"""A chart of the gains of many models, ranked."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...extras import require
from ...figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)


def ranked(table: pd.DataFrame) -> "Figure":
    """Gains of tuned models in order, each with its interval, and of the same models all split.

    Args:
        table: columns ``panel``, ``tuned``, ``low``, ``high``, and ``split``: the gain of the model
            whose transposed convolutions are all split; where it is missing, there is no dot.

    Returns:
        A matplotlib figure, whose panels are as wide as they have models.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    panels = table.groupby("panel", sort=False).size()
    fig, axes = plt.subplots(
        1,
        len(panels),
        figsize=(11, 4),
        layout="constrained",
        sharey=True,
        squeeze=False,
        width_ratios=[max(size, 8) for size in panels],
    )
    for ax, (name, size) in zip(axes[0], panels.items(), strict=True):
        rows = table[table["panel"] == name].sort_values("tuned")
        x = np.arange(size)
        ax.scatter(x, rows["split"], s=16, color="0.72", zorder=2, label="every layer split")
        spread = np.vstack([rows["tuned"] - rows["low"], rows["high"] - rows["tuned"]]).clip(0)
        look: dict[str, Any] = {"fmt": "o", "ms": 4, "lw": 1.2, "color": COLOURS["split"]}
        ax.errorbar(x, rows["tuned"], yerr=spread, zorder=3, label="tuned", **look)
        ax.axhline(1, color=COLOURS["native"], lw=1.2, zorder=1)
        models = "model" if size == 1 else "models"
        ax.set(title=f"{name}\n{size} {models}", xticks=[], yscale="log")
        ax.grid(axis="y", color="0.93", zorder=0)
    values = table[["tuned", "split"]].to_numpy()
    lowest, highest = min(0.7, np.nanmin(values) / 1.1), max(1.5, np.nanmax(values) * 1.1)
    ticks = [tick for tick in _TICKS if lowest <= tick <= highest]
    axes[0, 0].set_ylim(lowest, highest)
    axes[0, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0, 0].set_ylabel("times faster than the original")
    for ax in axes[0]:
        ax.minorticks_off()
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig

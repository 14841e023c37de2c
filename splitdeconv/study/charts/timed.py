"""A chart of times on a device beside what was estimated of them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...extras import require
from .methods import METHOD_COLOURS, method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def beside_estimates(table: pd.DataFrame) -> "Figure":
    """Speedups by network: timed as dots with intervals, estimated as hollow diamonds.

    Args:
        table: of `splitdeconv.study.tpu_times.beside_estimates`, of which each configuration is a
            panel.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    panels, networks, forms = (
        list(dict.fromkeys(table[name])) for name in ("configuration", "title", "form")
    )
    size = 2.2 + 3.6 * len(panels), 1.9 + 0.2 * len(networks) * (len(forms) + 1)
    fig, axes = plt.subplots(
        1, len(panels), figsize=size, layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    for ax, panel in zip(axes[0], panels, strict=True):
        for place, form in enumerate(forms):
            rows = table[(table["configuration"] == panel) & (table["form"] == form)]
            shift = (place - (len(forms) - 1) / 2) * 0.8 / len(forms)
            y = np.array([networks.index(name) for name in rows["title"]]) + shift
            spread = np.vstack([rows["speedup"] - rows["low"], rows["high"] - rows["speedup"]])
            colour = METHOD_COLOURS[form]
            dots = {"fmt": "o", "ms": 5.5, "lw": 1.6, "label": f"{method_name(form)}, timed"}
            ax.errorbar(rows["speedup"], y, xerr=spread.clip(0), color=colour, **dots)
            if rows["estimated"].notna().any():
                hollow = {"facecolors": "white", "edgecolors": colour, "marker": "D", "s": 34}
                label = f"{method_name(form)}, the compiler's estimate"
                ax.scatter(rows["estimated"], y, zorder=3, label=label, **hollow)
        ax.axvline(1, color=METHOD_COLOURS["native"], lw=1.2)
        ax.set(title=panel, xscale="log", xlabel="times faster than the native operator")
        ax.grid(axis="x", color="0.93", zorder=0)
        ax.set_axisbelow(True)
    values = table[["low", "high", "estimated"]].to_numpy()
    left, right = min(np.nanmin(values) / 1.2, 0.5), max(np.nanmax(values) * 1.2, 2)
    ticks = [tick for tick in _TICKS if left <= tick <= right]
    axes[0, 0].set_xlim(left, right)
    axes[0, 0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    for ax in axes[0]:
        ax.minorticks_off()
    axes[0, 0].set_yticks(range(len(networks)), networks)
    axes[0, 0].set_ylim(len(networks) - 0.4, -0.6)
    entries = dict[str, Any]()
    for ax in axes[0]:
        entries |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    fig.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    return fig

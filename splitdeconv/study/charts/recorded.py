"""What is timed now beside what was recorded earlier, perhaps on another machine."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...extras import require
from ...figures import COLOURS
from .methods import method_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_SHIFT = 0.11  # of the live time upwards and the recorded one downwards, in rows


def beside_recorded(table: pd.DataFrame, *, here: str, there: str) -> "Figure":
    """Speedups that were timed now, each with the recorded one under it, both with intervals.

    Args:
        table: of `splitdeconv.study.measured.beside`: ``layer`` (the row's name), form, speedup,
            low and high, the same with ``_recorded``, and ``skipped``, why there is no speedup.
        here: the processor that timed now.
        there: the processor that timed the recorded ones.

    Returns:
        A matplotlib figure. Its axis holds every speedup; an interval may end beyond it.
    """
    plt, lines = (require(f"matplotlib.{name}", "notebooks") for name in ("pyplot", "lines"))
    drawn = table[table["form"] != "native"]
    layers, forms = (list(dict.fromkeys(drawn[name])) for name in ("layer", "form"))
    fig, ax = plt.subplots(figsize=(8.6, 0.62 * len(layers) + 1.9), layout="constrained")
    for row in drawn.to_dict("records"):
        place = (forms.index(row["form"]) - (len(forms) - 1) / 2) * 0.88 / len(forms)
        y = layers.index(row["layer"]) + place
        texts = [
            _dot(ax, y + side * _SHIFT, row, ending)
            for side, ending in ((-1, ""), (1, "_recorded"))
        ]
        for text, x in zip(texts, (1.05, 1.15), strict=True):
            _beside(ax, x, y, text)
        if not np.isfinite(row["speedup"]) and row.get("skipped"):
            words = f"{method_name(row['form'])}: {row['skipped']}"
            ax.annotate(
                words, (1, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
            )
    for text, x in (("now", 1.05), ("recorded", 1.15)):
        _beside(ax, x, -0.75, text)
    ax.axvline(1, color=COLOURS["native"], lw=1.2, zorder=0)
    _axis(ax, drawn[["speedup", "speedup_recorded"]].stack())
    ax.set_yticks(range(len(layers)), layers)
    ax.set(
        ylim=(len(layers) - 0.45, -0.55), xlabel="speedup over the native operator, 95 % interval"
    )
    for y in range(1, len(layers)):
        ax.axhline(y - 0.5, color="0.93", lw=1, zorder=0)
    look: dict[str, Any] = {"marker": "o", "ms": 6, "lw": 1.6}
    handles = [
        lines.Line2D([], [], color=COLOURS[form], lw=4, label=method_name(form)) for form in forms
    ]
    handles += [
        lines.Line2D([], [], color="0.35", mfc=face, label=label, **look)
        for face, label in (("0.35", f"now: {here}"), ("white", f"recorded: {there}"))
    ]
    fig.legend(handles=handles, loc="outside lower left", ncols=1)
    return fig


def _dot(ax: "Axes", y: float, row: dict[str, Any], ending: str) -> str:
    """A speedup and its interval; recorded ones are hollow. Returns it as text."""
    value, low, high = (row[f"{name}{ending}"] for name in ("speedup", "low", "high"))
    if not np.isfinite(value):
        return "\N{EN DASH}"
    colour = COLOURS[row["form"]]
    look: dict[str, Any] = {"color": colour, "lw": 1.6, "ms": 6, "mew": 1.4}
    ax.plot([low, high], [y, y], solid_capstyle="butt", **look)
    ax.plot(value, y, "o", mfc="white" if ending else colour, mec=colour, **look)
    return f"{value:.2f}"


def _beside(ax: "Axes", x: float, y: float, text: str) -> None:
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    ax.annotate(text, (x, y), ha="center", va="center", fontsize=9, color="0.2", **place)


def _axis(ax: "Axes", values: pd.Series) -> None:
    """A logarithmic axis that holds every value, and at least a factor of two around 1."""
    values = values[np.isfinite(values)]
    left, right = min([0.5, *values / 1.3]), max([2.0, *values * 1.3])
    ticks = [tick for tick in _TICKS if left <= tick <= right]
    ax.set(xscale="log", xlim=(left, right))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()

"""The project in one picture: the idea, the same image, and the gain on each processor."""

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...core.plan import SplitPlan
from ...core.typing import NumpyArray
from ...extras import require
from ...figures import COLOURS
from .plan import phase_colours, placed_taps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# At a page width of 800 pixels a point is one pixel, so that this is the smallest legible text.
_SMALL, _LARGE = 9.5, 12.5
_SIZE = 11.3, 4.3
_SIDES = {"native": "over the native operator", "nzp": "over inserting zeros"}
_SIDE_COLOURS = {"native": COLOURS["split"], "nzp": COLOURS["nzp"]}
_TICKS = (0.5, 1, 2, 4, 8, 16)
_INK = "0.25"


def hero(plan: SplitPlan, images: Mapping[str, NumpyArray], table: pd.DataFrame) -> "Figure":
    """Three panels: a filter cut by phase, an image computed both ways, and gains by processor.

    Args:
        plan: a 2-D `SplitPlan` with one stride, of which four blocks of the output are drawn.
        images: "native" and "split": uint8 arrays ``(height, width, 3)``.
        table: one row per processor, from top to bottom: ``label``, ``measured`` (whether the times
            were measured) and for each side, native and nzp, the geometric ``..._mean`` of the
            gains over it, ``..._least`` and ``..._most``; NaN where there is none.

    Returns:
        A matplotlib figure, 11.3 inches wide.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    fig = plt.figure(figsize=_SIZE)
    _idea(fig, plan)
    _same_image(fig, images)
    _gains(fig, table)
    return fig


def _idea(fig: "Figure", plan: SplitPlan) -> None:
    """The coloured filter, its parts, and the interleaved output."""
    (ky, kx), stride = (axis.k for axis in plan.axes), plan.axes[0].s
    ax = fig.add_axes((0.0, 0.0, 0.44, 0.86))
    ax.set(xlim=(-0.3, 24.0), ylim=(15.9, -0.4), aspect="equal")
    ax.axis("off")
    colours = phase_colours(plan)
    top = 3.6
    for phase in plan.phases:
        py, px = phase.phases[0]
        height, width = phase.kernel_size
        left, up = 7.4 + 3.6 * px, 1.6 + 5.2 * py
        for i, j, u, v in placed_taps(phase):
            _square(ax, v, top + u, colours[py, px])
            _square(ax, left + j, up + i, colours[py, px])
        _label(ax, left + width / 2, up + height + 0.75, f"{height}\u00d7{width}")
    for y, x in product(range(4 * stride), repeat=2):
        _square(ax, 15.8 + x, 1.6 + y, colours[y % stride, x % stride])
    _label(ax, kx / 2, top - 0.7, f"one {ky}\u00d7{kx} filter\nof stride {stride}", up=True)
    _label(ax, 10.7, 0.9, f"{len(plan.phases)} small filters", up=True)
    _label(ax, 15.8 + 2 * stride, 0.9, "results, interleaved", up=True)
    for start, end in ((5.3, 7.1), (13.8, 15.6)):
        arrow = {"arrowstyle": "-|>", "color": _INK, "lw": 1.6}
        ax.annotate("", (end, top + ky / 2), (start, top + ky / 2), arrowprops=arrow)
    words = (
        "An output pixel only meets weights of its own colour.\n"
        "Each colour is an ordinary small convolution: nothing is\n"
        "multiplied by zero, nothing is approximated or retrained."
    )
    ax.text(0, 13.0, words, fontsize=_SMALL, color=_INK, va="top", linespacing=1.45)
    _heading(fig, 0.006, "The idea: sort the filter by output pixel")


def _same_image(fig: "Figure", images: Mapping[str, NumpyArray]) -> None:
    """Both images, and how many of their values differ."""
    native, split = images["native"], images["split"]
    differing = int(np.count_nonzero(native != split))
    gap = np.abs(native.astype(int) - split.astype(int)).max(axis=-1)
    words = f"difference: {differing:,} of\n{native.size:,} 8-bit values"
    pictures = [("native", native), ("split", split), (words, gap)]
    for row, (name, picture) in enumerate(pictures):
        ax = fig.add_axes((0.475, 0.635 - 0.285 * row, 0.1, 0.225))
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="0.6", lw=0.6)
        ax.set_xlabel(name, fontsize=_SMALL, color=_INK, labelpad=2)
    _heading(fig, 0.463, "The same image" if not differing else "Almost the same")


def _gains(fig: "Figure", table: pd.DataFrame) -> None:
    """A dot for the mean over networks and a line from the least to the most."""
    ax = fig.add_axes((0.765, 0.145, 0.225, 0.645))
    for y, row in enumerate(table.to_dict("records")):
        for side, shift in (("native", -0.17), ("nzp", 0.17)):
            mean, colour = row[f"{side}_mean"], _SIDE_COLOURS[side]
            if not np.isfinite(mean):
                continue
            ends = row[f"{side}_least"], row[f"{side}_most"]
            ax.plot(ends, (y + shift,) * 2, color=colour, alpha=0.45, lw=2.2, zorder=2)
            face = colour if row["measured"] else "white"
            look: dict[str, Any] = {"s": 34, "facecolors": face, "edgecolors": colour}
            ax.scatter(mean, y + shift, lw=1.5, zorder=3, **look)
    ends = table.filter(regex="_(least|most)$")
    left, right = min(0.93, ends.min().min() / 1.05), ends.max().max() * 1.15
    ticks = [tick for tick in _TICKS if left <= tick <= right]
    ax.set(xscale="log", xlim=(left, right), ylim=(len(table) - 0.45, -0.55))
    ax.set_xticks(ticks, [f"{tick:g}\u00d7" for tick in ticks], fontsize=_SMALL)
    ax.minorticks_off()
    ax.set_yticks(range(len(table)), table["label"], fontsize=_SMALL)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "top", "right"]].set_visible(False)
    ax.axvline(1, color="0.2", lw=1)
    ax.grid(axis="x", color="0.92")
    ax.set_axisbelow(True)
    words = "transposed convolutions; dot: mean of six networks,\nline: least to most"
    ax.set_xlabel(words, fontsize=_SMALL, x=0.3)
    _legend(fig, table)
    means = table["native_mean"].dropna()
    _heading(fig, 0.63, f"The layers run {means.min():.1f} to {means.max():.1f} times faster")


def _legend(fig: "Figure", table: pd.DataFrame) -> None:
    """What colours and filled marks mean."""
    line = require("matplotlib.lines", "notebooks").Line2D
    kinds = {True: ("0.35", "measured"), False: ("white", "compiler's estimate")}
    handles = [line([], [], color=_SIDE_COLOURS[side], lw=4, label=_SIDES[side]) for side in _SIDES]
    handles += [
        line([], [], ls="", marker="o", ms=6, mfc=face, mec="0.35", label=words)
        for kind, (face, words) in kinds.items()
        if (table["measured"] == kind).any()
    ]
    fig.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.622, 0.905),
        ncols=2,
        fontsize=_SMALL,
        handlelength=1.2,
        columnspacing=1.2,
        labelspacing=0.25,
    )


def _heading(fig: "Figure", x: float, text: str) -> None:
    fig.text(x, 0.975, text, fontsize=_LARGE, weight="bold", va="top")


def _label(ax: "Axes", x: float, y: float, text: str, *, up: bool = False) -> None:
    look: dict[str, Any] = {
        "ha": "center",
        "va": "bottom" if up else "center",
        "fontsize": _SMALL,
        "color": _INK,
    }
    ax.text(x, y, text, **look)


def _square(ax: "Axes", x: float, y: float, colour: object) -> None:
    patches = require("matplotlib.patches", "notebooks")
    ax.add_patch(patches.Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fc=colour, ec="none"))

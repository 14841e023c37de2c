"""Charts of image quality: images, their differences and similarity, and where a method fails."""

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...extras import require
from ...figures import COLOURS
from ..quality import distinct, favouring_crop
from .methods import method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 11.3  # inches: a point is one pixel of a page 800 wide
_MOST = 1.6  # inches of an image's side


def with_differences(
    images: Mapping[str, NumpyArray],
    *,
    remarks: Mapping[str, str] | None = None,
    count: int = 3,
) -> "Figure":
    """Images of each form, and how far each of their pixels is from the first form's.

    Forms that give the same images (`splitdeconv.study.quality.distinct`) share a row. Smaller
    images are drawn to scale where they fit the first form best; what they lack stays blank. Where
    nothing differs, words replace the black map.

    Args:
        images: dict of label to uint8 array ``(count, height, width, 3)``; the first is the
            reference.
        remarks: dict of label to words: of the reference, in place of its distance; of the first of
            another row, under its label.
        count: images drawn.

    Returns:
        A matplotlib figure; the maps show the greatest difference of the channels, in 8-bit levels.
    """
    plt, colors = (require(f"matplotlib.{name}", "notebooks") for name in ("pyplot", "colors"))
    rows, remarks = distinct(images), dict(remarks or {})
    reference = next(iter(rows))
    whole = rows[reference]
    count = min(count, len(whole))
    # As wide as a page, but not with a few images as large as one.
    side = min((_WIDTH - 3) / (2 * count), _MOST)
    size = (2 * count * side + 3, side * len(rows) + 0.5)
    fig, axes = plt.subplots(len(rows), 2, figsize=size, layout="constrained", squeeze=False)
    # The square root lets a level or two be seen beside a hundred.
    look = {"cmap": "magma", "norm": colors.PowerNorm(0.5, 0, 255), "interpolation": "nearest"}
    shown = None
    for (left, right), (labels, batch) in zip(axes, rows.items(), strict=True):
        canvas, distance = _laid(batch[:count], whole[:count], favouring_crop(batch, whole))
        left.imshow(_side_by_side(canvas, 255))
        words, remark = "the same, where there are pixels", remarks.get(labels[0], "")
        if labels == reference:
            words, remark = remark, ""
        if np.nanmax(distance) > 0:
            shown, words = right.imshow(_side_by_side(distance, np.nan), **look), ""
        else:
            right.imshow(_side_by_side(np.full_like(distance, np.nan), np.nan), **look)
        right.text(0.02, 0.5, words, transform=right.transAxes, va="center", fontsize=10.5)
        title = "\n".join(filter(None, (fill(", ".join(labels), 22), remark)))
        left.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=10.5)
        for ax in (left, right):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    axes[0, 0].set_title("images", loc="left", fontsize=11)
    axes[0, 1].set_title("distance from the first row", loc="left", fontsize=11)
    if shown is not None:
        ticks = [0, 1, 4, 16, 64, 128, 255]
        bar = fig.colorbar(shown, ax=axes, shrink=0.6, pad=0.01, ticks=ticks)
        bar.set_label("8-bit levels (greatest of the channels)")
    return fig


def _laid(
    batch: NumpyArray, whole: NumpyArray, place: tuple[int, int]
) -> tuple[NumpyArray, NumpyArray]:
    """Images on a blank canvas of the reference's size, and their distance from it or NaN."""
    (top, left), (height, width) = place, batch.shape[1:3]
    here = slice(None), slice(top, top + height), slice(left, left + width)
    canvas, distance = np.full_like(whole, 255), np.full(whole.shape[:3], np.nan)
    canvas[here] = batch
    distance[here] = np.abs(batch.astype(int) - whole[here]).max(axis=-1)
    return canvas, distance


def _side_by_side(batch: NumpyArray, blank: float) -> NumpyArray:
    """The images of a batch in a row, a gap between them."""
    gap = np.full_like(batch[0][:, : max(batch.shape[2] // 20, 1)], blank)
    parts = [part for image in batch for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)


def likeness(
    table: pd.DataFrame,
    *,
    column: str = "ssim",
    label: str = "SSIM with native",
) -> "Figure":
    """SSIM of each form with its interval, one panel per generator.

    Forms whose images are those of native to three digits are named above their panel.

    Args:
        table: of `splitdeconv.study.quality.summarize`, with columns ``generator`` and ``form``.
        column: the value to draw.
        label: of the values.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    same = table[column] > 1 - 5e-4
    names = dict.fromkeys(table["generator"])
    panels = {name: table[(table["generator"] == name) & ~same] for name in names}
    alike = {name: table.loc[(table["generator"] == name) & same, "form"] for name in names}
    counts = [max(len(part), 0.1) for part in panels.values()]
    options = {"height_ratios": [n + 0.6 for n in counts]}
    size = (8.6, 0.3 * sum(counts) + 0.62 * len(panels) + 1.1)
    fig, axes = plt.subplots(
        len(panels), figsize=size, layout="constrained", gridspec_kw=options, squeeze=False
    )
    for ax, (name, part) in zip(axes[:, 0], panels.items(), strict=True):
        y = np.arange(len(part))
        ends = part[[f"{column}_low", f"{column}_high"]].to_numpy().T
        look = {"fmt": "o", "ms": 5.5, "lw": 1.6, "color": COLOURS["split"]}
        ax.errorbar(part[column], y, xerr=np.abs(ends - part[column].to_numpy()), **look)
        for value, height in zip(part[column], y, strict=True):
            ax.annotate(f"{value:.3f}", (1.04, height), va="center", fontsize=8.5)
        ax.set_yticks(y, [method_name(form) for form in part["form"]])
        ax.set(xlim=(-0.03, 1.14), ylim=(max(len(part), 0.1) - 0.5, -0.5))
        ax.set_xticks(np.linspace(0, 1, 6), None if ax is axes[-1, 0] else [])
        words = f"; 1.000: {', '.join(map(method_name, alike[name]))}" if len(alike[name]) else ""
        ax.set_title(fill(f"{name}{words}", 88), loc="left", fontsize=10.5)
        ax.grid(axis="x", color="0.92")
    axes[-1, 0].set_xlabel(f"{label} (mean and 95 % interval over images)")
    return fig


def survival(table: pd.DataFrame) -> "Figure":
    """Error of one layer by kernel and stride, one panel per method; blank where it is exact.

    If an exact method gives fewer outputs than the operator, the cell shows how many are lost per
    axis.

    Args:
        table: of `splitdeconv.core.approximations.survey`.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    methods = list(dict.fromkeys(table["method"]))
    columns = 2 if len(methods) > 1 else 1
    rows = -(-len(methods) // columns)
    kernels, strides = (sorted(set(table[name])) for name in "ks")
    size = (columns * (0.58 * len(kernels) + 0.9) + 1.2, rows * (0.52 * len(strides) + 0.8) + 0.3)
    fig, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    top = max(table["error"].max(), 1e-3)
    shown = None
    for ax, method in zip(axes.flat, methods, strict=False):
        part = table[table["method"] == method].set_index(["s", "k"])
        errors = np.array([[part["error"].get((s, k), np.nan) for k in kernels] for s in strides])
        short = part[part["outputs"] < part["expected"]]
        fewer = {row.Index: f"\n{row.expected - row.outputs} lost" for row in short.itertuples()}
        known = part["exact"]
        exact = np.array([[bool(known.get((s, k), False)) for k in kernels] for s in strides])
        shown = ax.imshow(np.where(exact, np.nan, errors), cmap="OrRd", vmin=0, vmax=top)
        for (i, j), error in np.ndenumerate(errors):
            text = "–" if np.isnan(error) else f"{error:.2f}"
            if exact[i, j]:
                text = "exact" + fewer.get((strides[i], kernels[j]), "")
            dark = not exact[i, j] and error > 0.6 * top
            ink = "white" if dark else "black"
            ax.annotate(text, (j, i), ha="center", va="center", fontsize=8, color=ink)
        ax.set_xticks(range(len(kernels)), kernels)
        ax.set_yticks(range(len(strides)), strides)
        ax.set_title(method_name(method), fontsize=11)
        ax.set(xlabel="kernel k", ylabel="stride s")
    for ax in axes.flat[len(methods) :]:
        ax.set_visible(False)
    label = "error / signal (root mean squares); lost: outputs per axis"
    fig.colorbar(shown, ax=axes, shrink=0.9, label=label)
    return fig

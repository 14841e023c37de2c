"""Charts of which processor and baseline fit what is published."""

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...dlp.compare import PUBLISHED
from ...extras import require
from ...figures import COLOURS
from .methods import method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREY = "0.9"


def shares(table: pd.DataFrame, axes: Mapping[str, str], column: str) -> "Figure":
    """The share of each value of each axis in a likelihood, a panel for each axis.

    Args:
        table: of `splitdeconv.study.baselines.posterior`.
        axes: columns, with the titles of their panels.
        column: the shares, which add up to 1 over the table.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    columns = 2
    rows = -(-len(axes) // columns)
    fig, grid = plt.subplots(
        rows, columns, figsize=(9, 2.1 * rows + 0.3), layout="constrained", squeeze=False
    )
    for ax, (name, label) in zip(grid.flat, axes.items(), strict=False):
        sums = table.groupby(name, sort=False)[column].sum()
        bars = ax.barh([_words(value) for value in sums.index], sums, color=COLOURS["split"])
        ax.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=9)
        # An axis without influence would show equal bars.
        ax.axvline(1 / len(sums), color="0.4", lw=1, ls=":")
        ax.set(xlim=(0, 1.2), xticks=[])
        ax.tick_params(axis="y", labelsize=9)
        ax.set_title(label, fontsize=11)
        ax.invert_yaxis()
        ax.spines[["top", "right", "bottom"]].set_visible(False)
    for ax in grid.flat[len(axes) :]:
        ax.set_visible(False)
    return fig


def joint(table: pd.DataFrame, colour: str) -> "Figure":
    """The least and the greatest gain of every structure in speed and energy, and the published.

    Args:
        table: of `splitdeconv.study.baselines.ends`.
        colour: the column whose values have colours.

    Returns:
        A matplotlib figure.
    """
    plt, sns = require("matplotlib.pyplot", "notebooks"), require("seaborn", "notebooks")
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    values = list(dict.fromkeys(table[colour]))
    palette = dict(zip(values, sns.color_palette("colorblind", len(values)), strict=True))
    ends = ("least of the networks", "greatest of the networks")
    for ax, end, label, place in zip(axes, ("low", "high"), ends, (0, 1), strict=True):
        for value in values:
            part = table[table[colour] == value]
            x, y = part[f"speed_{end}"], 100 * part[f"saving_{end}"]
            ax.scatter(x, y, s=9, alpha=0.35, linewidths=0, color=palette[value], label=value)
        point = PUBLISHED["speedup"][place], 100 * PUBLISHED["energy_saving"][place]
        ax.scatter(*point, marker="*", s=220, color="black", label="published", zorder=3)
        ax.set(title=label, xlabel="speedup over zero insertion", ylabel="energy saved, %")
    handles, labels = axes[0].get_legend_handles_labels()
    legend = fig.legend(handles, labels, loc="outside right upper")
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return fig


def by_network(table: pd.DataFrame, names: Mapping[int, str]) -> "Figure":
    """The energy that each of a few structures saves on each network, in per cent.

    Args:
        table: of `splitdeconv.study.baselines.savings`.
        names: rows of the table, with the names of their structures.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    values = 100 * table.loc[list(names)].to_numpy()
    size = (9, 0.44 * len(names) + 0.8)
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    image = ax.imshow(values, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > 60 else "black"
        ax.annotate(f"{value:.0f}", (column, row), ha="center", va="center", color=ink)
    ax.set_xticks(range(len(table.columns)), table.columns)
    ax.set_yticks(range(len(names)), [fill(name, 52) for name in names.values()], fontsize=9)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    fig.colorbar(image, ax=ax, label="energy saved, %")
    return fig


def knobs(table: pd.DataFrame) -> "Figure":
    """How far the range of energy saved moves if one choice is another, one row per choice.

    Args:
        table: ``knob`` and ``value`` (text), ``saving_low`` and ``saving_high``; the first row is
            the structure that the others differ from.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    low, high = (100 * value for value in PUBLISHED["energy_saving"])
    fig, ax = plt.subplots(figsize=(9, 0.36 * len(table) + 1.6), layout="constrained")
    ax.axvspan(low, high, color=_GREY, zorder=0, label="published range")
    y = np.arange(len(table))
    first = table["knob"].ne(table["knob"].shift()).to_numpy()
    ax.hlines(
        y, 100 * table["saving_low"], 100 * table["saving_high"], color=COLOURS["split"], lw=5
    )
    for value in (table["saving_low"].iloc[0], table["saving_high"].iloc[0]):
        ax.axvline(100 * value, color="0.4", lw=1, ls=":")
    texts = [
        f"{knob}: {_words(value)}".removesuffix(": ") if new else _words(value)
        for knob, value, new in zip(table["knob"], table["value"], first, strict=True)
    ]
    ax.set_yticks(y, texts, fontsize=9)
    ax.invert_yaxis()
    ax.set(xlabel="energy saved over zero insertion, least to greatest network, %")
    fig.legend(loc="outside lower center")
    return fig


#: Values of the axes of `splitdeconv.study.baselines.AXES` in words.
_WORDS = {
    "dot_product_16x16": "16\u00d716 dot product",
    "pe_array_16x16": "16\u00d716 PEs",
    "pe_array_32x7": "32\u00d77 PEs",
    "generated": "beside the array",
    "expanded": "in the on-chip buffer",
    "stored": "in DRAM",
    "pass": "in a pass of its own",
    "free": "at no cost",
    "bursts": "as bursts of DRAM",
    "deconv": "transposed convolutions alone",
    "network": "the whole network",
    "array": "in the array",
    "buffer": "in the buffer",
}


def _words(value: object) -> str:
    """A value of an axis in words; variants of split deconvolution by their names."""
    text = str(value)
    return fill(method_name(text) if text.startswith("sd") else _WORDS.get(text, text), 34)

"""How much of what each method multiplies is useful."""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...extras import require
from ...figures import COLOURS
from .methods import method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def issued(table: pd.DataFrame) -> "Figure":
    """A table of the multiplications that each method issues, shaded by how many are too many.

    Args:
        table: multiplications over the useful ones: networks in rows, by title, and methods in
            columns.

    Returns:
        A matplotlib figure; the shades are logarithmic, from 1.
    """
    plt, colors = (require(f"matplotlib.{name}", "notebooks") for name in ("pyplot", "colors"))
    size = (1.25 * len(table.columns) + 1.4, 0.36 * len(table) + 1.1)
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    shades = colors.LinearSegmentedColormap.from_list("zeros", ["white", COLOURS["nzp"]])
    values = table.to_numpy(dtype=float)
    # Where one method is a thousand times above, a factor of four still shows.
    norm = colors.LogNorm(1, max(values.max(), 4), clip=True)
    ax.imshow(norm(values) ** 0.6, cmap=shades, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}" if value < 10 else f"{value:,.0f}"
        ax.annotate(text, (column, row), ha="center", va="center", fontsize=10)
    ax.set_xticks(range(len(table.columns)), [fill(method_name(name), 14) for name in table])
    ax.set_yticks(range(len(table)), table.index)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(0.5, len(table.columns) - 1), minor=True)
    ax.set_yticks(np.arange(0.5, len(table) - 1), minor=True)
    ax.grid(which="minor", color="white", lw=2)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    label = "multiplications issued / useful ones, transposed convolutions only"
    if values.min() < 0.995:
        label += "\nbelow 1: taps that fall outside the output, at its border, are not computed"
    ax.set_xlabel(label)
    return fig

"""How far every form is from the definition, beside the distance of one that is wrong."""

from typing import TYPE_CHECKING

import pandas as pd

from ...extras import require
from .methods import METHOD_COLOURS, method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def spread(table: pd.DataFrame) -> "Figure":
    """Errors by form as quantiles: the least to the greatest, the middle half, the median.

    Args:
        table: of `splitdeconv.study.exactness.survey`: columns form, ``ratio``, the error in units
            of what rounding allows, and ``control``, that of a definition with one wrong tap, NaN
            where there is none.

    Returns:
        A matplotlib figure of two panels: the forms, up to the bound, and the control, whose
        logarithmic axis begins far beyond it.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    forms = list(dict.fromkeys(table["form"]))
    options = {"width_ratios": (2.2, 1)}
    size = (8.6, 0.5 * (len(forms) + 1) + 1.0)
    fig, (near, far) = plt.subplots(
        1, 2, figsize=size, layout="constrained", sharey=True, gridspec_kw=options
    )
    rows = [(near, table.loc[table["form"] == form, "ratio"], form) for form in forms]
    rows.append((far, table["control"].dropna().drop_duplicates(), "control"))
    for y, (ax, values, form) in enumerate(rows):
        least, low, middle, high, greatest = values.quantile([0, 0.25, 0.5, 0.75, 1])
        colour = METHOD_COLOURS.get(form, "0.35")
        ax.plot([least, greatest], [y, y], color=colour, lw=1.6)
        ax.plot([low, high], [y, y], color=colour, lw=8, solid_capstyle="butt")
        ax.plot(middle, y, "o", color="white", ms=4.5)
        words, end = f"from {scientific(least)}", least
        if ax is near:
            words, end = f"{greatest:.2f}", greatest
        beside = (
            {"xytext": (6, 0), "ha": "left"} if ax is near else {"xytext": (-6, 0), "ha": "right"}
        )
        look = {"textcoords": "offset points", "va": "center", "fontsize": 10}
        ax.annotate(words, (end, y), **beside, **look)
    near.axvline(1, color="0.3", ls="--", lw=1)
    left = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    near.annotate("the bound", (1, len(forms)), fontsize=10, **left)
    near.set(xlim=(0, max(1.04, 1.15 * table["ratio"].max())))
    near.set_yticks(range(len(rows)), [*map(method_name, forms), "control: one tap wrong"])
    near.set(ylim=(len(rows) - 0.5, -0.5), xlabel="largest error / what rounding allows")
    least, greatest = rows[-1][1].agg(["min", "max"])
    far.set(xscale="log", xlim=(least / 1e5, greatest * 10), xlabel="the same, logarithmic")
    far.minorticks_off()
    for ax in (near, far):
        ax.tick_params(axis="y", length=0)
    far.spines["left"].set_visible(False)
    # Two short strokes: the axis is broken between the panels.
    for ax, x in ((near, 1), (far, 0)):
        stroke = {"marker": [(-1, -2), (1, 2)], "ms": 10, "color": "0.2", "mew": 1, "ls": "none"}
        ax.plot(x, 0, transform=ax.transAxes, clip_on=False, **stroke)
    return fig


def scientific(value: float) -> str:
    """A number in one digit and a power of ten.

    >>> scientific(7.2e13)
    '7 × 10¹³'
    """
    digit, power = f"{value:.0e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digit} × 10{raised}"

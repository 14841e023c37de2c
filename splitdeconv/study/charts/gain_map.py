"""A map of gains by cell, in which losses are as visible as wins."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_END = 16  # where the colours end, to both sides
_TICKS = {1 / 16: "1/16", 0.25: "1/4", 0.5: "1/2", 1: "1", 2: "2", 4: "4", 16: "16"}
_CELL = 0.62, 0.27  # inches


def gain_map(
    table: pd.DataFrame,
    *,
    label: str,
    columns: Mapping[Any, str] | None = None,
    titles: Mapping[Any, str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> "Figure":
    """A cell for each gain: purple wins, orange loses, white is even, grey has no number.

    Args:
        table: one row per cell: ``group`` and ``row`` (groups are separated), ``column``,
            ``panel``, ``gain`` (NaN: none), and optionally ``mark``, text after the number or
            instead of it, and ``framed``, whether a frame is drawn around the cell. Groups, rows,
            columns and panels keep the table's order.
        label: of the colours, such as "gain over native".
        columns: titles of columns by their value, in this order; None for the values themselves.
        titles: of panels, likewise.
        notes: dict of mark, "framed" or "grey" to its meaning; the ones that occur are written
            below.

    Returns:
        A matplotlib figure.
    """
    plt, colors = (require(f"matplotlib.{name}", "notebooks") for name in ("pyplot", "colors"))
    titles = titles or {value: value for value in dict.fromkeys(table["panel"])}
    columns = columns or {value: value for value in dict.fromkeys(table["column"])}
    rows = list(dict.fromkeys(zip(table["group"], table["row"], strict=True)))
    longest = max(len(_title(row)) for row in rows)
    width = _CELL[0] * len(columns) * len(titles) + 0.075 * longest + 1.6
    size = max(width, 6.5), max(_CELL[1] * len(rows), 1.2) + 1.9
    fig, axes = plt.subplots(
        1, len(titles), figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    # Without the darkest ends, on which no frame would show.
    shades = plt.get_cmap("PuOr")(np.linspace(0.1, 0.9, 256))
    norm, shade = colors.LogNorm(1 / _END, _END), colors.ListedColormap(shades)
    for ax, name in zip(axes[0], titles, strict=True):
        panel = table[table["panel"] == name]
        ax.set_facecolor("0.88")
        grid = np.full((len(rows), len(columns)), np.nan)
        for cell in panel.itertuples():
            if cell.column in columns:
                place = list(columns).index(cell.column), rows.index((cell.group, cell.row))
                grid[place[1], place[0]] = cell.gain
                _write(ax, place, cell, shade(norm(np.clip(cell.gain, 1 / _END, _END))))
        image = ax.imshow(np.ma.masked_invalid(grid), norm=norm, cmap=shade, aspect="auto")
        for y in (y for y in range(1, len(rows)) if rows[y][0] != rows[y - 1][0]):
            ax.axhline(y - 0.5, color="white", lw=2.5)
        ax.set(title=titles[name])
        # Only short names fit side by side.
        tilted = max(map(len, columns.values())) > 6
        look = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
        ax.set_xticks(range(len(columns)), columns.values(), **look)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    axes[0, 0].set_yticks(range(len(rows)), map(_title, rows))
    bar = fig.colorbar(image, ax=list(axes[0]), extend="both", aspect=max(12, len(rows)), pad=0.02)
    bar.set_ticks(list(_TICKS), labels=_TICKS.values())
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=10)
    marks = {*table.get("mark", ()), *(["framed"] if any(ax.patches for ax in axes[0]) else [])}
    if len(table["gain"].dropna()) < len(rows) * len(columns) * len(titles):
        marks.add("grey")
    legend = [f"{mark}: {text}" for mark, text in (notes or {}).items() if mark in marks]
    fig.supxlabel("\n".join(legend), fontsize=9.5)
    return fig


def _write(
    ax: "Axes", place: tuple[int, int], cell: Any, colour: tuple[float, float, float, float]
) -> None:
    """The number in its cell, dark on light shades and light on dark ones, and the frame."""
    red, green, blue, _ = colour
    dark = np.isfinite(cell.gain) and 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
    text = getattr(cell, "mark", "")
    if np.isfinite(cell.gain):
        text = _number(cell.gain) + text
    look: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "fontsize": 8,
        "color": "white" if dark else "0.1",
    }
    # Inside its cell, it takes no room of its own: a layout of hundreds of texts takes minutes.
    ax.text(*place, text, **look).set_in_layout(False)
    if getattr(cell, "framed", False):
        frame = {"fill": False, "ec": "0.05", "lw": 1.6, "zorder": 3}
        corner = place[0] - 0.46, place[1] - 0.44
        patches = require("matplotlib.patches", "notebooks")
        ax.add_patch(patches.Rectangle(corner, 0.92, 0.88, **frame))


def _number(gain: float) -> str:
    """A gain in two significant digits."""
    if gain >= 9.95:
        return f"{gain:.0f}"
    return f"{gain:.1f}" if gain >= 1.95 else f"{gain:.2f}"


def _title(row: tuple[str, str]) -> str:
    return " ".join(row) if row[0] != row[1] else row[1]

"""Pictures of a plan: the filter coloured by phase, and the windows each phase reads.

Every function takes a `SplitPlan`, draws only that plan, and returns a matplotlib figure and the
table behind it, ready for `splitdeconv.figures.save_figure`.
"""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from ...core.convolutions import Convolution
from ...core.plan import SplitPlan
from ...errors import SplitDeconvError
from ...extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Red, green and blue, 0 to 1, or what matplotlib takes for a colour.
Colour: TypeAlias = tuple[float, float, float] | str
#: Cells of one picture. More would take minutes to draw and be too small to see.
MOST_CELLS = 10_000
# Paul Tol's light scheme (personal.sron.nl/~pault), which no method of `figures.COLOURS` has.
_PHASES = (
    "#77AADD",
    "#EEDD88",
    "#44BB99",
    "#EE8866",
    "#FFAABB",
    "#99DDFF",
    "#BBCC33",
    "#AAAA00",
    "#DDDDDD",
)


def filter_by_phase(plan: SplitPlan) -> tuple["Figure", pd.DataFrame]:
    """The filter of a 2-D transposed convolution, taps in their phases' colours, and its parts.

    Args:
        plan: a 2-D `SplitPlan`; its single phases are drawn, whatever its form.

    Returns:
        (figure, table): one row per tap, with the phase it serves and its position in that phase's
        filter.
    """
    need_rank(plan, 2)
    need_size("taps", prod(axis.k for axis in plan.axes))
    need_size("phases", prod(axis.s for axis in plan.axes))
    table = pd.DataFrame(
        {"phase_y": py, "phase_x": px, "tap_y": u, "tap_x": v, "row": row, "column": column}
        for phase in plan.phases
        for py, px in phase.phases
        for row, column, u, v in placed_taps(phase)
    )
    (ky, kx), (sy, sx) = (tuple(getattr(axis, letter) for axis in plan.axes) for letter in "ks")
    colours = phase_colours(plan)
    plt = require("matplotlib.pyplot", "notebooks")
    fig = plt.figure(figsize=(9.5, 4.6), layout="constrained")
    whole, parts = fig.subfigures(1, 2, width_ratios=(1, 1.25))
    ax = whole.subplots()
    _grid(ax, ky, kx, f"one {ky}x{kx} filter, stride {sy}x{sx}")
    panels = parts.subplots(sy, sx, squeeze=False)
    longest = [max(phase.kernel_size[axis] for phase in plan.phases) for axis in (0, 1)]
    # The space for a panel in points, without titles.
    room = (280 / sy - 20, 370 / sx)
    for phase in plan.phases:
        (y, x), (height, width) = phase.phases[0], phase.kernel_size
        taps = f"{height}x{width}" if height and width else "empty"
        title = f"phase ({y}, {x}): {taps}" if sx <= 3 else f"({y}, {x}): {taps}"
        _grid(panels[y, x], longest[0], longest[1], title, text_size(title, room[1], 10.5))
    longest_name = f"{ky - 1},{kx - 1}"
    whole_size = text_size(longest_name, 300 / max(ky, kx))
    least = min(points / max(taps, 1) for points, taps in zip(room, longest, strict=True))
    part_size = text_size(longest_name, least)
    for tap in table.itertuples():
        colour, name = colours[tap.phase_y, tap.phase_x], f"{tap.tap_y},{tap.tap_x}"
        cell(ax, tap.tap_y, tap.tap_x, colour, name, whole_size)
        cell(panels[tap.phase_y, tap.phase_x], tap.row, tap.column, colour, name, part_size)
    parts.suptitle(f"= {prod((sy, sx))} filters of stride 1, taps reversed", fontsize=12)
    return fig, table


def windows(plan: SplitPlan, axis: int = 0) -> tuple["Figure", pd.DataFrame]:
    """Which inputs the outputs of one block read along one axis: a line for each tap.

    Args:
        plan: a `SplitPlan` with known lengths.
        axis: the spatial axis to draw.

    Returns:
        (figure, table): one row per output and tap of the whole axis, with the input read and
        whether it is real.
    """
    geometry = plan.axes[axis]
    outputs = geometry.o
    if geometry.n is None or outputs is None:
        raise SplitDeconvError(
            "an axis of unknown length cannot be drawn",
            where=f"axis {axis} of the plan",
            expected="a known length",
            got=str(geometry),
        )
    pairs = outputs * -(-geometry.k // geometry.s)
    need_size("pairs of outputs and taps", pairs + geometry.n)
    windows = [phase.windows[axis] for phase in plan.phases]
    windows = list({window.phases[0]: window for window in windows}.values())
    table = pd.DataFrame(
        {"output": q, "phase": q % geometry.s, "tap": tap, "input": i, "real": 0 <= i < geometry.n}
        for q in range(outputs)
        for w in [windows[q % geometry.s]]
        for m, tap in enumerate(w.taps[0])
        for i in [q // geometry.s + w.start + m * w.dilation]
    )
    block = geometry.n // 2
    colours = _palette(geometry.s)
    plt = require("matplotlib.pyplot", "notebooks")
    fig, ax = plt.subplots(figsize=(9.5, 3.4), layout="constrained")
    reach = (min(0, table.input.min()), max(geometry.n - 1, table.input.max()))
    for i in range(reach[0], reach[1] + 1):
        real = 0 <= i < geometry.n
        colour, text = ("0.88", f"x[{i}]") if real else ("white", "0")
        _box(ax, (i + 0.5) * geometry.s, 0, 0.84 * geometry.s, colour, text)
    for q in range(outputs):
        _box(ax, q + 0.5, 3, 0.84, colours[q % geometry.s], str(q))
    # Phases of one block share inputs: spread the ends of their lines, so that none hides another.
    for tap in table[table.output // geometry.s == block].itertuples():
        spread = (tap.phase - (geometry.s - 1) / 2) * 0.36 * geometry.s / max(geometry.s - 1, 1)
        end = (tap.input + 0.5) * geometry.s + spread
        ax.plot([end, tap.output + 0.5], [0.42, 2.58], color=colours[tap.phase], lw=2)
        place = (end + (tap.output + 0.5 - end) * 0.28, 1.02)
        box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": colours[tap.phase], "lw": 0.8}
        ax.annotate(f"w[{tap.tap}]", place, ha="center", va="center", fontsize=8.5, bbox=box)
    last = max(reach[1] + 1, geometry.n)
    ax.set(xlim=(reach[0] * geometry.s - 0.3, last * geometry.s + 0.3), ylim=(-0.7, 3.7))
    ax.set_yticks([0, 3], ["input", "output"])
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    title = (
        f"kernel {geometry.k}, stride {geometry.s}, {geometry.n} inputs to {outputs} outputs: "
        f"what the outputs of block {block} read"
    )
    ax.set_title(title, fontsize=11)
    return fig, table


def need_rank(plan: SplitPlan, rank: int) -> None:
    """Refuse a plan that has another number of spatial axes than the picture shows."""
    if len(plan.axes) != rank:
        raise SplitDeconvError(
            f"this picture is of a {rank}-D plan",
            where="plan",
            expected=f"{rank} axes",
            got=f"{len(plan.axes)} axes",
        )


def need_size(what: str, count: int) -> None:
    """Refuse a picture of more cells than anybody could see."""
    if count > MOST_CELLS:
        raise SplitDeconvError(
            "the plan is too large to draw",
            where="plan",
            expected=f"at most {MOST_CELLS:,} {what}",
            got=f"{count:,}",
            fix="draw a plan of fewer or shorter axes",
        )


def _palette(count: int) -> list[Colour]:
    few = count <= len(_PHASES)
    return list(_PHASES[:count]) if few else require("seaborn", "notebooks").husl_palette(count)


def phase_colours(plan: SplitPlan) -> dict[tuple[int, ...], Colour]:
    """The colour of each output phase, row by row."""
    phases = list(product(*(range(axis.s) for axis in plan.axes)))
    return dict(zip(phases, _palette(len(phases)), strict=True))


def placed_taps(phase: Convolution) -> Iterator[tuple[int, int, int, int]]:
    """Of each tap of a 2-D phase: row and column in the phase's filter, and in the whole one."""
    rows, columns = (window.taps[0] for window in phase.windows)
    for (row, u), (column, v) in product(enumerate(rows), enumerate(columns)):
        if u is not None and v is not None:
            yield row, column, u, v


def text_size(text: str, points: float, most: float = 8.5) -> float:
    """The font size at which `text` fits into `points`, with digits about 0.62 as wide as high."""
    return min(most, points / (0.62 * len(text)))


def _grid(ax: "Axes", height: float, width: float, title: str, size: float = 10.5) -> None:
    """Axes that show `height` x `width` cells, first row on top."""
    ax.set(xlim=(0, max(width, 1)), ylim=(max(height, 1), 0), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=size)


def cell(ax: "Axes", row: int, column: int, colour: Colour, text: str, size: float = 8.5) -> None:
    """A labelled square of the filter or map whose first cell is at (0, 0)."""
    _box(ax, column + 0.5, row + 0.5, 0.94, colour, text, height=0.94, size=size)


def _box(
    ax: "Axes",
    x: float,
    y: float,
    width: float,
    colour: Colour,
    text: str,
    height: float = 0.8,
    size: float = 8.5,
) -> None:
    """A labelled cell around (x, y); the label is left out where it would be too small to read."""
    patches = require("matplotlib.patches", "notebooks")
    corner = x - width / 2, y - height / 2
    ax.add_patch(patches.Rectangle(corner, width, height, fc=colour, ec="0.35", lw=0.8))
    if size < 5:
        return
    to_rgb = require("matplotlib.colors", "notebooks").to_rgb
    # Relative luminance, ITU-R BT.709: white letters on dark cells.
    red, green, blue = to_rgb(colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    ink = "white" if luminance < 0.5 else "black"
    ax.text(x, y, text, ha="center", va="center", fontsize=size, color=ink)

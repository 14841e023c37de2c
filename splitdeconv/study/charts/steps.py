"""The whole method in one picture: a filter, its parts by phase, their results, the output."""

from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from ...core.plan import SplitPlan
from ...errors import check_count
from ...extras import require
from .plan import cell, need_rank, need_size, phase_colours, placed_taps, text_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 11.3  # inches: a point is one pixel of a page 800 wide
_MOST_OUTPUTS = 12  # along an axis
_LABEL = {"ha": "center", "va": "bottom", "fontsize": 11, "linespacing": 1.3}
# Between two neighbouring filters and maps, in cells.
_GAPS = 1.0, 0.6


def steps(plan: SplitPlan, most: int = 3) -> tuple["Figure", pd.DataFrame]:
    """The method from left to right: filter, filters by phase, their results, the output.

    Args:
        plan: a 2-D `SplitPlan`; its single phases are drawn, whatever its form.
        most: blocks drawn per axis; fewer where the stride is large.

    Returns:
        (figure, table): one row per tap, from its place in the filter to its place in its phase's
        filter, and one per output, from its block to its pixel.
    """
    need_rank(plan, 2)
    (ky, kx), (sy, sx) = (tuple(getattr(axis, letter) for axis in plan.axes) for letter in "ks")
    most = min(check_count(most, "number of blocks", "most"), max(_MOST_OUTPUTS // max(sy, sx), 1))
    blocks = [min(most, axis.n or most) for axis in plan.axes]
    need_size("taps", ky * kx)
    table = _table(plan, (sy, sx), blocks)
    longest = [max(phase.kernel_size[axis] for phase in plan.phases) for axis in (0, 1)]
    # From one phase to the next, of the filters and of the maps.
    pitches = [
        [size + gap for size in sizes] for sizes, gap in zip((longest, blocks), _GAPS, strict=True)
    ]
    spans = [(sy * y - gap, sx * x - gap) for (y, x), gap in zip(pitches, _GAPS, strict=True)]
    stride = str(sy) if sy == sx else f"{sy}\u00d7{sx}"
    labels = {
        f"one {ky}\u00d7{kx} filter\nof stride {stride}": (ky, kx),
        f"1. cut it by output phase:\n{sy * sx} filters": spans[0],
        "2. convolve the input\nwith each, stride 1": spans[1],
        "3. interleave the results:\nthe output": (blocks[0] * sy, blocks[1] * sx),
    }
    fig, ax, corners, points = _stage(labels)
    colours = phase_colours(plan)
    for row in table.itertuples():
        phase, tap = (row.phase_y, row.phase_x), row.of == "tap"
        # A tap starts in the whole filter; an output ends in the whole map.
        start, end = (row.from_y, row.from_x), (row.to_y, row.to_x)
        (whole, alone), step = ((start, end), 0) if tap else ((end, start), 3)
        pitch = pitches[0 if tap else 1]
        part = [at + p * room for at, p, room in zip(alone, phase, pitch, strict=True)]
        name = f"{row.from_y},{row.from_x}"
        for place, (y, x) in ((step, whole), (1 if tap else 2, part)):
            top, left = corners[place]
            cell(ax, top + y, left + x, colours[phase], name, text_size(name, points, 9.5))
    return fig, table


def _table(plan: SplitPlan, strides: tuple[int, int], blocks: list[int]) -> pd.DataFrame:
    """Where each tap and each output comes from and goes to."""
    taps = (
        ("tap", *phase.phases[0], u, v, row, column)
        for phase in plan.phases
        for row, column, u, v in placed_taps(phase)
    )
    outputs = (
        ("output", py, px, by, bx, by * strides[0] + py, bx * strides[1] + px)
        for py, px, by, bx in product(*map(range, strides), *map(range, blocks))
    )
    names = ["of", "phase_y", "phase_x", "from_y", "from_x", "to_y", "to_x"]
    return pd.DataFrame([*taps, *outputs], columns=names)


def _stage(
    labels: dict[str, tuple[float, float]],
) -> tuple["Figure", "Axes", list[tuple[float, float]], float]:
    """A figure of labelled steps with arrows between them.

    Args:
        labels: dict of label to height and width in cells.

    Returns:
        (figure, axes, the top and left of each step in cells, the points that a name may take).
    """
    height = max(size[0] for size in labels.values())
    # As wide as its label, in small plans too.
    rooms = [max(width, 0.75 * height) for _, width in labels.values()]
    gap = 0.25 * height
    total = sum(rooms) + gap * (len(rooms) - 1)
    inches = _WIDTH / total
    figure = require("matplotlib.pyplot", "notebooks").figure
    fig = figure(figsize=(_WIDTH, (height + 0.2) * inches))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, total), ylim=(height + 0.1, -0.1))
    ax.axis("off")
    corners, right = [], 0.0
    for (label, (rows, columns)), room in zip(labels.items(), rooms, strict=True):
        corners.append(((height - rows) / 2, right + (room - columns) / 2))
        above = {"xytext": (0, 6), "textcoords": "offset points", "annotation_clip": False}
        ax.annotate(label, (right + room / 2, 0), **above, **_LABEL)
        if len(corners) > 1:
            arrow = {"arrowstyle": "-|>", "color": "0.25", "lw": 1.6}
            ends = (right - 0.15 * gap, height / 2), (right - 0.85 * gap, height / 2)
            ax.annotate("", *ends, arrowprops=arrow)
        right += room + gap
    return fig, ax, corners, 72 * inches * 0.75

"""One figure of a simulated network: energy by layer and part, and the layers in the roofline.

It is drawn without pyplot, so that no window, style or list of figures of the caller is touched.
Names of layers are the user's: they are drawn as they are, never as formulas.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .. import output
from ..core.typing import NumpyArray
from ..dlp.checks import PARTS
from ..errors import SplitDeconvError, shorten
from ..extras import require
from ..figures import COLOURS, PART_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

#: What a figure can be written as, without a date, so that the same figure is the same bytes.
ENDINGS: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
#: Layers with bars of their own; the rest are drawn as one.
MOST_LAYERS = 24
# Points with a name in the roofline; more would cover each other.
_MOST_NAMES = 12
_NAMES = {"mac": "multiplication", "dram": "DRAM"}
_METHODS = {"sd": "paper", "sd_trimmed": "split"}
#: Names of bars, and the rows of a table that each shows.
_Groups: TypeAlias = list[tuple[str, list[int]]]
_UNITS = {"mJ": 1e9, "uJ": 1e6, "nJ": 1e3, "pJ": 1.0}


def check(path: Path, overwrite: bool) -> None:
    """Refuse a figure that could not be written, before any work is spent on it.

    Raises:
        SplitDeconvError: another ending, a file that is there, or matplotlib is missing.
    """
    if path.suffix.lower() not in ENDINGS:
        raise SplitDeconvError(
            "a figure cannot be written in this format",
            where=str(path),
            expected=f"a name that ends in {', '.join(ENDINGS)}",
            got=path.suffix or "no ending",
        )
    output.check(path, overwrite)
    require("matplotlib.figure", "notebooks")


def write(fig: "Figure", path: Path, overwrite: bool) -> None:
    """Write a figure in one step, in the format of its name's ending."""
    matplotlib = require("matplotlib", "notebooks")
    ending = path.suffix.lower()
    options: dict[str, Any] = {"dpi": 160, "metadata": ENDINGS[ending], "format": ending[1:]}
    settings = {"pdf.fonttype": 42, "svg.hashsalt": "splitdeconv", "svg.fonttype": "none"}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Letters of a layer's name that the font lacks are drawn as boxes.
        warnings.simplefilter("ignore", UserWarning)
        output.write(path, lambda part: fig.savefig(part, **options), overwrite)


def result(before: "DataFrame", after: "DataFrame", label: str) -> str:
    """What the figure shows, in words: the gain over zero insertion, and what binds the layers.

    Args:
        before: of `splitdeconv.dlp.simulate` with zero insertion.
        after: the same of the method.
        label: the method's.
    """
    array = int((after["bound_by"] != "bandwidth").sum())
    bound = f"{array} of {len(after)} layer{'s' * (len(after) != 1)} bound by the array"
    if before["cycles"].equals(after["cycles"]) and before["energy_pj"].equals(after["energy_pj"]):
        return f"{label}: as zero insertion; {bound}"
    speed = before["cycles"].sum() / after["cycles"].sum()
    saving = 1 - after["energy_pj"].sum() / before["energy_pj"].sum()
    words = f"{abs(saving):.0%}".replace("%", " %") + (" less" if saving >= 0 else " more")
    return f"{label}: {speed:.2g} times as fast, {words} energy than zero insertion; {bound}"


def draw(
    before: "DataFrame", after: "DataFrame", roof: tuple[float, float], label: str, subtitle: str
) -> "Figure":
    """The figure.

    Args:
        before: of `splitdeconv.dlp.simulate` with zero insertion.
        after: the same of the method.
        roof: of `splitdeconv.dlp.roof`.
        label: the method's, such as "sd" or "sd-WA".
        subtitle: the network and the processor.
    """
    bars, groups = _runs(before, after, label), _groups(after)
    height = max(4.2, 0.27 * len(groups) * len(bars) + 1.8)
    fig: Figure = require("matplotlib.figure", "notebooks").Figure(
        figsize=(12.5, height), layout="constrained"
    )
    title = f"{result(before, after, label)}\n{_printable(subtitle, 120)}"
    fig.suptitle(title, fontsize=12, parse_math=False)
    energy, roofline = fig.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_energy(energy, bars, groups)
    _draw_roofline(roofline, bars, roof)
    for ax in (energy, roofline):
        ax.spines[["top", "right"]].set_visible(False)
    return fig


def _runs(before: "DataFrame", after: "DataFrame", label: str) -> "dict[str, DataFrame]":
    """What is drawn side by side: once where the method is zero insertion."""
    return {"nzp": after} if label == "nzp" else {"nzp": before, label: after}


def _groups(after: "DataFrame") -> _Groups:
    """Rows by the name of their bar: each layer, or those of most energy and all others."""
    names = [_printable(str(name), 32) for name in after["name"]]
    order = np.argsort(-after["energy_pj"].to_numpy(), kind="stable")
    alone = sorted(order[: MOST_LAYERS - 1] if len(names) > MOST_LAYERS else order)
    rest = sorted(set(range(len(names))) - set(alone))
    groups = [(names[row], [int(row)]) for row in alone]
    return groups + ([(f"{len(rest)} other layers", rest)] if rest else [])


def _draw_energy(ax: Any, runs: "dict[str, DataFrame]", groups: _Groups) -> None:
    most = max(
        run["energy_pj"].to_numpy()[rows].sum() for run in runs.values() for _, rows in groups
    )
    unit = next((name for name, size in _UNITS.items() if most >= size), "pJ")
    width = 0.8 / len(runs)
    at = np.arange(len(groups))
    for index, (name, run) in enumerate(runs.items()):
        y, left = at + (index - (len(runs) - 1) / 2) * width, np.zeros(len(groups))
        for part, colour in zip(PARTS, PART_COLOURS, strict=True):
            values = run[f"energy_{part}_pj"].to_numpy() / _UNITS[unit]
            value = np.array([values[rows].sum() for _, rows in groups])
            legend = _NAMES.get(part, part) if index == 0 else None
            bars = ax.barh(y, value, 0.92 * width, left, color=colour, label=legend)
            left += value
        ax.bar_label(bars, [f" {name}, {total:.3g}" for total in left], fontsize=8)
    ax.set_yticks(at, [name for name, _ in groups], fontsize=9, parse_math=False)
    ax.set(ylim=(len(groups) - 0.5, -0.5), xlabel=f"energy, {unit}")
    ax.margins(x=0.16)
    ax.legend(frameon=False, fontsize=9)


def _draw_roofline(ax: Any, runs: "dict[str, DataFrame]", roof: tuple[float, float]) -> None:
    peak, bandwidth = roof
    points = {}
    for name, run in runs.items():
        xy = run[["operational_intensity", "achieved"]].to_numpy(dtype=float)
        points[name] = np.where(np.isfinite(xy).all(1, keepdims=True) & (xy > 0), xy, np.nan)
    *_, (last, after) = points.items()
    all_x = np.concatenate([xy[:, 0] for xy in points.values()] + [[peak / bandwidth]])
    x = np.array([np.nanmin(all_x) / 2, peak / bandwidth, np.nanmax(all_x) * 2])
    ax.plot(x, np.minimum(peak, x * bandwidth), color="0.2", lw=1.4, label="roof")
    for xy in list(points.values())[:-1]:
        lines = np.stack([xy, after])
        ax.plot(lines[:, :, 0], lines[:, :, 1], color="0.6", lw=0.7, zorder=1)
    for name, xy in points.items():
        colour = COLOURS[_METHODS.get(name.partition("-")[0], name.partition("-")[0])]
        ax.scatter(xy[:, 0], xy[:, 1], s=24, color=colour, label=name, zorder=2)
    look: dict[str, Any] = {"textcoords": "offset points", "xytext": (5, -9), "fontsize": 8}
    for text, point in _labels(runs[last], after):
        ax.annotate(text, point, parse_math=False, **look)
    ax.set(xscale="log", yscale="log")
    ax.set_xlabel("useful multiply-accumulates per byte of DRAM")
    ax.set_ylabel("useful multiply-accumulates per cycle")
    ax.legend(frameon=False, fontsize=9)


def _labels(run: "DataFrame", points: NumpyArray) -> list[tuple[str, NumpyArray]]:
    """A text for each point, once where layers coincide; transposed convolutions come first."""
    places: dict[tuple[float, ...], list[int]] = {}
    first = np.lexsort((-run["cycles"].to_numpy(), run["kind"].to_numpy() != "deconv"))
    for row in first:
        if np.isfinite(points[row]).all():
            places.setdefault(tuple(np.round(np.log10(points[row]), 2)), []).append(int(row))
    labels = []
    for row, *others in list(places.values())[:_MOST_NAMES]:
        more = f" and {len(others)} more" if others else ""
        labels.append((_printable(str(run["name"].iloc[row]), 24) + more, points[row]))
    return labels


def _printable(text: str, most: int) -> str:
    """A text as it can be drawn, shortened to `most` characters."""
    return shorten("".join(letter if letter.isprintable() else "?" for letter in text), most)

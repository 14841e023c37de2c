"""A picture of what a conversion did to a model: removed and added operators, side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...extras import require
from ...figures import COLOURS
from ...formats import graph, topology

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Operators of one side, each with whether it is on that side only.
Side: TypeAlias = Sequence[tuple[graph.Node, bool]]


def before_after(
    original: bytes, converted: bytes, *, context: int = 1, most: int = 40
) -> tuple["Figure", pd.DataFrame]:
    """The changed operators of a model before and after a conversion, and their neighbours.

    Args:
        original, converted: bytes of the two model files.
        context: neighbours drawn on each side.
        most: operators drawn per side, from the start; a title says if there are more.

    Returns:
        (figure, table): one row per drawn operator, with its side, kind, depth and whether it is on
        that side only. The table is empty if the main graph did not change, for instance because
        all changes are inside a branch.
    """
    sides = graph.changed(topology.nodes(original), topology.nodes(converted), context)
    networkx, plt = require("networkx", "notebooks"), require("matplotlib.pyplot", "notebooks")
    drawn = [_layers(networkx, side[:most]) for side in sides]
    depth = 1 + max((layer for layers in drawn for layer in layers.values()), default=0)
    size = (11, 0.9 + 0.62 * depth)
    fig, axes = plt.subplots(1, 2, figsize=size, layout="constrained", width_ratios=_widths(drawn))
    rows = []
    titles = {"before": COLOURS["nzp"], "after": COLOURS["split"]}
    for ax, side, layers, title in zip(axes, sides, drawn, titles, strict=True):
        places = _places(layers)
        arrow = {"arrowstyle": "-|>", "color": "0.5", "lw": 1.1}
        arrow |= {"shrinkA": 9, "shrinkB": 11}  # heads end at the boxes, not under them
        for i, j in _edges(side[:most]):
            ax.annotate("", places[j], places[i], arrowprops=arrow, zorder=1)
        for i, (node, fresh) in enumerate(side[:most]):
            box = {"boxstyle": "round,pad=0.3", "ec": "0.4", "lw": 0.7}
            box["fc"] = titles[title] if fresh else "0.9"
            look = {"fontsize": 9.5, "color": "white" if fresh else "0.25", "zorder": 2}
            ax.text(*places[i], node.operator, ha="center", va="center", bbox=box, **look)
            row = {"side": title, "operator": node.operator, "depth": layers[i], "changed": fresh}
            rows.append(row)
        width = max((abs(x) for x, _ in places.values()), default=0) + 0.6
        ax.set(xlim=(-width, width), ylim=(0.5 - depth, 0.5), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        cut = f", the first {most}" if len(side) > most else ""
        ax.set_title(f"{title}: {len(side)} operators{cut}", fontsize=11)
    return fig, pd.DataFrame(rows, columns=["side", "operator", "depth", "changed"])


def _edges(side: Side) -> list[tuple[int, int]]:
    """Pairs of positions: the second reads what the first writes."""
    writers = {name: i for i, (node, _) in enumerate(side) for name in node.outputs}
    return [
        (writers[name], j)
        for j, (node, _) in enumerate(side)
        for name in node.inputs
        if name in writers
    ]


def _layers(networkx: Any, side: Side) -> dict[int, int]:
    """The longest way from a start to each operator: its row in the picture."""
    graph = networkx.DiGraph(_edges(side))
    graph.add_nodes_from(range(len(side)))
    return {
        i: depth for depth, row in enumerate(networkx.topological_generations(graph)) for i in row
    }


def _places(layers: Mapping[int, int]) -> dict[int, tuple[float, float]]:
    """(x, y) of each operator: rows from top to bottom, centred."""
    rows = pd.Series(layers, dtype=int).sort_index().groupby(layers.get).groups
    return {
        i: (x, -depth)
        for depth, row in rows.items()
        for i, x in zip(row, _spread(len(row)), strict=True)
    }


def _spread(count: int) -> NumpyArray:
    return np.arange(count) - (count - 1) / 2


def _widths(drawn: Sequence[Mapping[int, int]]) -> list[int]:
    """Widths of the sides, by their widest row."""
    return [max([2, *pd.Series(layers, dtype=int).value_counts()]) for layers in drawn]

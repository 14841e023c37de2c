"""A picture of what a conversion did to a model: removed and added operators, side by side."""

import numpy as np
import pandas as pd

from ...extras import require
from ...figures import COLOURS
from ...formats import graph, topology


def before_after(original, converted, *, context=1, most=40):
    """The changed operators of a model before and after a conversion, with their neighbours in
    grey.

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
    fig, axes = plt.subplots(
        1, 2, figsize=(11, 0.9 + 0.62 * depth), layout="constrained", width_ratios=_widths(drawn)
    )
    rows = []
    for ax, side, layers, title, colour in zip(
        axes, sides, drawn, ("before", "after"), (COLOURS["nzp"], COLOURS["split"]), strict=True
    ):
        places = _places(layers)
        for i, j in _edges(side[:most]):
            ax.annotate(
                "",
                places[j],
                places[i],
                arrowprops={"arrowstyle": "-|>", "color": "0.5", "lw": 0.9},
                zorder=1,
            )
        for i, (node, fresh) in enumerate(side[:most]):
            box = {
                "boxstyle": "round,pad=0.3",
                "fc": colour if fresh else "0.9",
                "ec": "0.4",
                "lw": 0.7,
            }
            ink = "white" if fresh else "0.25"
            ax.text(
                *places[i],
                node.operator,
                ha="center",
                va="center",
                fontsize=7.5,
                color=ink,
                bbox=box,
                zorder=2,
            )
            rows.append(
                {"side": title, "operator": node.operator, "depth": layers[i], "changed": fresh}
            )
        width = max((abs(x) for x, _ in places.values()), default=0) + 0.6
        ax.set(xlim=(-width, width), ylim=(0.5 - depth, 0.5), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        cut = f", the first {most}" if len(side) > most else ""
        ax.set_title(f"{title}: {len(side)} operators{cut}", fontsize=11)
    return fig, pd.DataFrame(rows, columns=["side", "operator", "depth", "changed"])


def _edges(side):
    """Pairs of positions: the second reads what the first writes."""
    writers = {name: i for i, (node, _) in enumerate(side) for name in node.outputs}
    return [
        (writers[name], j)
        for j, (node, _) in enumerate(side)
        for name in node.inputs
        if name in writers
    ]


def _layers(networkx, side):
    """The longest way from a start to each operator: its row in the picture."""
    graph = networkx.DiGraph(_edges(side))
    graph.add_nodes_from(range(len(side)))
    return {
        i: depth for depth, row in enumerate(networkx.topological_generations(graph)) for i in row
    }


def _places(layers):
    """(x, y) of each operator: rows from top to bottom, centred."""
    rows = pd.Series(layers, dtype=int).sort_index().groupby(layers.get).groups
    return {
        i: (x, -depth)
        for depth, row in rows.items()
        for i, x in zip(row, _spread(len(row)), strict=True)
    }


def _spread(count):
    return np.arange(count) - (count - 1) / 2


def _widths(drawn):
    """Widths of the sides, by their widest row."""
    return [max([2, *pd.Series(layers, dtype=int).value_counts()]) for layers in drawn]

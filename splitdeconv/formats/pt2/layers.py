"""The layers of a program that multiply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..row import Row, deconv, dense, images, refusal, row
from .constants import Constants
from .nodes import CONVOLUTION, arguments, calls, graphs, is_transposed, lengths, operator_name
from .program import KNOWN, ProgramModel, tensors_of
from .sites import per_axis

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

_CONVOLUTION = re.compile(r"aten\.conv\d+d\.")
#: The argument that is the matrix of weights, that of the input, and whether outputs come first.
_MATRICES = {
    "aten.linear.default": ("weight", "input", True),
    "aten.addmm.default": ("mat2", "mat1", False),
    "aten.mm.default": ("mat2", "self", False),
    "aten.matmul.default": ("other", "self", False),
}
_OTHERS = re.compile(
    r"aten\.(_?conv|matmul|\w*mm\.|\w*mv\.|\w*dot|_?(linear|bilinear|einsum|lstm|gru|rnn)|\w*attention|"
    r"outer|ger\.|addr\.)"
)
_EXPECTED = "convolutions of one or two axes, and products with a stored matrix"
_FIX = "export the program at fixed sizes"


def layers(program: ExportedProgram, where: str) -> list[Row]:
    """The rows of a program; see `splitdeconv.convert.rows`.

    Args:
        program: the program; an open batch counts as one image.
        where: its name in errors.
    """
    constants = Constants(program)
    sites = {site.name: site for site in ProgramModel(program).sites()}
    inputs = [shape for _, shape, _ in tensors_of(program) if shape]
    batch = (inputs[0][0] if inputs else None) or 1
    rows = []
    for graph, path in graphs(program):
        for node in calls(graph):
            if not _multiplies(node) or (not path and constants.value(node) is not None):
                continue
            if path:
                got = f"{operator_name(node)} in a branch or a loop"
                raise refusal(node.name, where, got, "each of them runs once")
            if is_transposed(node):
                site = sites[node.name]
                images((site.batch,), batch, node.name, where)
                rows.append(deconv(site, where))
            else:
                rows.append(_row(node, constants, batch, where))
    return rows


def _multiplies(node: Node) -> bool:
    name = operator_name(node)
    return not name.startswith(KNOWN) or bool(_OTHERS.match(name)) or is_transposed(node)


def _row(node: Node, constants: Constants, batch: int, where: str) -> Row:
    """The row of a convolution or a product."""
    name = operator_name(node)
    made = None
    if name == CONVOLUTION or _CONVOLUTION.match(name):
        made = _conv(node, batch, where)
    elif name in _MATRICES:
        made = _matrix(node, constants, batch, where)
    if made is None:
        shapes = [list(lengths(inner) or ()) for inner in node.all_input_nodes]
        got = f"{name} of {', '.join(map(str, shapes))}".replace("None", "?")
        fix = _FIX if "?" in got else None
        raise refusal(node.name, where, got, _EXPECTED, fix)
    return made


def _conv(node: Node, batch: int, where: str) -> Row | None:
    """The row of a convolution; None unless it has one or two axes of known lengths."""
    given = arguments(node)
    x, weight = lengths(given["input"]), lengths(given["weight"])
    rank = len(weight or ()) - 2
    if not x or not weight or rank not in (1, 2) or None in x[-rank - 1 :] or None in weight:
        return None
    if len(x) == len(weight):
        images(x, batch, node.name, where)
    kernel = [int(n or 0) for n in weight[2:]]
    strides, dilations = (per_axis(given[name], rank) for name in ("stride", "dilation"))
    before, end = _pads(given["padding"], kernel, dilations)
    pairs: dict[str, Any] = {"padding": "EXPLICIT", "before": before, "end": end}
    sizes, groups = [int(n or 0) for n in x[-rank:]], given["groups"]
    channels = int(weight[1] or 0) * groups, int(weight[0] or 0)
    return row(node.name, "conv", sizes, *channels, kernel, strides, dilations, groups, **pairs)


def _pads(
    padding: Any, kernel: Sequence[int], dilations: Sequence[int]
) -> tuple[Sequence[int], Sequence[int]]:
    """Zeros before and after each axis; PyTorch's SAME has the odd one at the end."""
    spans = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    if padding == "same":
        return [span // 2 for span in spans], [span - span // 2 for span in spans]
    around = [0] * len(kernel) if padding == "valid" else per_axis(padding, len(kernel))
    return around, around


def _matrix(node: Node, constants: Constants, batch: int, where: str) -> Row | None:
    """The row of a product with a stored matrix; None for any other product."""
    weights, source, turned = _MATRICES[operator_name(node)]
    given = arguments(node)
    x, matrix = lengths(given[source]), constants.value(given[weights])
    if not x or matrix is None or len(matrix.shape) != 2 or None in x[1:]:
        return None
    c_in, c_out = reversed(matrix.shape) if turned else matrix.shape
    known = [int(n or batch) for n in x]
    return dense(node.name, known, int(c_in), int(c_out), batch, where)

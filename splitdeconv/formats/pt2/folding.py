"""A batch normalization behind a transposed convolution, folded into its filters and bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...extras import require
from .nodes import arguments, calls, is_transposed, lengths, operator_name
from .sites import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.fx import Graph, Node

    from .constants import Constants

_NORMS = ("aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default")


def found_in(graph: Graph, constants: Constants, place: str) -> Iterator[Found]:
    """Every transposed convolution of a graph, with the normalization that can be folded into it.

    Args:
        graph: the graph.
        constants: those of the program.
        place: as of `Found`.
    """
    for node in calls(graph):
        if is_transposed(node):
            pair = None if place else _norm_behind(node, constants)
            yield Found(node, place) if pair is None else Found(node, place, *pair)


def folded(
    weight: Tensor, bias: Tensor | None, groups: int, norm: Node, constants: Constants
) -> tuple[Tensor, Tensor]:
    """Filters and bias that give the normalized result.

    The scale of an output channel multiplies its filters, in float64, rounded once.

    Args:
        weight: ``(Cin, Cout // groups, *kernel)``.
        bias: ``(Cout,)``; None for zeros.
        groups: channel groups.
        norm: the normalization.
        constants: those of the program.
    """
    torch = require("torch", "torch")
    given = arguments(norm)
    names = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (_double(given[name], constants) for name in names)
    assert mean is not None  # a site without statistics is not folded
    assert variance is not None
    factor = (variance + given["eps"]).rsqrt()
    factor = factor if scale is None else factor * scale
    before = torch.zeros_like(mean) if bias is None else bias.double()
    moved = (before - mean) * factor + (0 if shift is None else shift)
    cin, each, *kernel = weight.shape
    # Input channels of a group meet that group's output channels alone.
    blocks = weight.double().reshape(groups, cin // groups, each, -1)
    scaled = (blocks * factor.reshape(groups, 1, each, 1)).reshape(cin, each, *kernel)
    return scaled.to(weight.dtype), moved.to(weight.dtype)


def _double(node: Node | None, constants: Constants) -> Tensor | None:
    value = None if node is None else constants.value(node)
    return None if value is None else value.double()


def _norm_behind(node: Node, constants: Constants) -> tuple[Node, Node] | None:
    """The normalization that alone reads a node, and the node that has its result."""
    if len(node.users) != 1:
        return None
    norm = next(iter(node.users))
    name = operator_name(norm)
    if name not in _NORMS:
        return None
    given = arguments(norm)
    if given["input"] is not node:
        return None
    read = [given[key] for key in ("weight", "bias", "running_mean", "running_var")]
    if given.get("training") or None in read[2:]:
        return None
    own = arguments(node)
    # Without a batch, it would normalize another axis than the channels.
    if len(lengths(node) or ()) != len(lengths(own["weight"]) or ()):
        return None
    stored = [own["weight"], own["bias"], *read]
    if any(one is not None and constants.value(one) is None for one in stored):
        return None
    if name == _NORMS[0]:
        return norm, norm
    # The decomposed operator has three results, of which a trained program uses one.
    users = list(norm.users)
    one = len(users) == 1 and operator_name(users[0]) == "operator.getitem"
    return (norm, users[0]) if one and users[0].args[1] == 0 else None

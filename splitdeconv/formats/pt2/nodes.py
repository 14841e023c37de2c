"""The nodes of a program's graph: their operators, arguments by name, and shapes."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...extras import require

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Graph, Node

#: PyTorch's transposed convolutions; that of the decomposed set serves both directions.
TRANSPOSED = (
    "aten.conv_transpose1d.default",
    "aten.conv_transpose2d.input",
    "aten.conv_transpose3d.input",
)
CONVOLUTION = "aten.convolution.default"
#: What a graph inside a graph is, by the operator that it belongs to, and what to do about it.
_REGIONS = {
    "wrap_with_set_grad_enabled": "a region of torch.no_grad (export the model in one)",
    "wrap_with_autocast": "a region of torch.autocast (export the model in its type, without one)",
}


def operator_name(node: Node) -> str:
    """The operator of a node as text, such as "aten.relu.default"."""
    target = node.target
    if isinstance(target, str):
        return target
    if getattr(target, "__module__", "") in ("_operator", operator.__name__):
        return f"operator.{getattr(target, '__name__', target)}"
    return str(target)


def shown_name(node: Node) -> str:
    """`operator_name`, and whether the one operator of both directions is transposed."""
    name = operator_name(node)
    return f"{name} (transposed)" if name == CONVOLUTION and is_transposed(node) else name


def is_transposed(node: Node) -> bool:
    """Whether a node is a transposed convolution."""
    name = operator_name(node)
    return name in TRANSPOSED or (name == CONVOLUTION and bool(arguments(node)["transposed"]))


def arguments(node: Node) -> dict[str, Any]:
    """The arguments of a node by name, with the operator's defaults where they are left out."""
    schema: Any = node.target
    given = dict(node.kwargs)
    for place, argument in enumerate(schema._schema.arguments):
        if place < len(node.args):
            given[argument.name] = node.args[place]
        elif argument.name not in given and argument.has_default_value():
            given[argument.name] = argument.default_value
    return given


def graphs(program: ExportedProgram) -> Iterator[tuple[Graph, str]]:
    """(graph, path) of a program: its own under "", then those of branches and loops."""
    fx = require("torch.fx", "torch")
    for path, module in program.graph_module.named_modules():
        if isinstance(module, fx.GraphModule):
            yield module.graph, path


def place_of(program: ExportedProgram, path: str) -> str:
    """Where the graph of a path is, in words; empty for the program's own."""
    name = path.rpartition(".")[2]
    nodes = (node for graph, _ in graphs(program) for node in graph.nodes if path)
    users = [user for node in nodes if node.target == name for user in node.users]
    for kind, words in _REGIONS.items():
        if any(kind in operator_name(user) for user in users):
            return words
    return "a branch or a loop" if path else ""


def calls(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph that compute something, in order."""
    return (node for node in graph.nodes if node.op == "call_function")


def lengths(node: Node) -> tuple[int | None, ...] | None:
    """The shape of a node's tensor, None where it is only known at run time; None if unknown."""
    value = node.meta.get("val")
    if value is None or not hasattr(value, "shape"):
        return None
    return tuple(n if isinstance(n, int) else None for n in value.shape)

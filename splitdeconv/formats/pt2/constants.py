"""The value of a node that depends on no input of the program, only on what the program stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...extras import require
from .nodes import arguments, calls, graphs, operator_name

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.fx import Node

#: Operators whose results hold whatever is in memory.
_UNSET = ("aten.empty", "aten.new_empty")


class Constants:
    """The stored tensors of a program, and what is computed from them alone.

    Args:
        program: the program.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self._stored: dict[str, Tensor] = {}
        for spec in program.graph_signature.input_specs:
            held = program.state_dict.get(spec.target)
            held = program.constants.get(spec.target) if held is None else held
            if held is not None and hasattr(held, "dtype"):
                self._stored[spec.arg.name] = held
        signature = program.graph_signature
        changed = {*signature.buffers_to_mutate.values(), *signature.parameters_to_mutate.values()}
        self._changing = {s.arg.name for s in signature.input_specs if s.target in changed}
        self._changing |= {node.name for node in _written(program)}
        self._known: dict[Node, Tensor | None] = {}

    def is_stored(self, node: Any) -> bool:
        """Whether a node is a tensor that the program stores."""
        return getattr(node, "op", "") == "placeholder" and node.name in self._stored

    def value(self, node: Any) -> Tensor | None:
        """The tensor of a node; None if it depends on an input, or must not be computed."""
        if node not in self._known:
            self._known[node] = self._compute(node)
        return self._known[node]

    def _compute(self, node: Node) -> Tensor | None:
        torch = require("torch", "torch")
        if node.name in self._changing:
            return None
        if node.op == "placeholder":
            held = self._stored.get(node.name)
            return None if held is None else held.detach()
        if not _is_pure(node):
            return None
        parts: dict[Node, Tensor] = {}
        for inner in node.all_input_nodes:
            held = self.value(inner)
            if held is None:
                return None
            parts[inner] = held
        if not parts:  # a factory, of a size that may be an input's
            return None
        # Graphs are deep only where they are long: operators between weights are few.
        args = torch.fx.map_arg(node.args, parts.__getitem__)
        options = torch.fx.map_arg(node.kwargs, parts.__getitem__)
        with torch.no_grad():
            result = node.target(*args, **options)
        return result if isinstance(result, torch.Tensor) else None


def _is_pure(node: Node) -> bool:
    """Whether a node computes the same each time, and changes nothing."""
    name, target = operator_name(node), node.target
    if not name.startswith("aten.") or name.startswith(_UNSET) or isinstance(target, str):
        return False
    drawn = require("torch", "torch").Tag.nondeterministic_seeded
    operator: Any = target
    return drawn not in operator.tags and not operator._schema.is_mutable


def _written(program: ExportedProgram) -> Iterator[Node]:
    """The nodes whose tensors an operator writes to, and those of which they are views."""
    waiting: list[Any] = []
    for graph, path in graphs(program):
        written = [v for node in calls(graph) for v, alias in _aliases(node) if alias.is_write]
        waiting += written
        if written and path:  # perhaps to what was passed into that graph
            outer = (node for other, _ in graphs(program) for node in calls(other))
            waiting += [x for n in outer if not _aliased(n) for x in n.all_input_nodes]
    reached: set[Node] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | tuple):
            waiting += one
        elif hasattr(one, "op") and one not in reached:
            reached.add(one)
            waiting += [value for value, _ in _aliases(one)]
            yield one


def _aliased(node: Node) -> bool:
    """Whether an operator's schema says what it writes to; that of a branch or loop does not."""
    return hasattr(node.target, "_schema")


def _aliases(node: Node) -> list[tuple[Any, Any]]:
    """(argument, its alias information) of what a node writes to or returns a view of."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return []
    given = arguments(node)
    return [
        (given[argument.name], argument.alias_info)
        for argument in schema.arguments
        if argument.alias_info is not None and argument.name in given
    ]

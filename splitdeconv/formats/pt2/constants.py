"""The value of a node that depends on no input of the program, only on what the program stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...extras import require
from .nodes import operator_name

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.fx import Node

#: Operators that draw numbers.
_NOT_FOLDED = ("rand", "bernoulli", "dropout", "multinomial", "normal_", "exponential")


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
        changed = program.graph_signature.buffers_to_mutate.values()
        targets = {spec.target for spec in program.graph_signature.input_specs} & set(changed)
        self._changing = {
            spec.arg.name for spec in program.graph_signature.input_specs if spec.target in targets
        }
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
        if node.op == "placeholder":
            held = self._stored.get(node.name)
            return None if held is None or node.name in self._changing else held.detach()
        name = operator_name(node)
        if not name.startswith("aten.") or any(word in name for word in _NOT_FOLDED):
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

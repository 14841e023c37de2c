"""The tensors that a program stores: its graph takes each as an input, listed in the signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...extras import require

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.fx import Node


class Signature:
    """Adds stored tensors to a program, and removes those that nothing reads.

    Args:
        program: the program, which is changed in place.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        self._torch = require("torch", "torch")
        self._kinds = require("torch.export.graph_signature", "torch")
        self._graph = program.graph_module.graph

    def add(self, tensor: Tensor, beside: Node | None, hint: str) -> Node:
        """Store a tensor.

        Args:
            tensor: its value.
            beside: a stored tensor of whose kind it is, parameter or buffer, and after which it is
                named; None for a buffer.
            hint: what it is, to be used in its name.

        Returns:
            The node that stands for it.
        """
        specs, kinds = self._program.graph_signature.input_specs, self._kinds
        old = next((s for s in specs if beside is not None and s.arg.name == beside.name), None)
        is_parameter = old is not None and old.kind == kinds.InputKind.PARAMETER
        kind = kinds.InputKind.PARAMETER if is_parameter else kinds.InputKind.BUFFER
        target = self._fresh(f"{old.target}_{hint}" if old else f"splitdeconv_{hint}")
        tensor = tensor.detach().contiguous()
        if is_parameter and old is not None:
            trained = self._program.state_dict[old.target].requires_grad
            tensor = self._torch.nn.Parameter(tensor, requires_grad=trained)
        # Parameters come first, then buffers, then what else the program stores.
        after = (kinds.InputKind.PARAMETER, *([] if is_parameter else [kinds.InputKind.BUFFER]))
        place = sum(spec.kind in after for spec in specs)
        # The placeholders are the first nodes; what follows them may be the first to compute.
        following = next(n for i, n in enumerate(self._graph.nodes) if i == place)
        with self._graph.inserting_before(following):
            node = self._graph.placeholder(f"{'p' if is_parameter else 'b'}_{target}")
        # The program's code has it as an argument, so it must be a valid name, and unique.
        node.target = node.name
        node.meta["val"] = self._mode().from_tensor(tensor, static_shapes=True)
        argument = kinds.TensorArgument(name=node.name)
        persistent = None if is_parameter else True
        specs.insert(place, kinds.InputSpec(kind, argument, target, persistent))
        self._program.state_dict[target] = tensor
        return node

    def drop(self, node: Node) -> None:
        """Remove a node that nothing reads and what then nothing reads, stored tensors as well."""
        waiting, gone = [node], set[Any]()
        while waiting:
            one = waiting.pop()
            if one in gone or one.users or one.op not in ("placeholder", "call_function"):
                continue
            if one.op == "placeholder" and not self._forget(one.name):
                continue
            waiting += one.all_input_nodes
            self._graph.erase_node(one)
            gone.add(one)

    def _forget(self, name: str) -> bool:
        """Remove a stored tensor; False for an input of the user's, which stays."""
        signature, kinds = self._program.graph_signature, self._kinds.InputKind
        spec = next(s for s in signature.input_specs if s.arg.name == name)
        if spec.kind not in (kinds.PARAMETER, kinds.BUFFER):
            return False
        signature.input_specs.remove(spec)
        if all(spec.target != other.target for other in signature.input_specs):
            self._program.state_dict.pop(spec.target, None)
        return True

    def _fresh(self, wish: str) -> str:
        held, name, number = self._program.state_dict, wish, 1
        while name in held:
            name, number = f"{wish}_{number}", number + 1
        return name

    def _mode(self) -> Any:
        """The fake tensors of the program: all belong to one."""
        values = (node.meta.get("val") for node in self._graph.nodes)
        return next(value.fake_mode for value in values if hasattr(value, "fake_mode"))

"""Nodes and constants for a protobuf graph, with unique names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from ....extras import require
from ..graph import subgraphs
from ..ops import Ops

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

    from ....core.typing import NumpyArray
    from ..graph import Scope


class Names:
    """Generates names that no value and no node of a model has."""

    def __init__(self, model: ModelProto) -> None:
        self._used: set[str] = set()
        self._last: dict[str, int] = {}
        stack = [model.graph, *model.functions]
        while stack:
            graph = stack.pop()
            fields = ("input", "output", "initializer", "value_info")
            values = [value for field in fields for value in getattr(graph, field, ())]
            self._used.update(v if isinstance(v, str) else v.name for v in values)
            self._used.update(t.values.name for t in getattr(graph, "sparse_initializer", ()))
            self._used.update(a.tensor_name for a in getattr(graph, "quantization_annotation", ()))
            for node in graph.node:
                self._used.update((node.name, *node.input, *node.output))
                stack.extend(subgraphs(node))

    def fresh(self, wish: str) -> str:
        """`wish`, or `wish` with the first number that makes it unique."""
        name = wish
        while name in self._used:
            self._last[wish] = self._last.get(wish, 0) + 1
            name = f"{wish}_{self._last[wish]}"
        self._used.add(name)
        return name


class GraphOps(Ops[str]):
    """Collects the nodes that replace one node; constants are added at once, equal ones only once.

    Args:
        scope: the `Scope` of the nodes.
        names: `Names` of the model.
        prefix: prefix of the names of new nodes and values.
        constants: dict shared by all rewrites of a model.
        ir_version: of the model. Up to version 3 every initializer of the main graph is also one of
            its inputs, and other graphs have no initializers.
        may_be_empty: as for `Ops`.
    """

    def __init__(
        self,
        scope: Scope,
        names: Names,
        prefix: str,
        constants: dict[tuple[Hashable, ...], str],
        ir_version: int,
        may_be_empty: bool = True,
    ) -> None:
        super().__init__(scope.opset, may_be_empty)
        self.scope, self.prefix = scope, prefix
        self.nodes: list[NodeProto] = []
        self._names, self._constants, self._listed = names, constants, ir_version < 4
        self._onnx = require("onnx", "onnx")

    def emit(
        self,
        kind: str,
        inputs: Sequence[str],
        *,
        outputs: int = 1,
        domain: str = "",
        **attributes: Any,
    ) -> Any:
        """Add a node; see `Ops.emit`."""
        name = self._names.fresh(f"{self.prefix}_{kind.lower()}")
        results = (
            [name] if outputs == 1 else [self._names.fresh(f"{name}_{i}") for i in range(outputs)]
        )
        self.nodes.append(
            self._onnx.helper.make_node(
                kind, inputs, results, name=name, domain=domain, **attributes
            )
        )
        return name if outputs == 1 else results

    def repeat(self, node: NodeProto, inputs: Sequence[str], axis: int | None = None) -> str:
        """The same node on other inputs, with all its attributes except the axis."""
        name = self.emit(node.op_type, inputs, domain=node.domain)
        copy = self.nodes[-1]
        copy.attribute.extend(a for a in node.attribute if axis is None or a.name != "axis")
        if axis is not None:
            copy.attribute.append(self._onnx.helper.make_attribute("axis", axis))
        return name

    def constant(
        self,
        array: NumpyArray,
        hint: str = "constant",
        *,
        name: str | None = None,
        home: Scope | None = None,
    ) -> str:
        """A constant; see `Ops.constant`.

        Args:
            array: its value.
            hint: what it is, to be used in its name.
            name: the preferred name, instead of one made from the hint.
            home: the `Scope` to add it to, by default that of the nodes.
        """
        home = home or self.scope
        while self._listed and home.parent:
            home = home.parent
        array = np.ascontiguousarray(array).reshape(array.shape)
        digest = blake2b(array.reshape(-1).view(np.uint8).data).digest()
        key = (id(home), str(array.dtype), array.shape, digest)
        if key not in self._constants:
            name = self._names.fresh(name or f"{self.prefix}_{hint}")
            tensor = self._onnx.numpy_helper.from_array(array, name)
            self._constants[key] = name
            self._store(tensor, home)
        return self._constants[key]

    def _store(self, tensor: TensorProto, home: Scope) -> None:
        if home.function:  # functions have neither initializers nor typed inputs
            node = self._onnx.helper.make_node(
                "Constant", [], [tensor.name], name=tensor.name, value=tensor
            )
            home.prelude.append(node)
            return
        home.graph.initializer.append(tensor)
        if self._listed:
            value = self._onnx.helper.make_tensor_value_info(
                tensor.name, tensor.data_type, tensor.dims
            )
            home.graph.input.append(value)

    def finish(self, value: str, name: str) -> list[NodeProto]:
        """The collected nodes, with `value` renamed to `name`."""
        self.nodes[-1].output[:] = [
            name if output == value else output for output in self.nodes[-1].output
        ]
        return self.nodes

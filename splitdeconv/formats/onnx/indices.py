"""What the integer inputs of an ONNX model represent: indices into a table, or lengths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...extras import require
from ..content import content
from ..lengths import Words, counted
from .graph import scopes, trace
from .tensors import array, is_external

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from .graph import Scope

# Operators that pass integers on unchanged, except for shape and type.
_HAND_ON = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_WORDS = Words(
    compare=("Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
    number=("Range", "CumSum", "NonZero"),
    hand_on=(*_HAND_ON, "Expand", "Tile", "Transpose"),
)


def tables(model: bytes | Path) -> Iterator[tuple[str, int]]:
    """(input, rows) for every Gather in the main graph that reads a stored table."""
    proto = require("onnx", "onnx").load_model_from_string(content(model))
    scope = scopes(proto)[0]
    for node in scope.graph.node:
        if node.op_type != "Gather" or len(node.input) < 2:
            continue
        source = trace(scope, node.input[0])
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if source is None or not -len(source.tensor.dims) <= axis < len(source.tensor.dims):
            continue
        name, seen = node.input[1], set()
        while (
            (maker := scope.producers.get(name)) is not None
            and maker.op_type in _HAND_ON
            and name not in seen
        ):
            seen.add(name)
            name = maker.input[0]
        yield name, source.tensor.dims[axis]


def lengths(model: bytes | Path) -> Iterator[str]:
    """The inputs that represent lengths."""
    for scope in scopes(require("onnx", "onnx").load_model_from_string(content(model))):

        def values(name: str, scope: Scope = scope) -> NumpyArray | None:
            tensor = scope.constant(name)
            return None if tensor is None or is_external(tensor) else array(tensor, None)

        nodes = [(node.op_type, node.input, node.output) for node in scope.graph.node]
        yield from counted(nodes, _WORDS, values)

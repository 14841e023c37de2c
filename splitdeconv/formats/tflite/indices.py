"""What the integer inputs of a .tflite model represent: indices into a table, or lengths.

Inputs are known by the names of their tensors and by their names in signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..content import content
from ..lengths import Words, counted
from .flatbuffer.file import read
from .graph import constant, dimensions, operator_name, ports, producers

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from .flatbuffer.objects import ModelT, SubGraphT

# Operators that pass integers on unchanged, except for shape and type.
_HAND_ON = ("CAST", "EXPAND_DIMS", "RESHAPE", "SQUEEZE")
_WORDS = Words(
    compare=("LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"),
    number=("RANGE", "CUMSUM"),
    hand_on=(*_HAND_ON, "BROADCAST_TO", "TILE", "TRANSPOSE"),
)


def tables(model: bytes | Path) -> Iterator[tuple[str, int]]:
    """(input, rows) for every GATHER and EMBEDDING_LOOKUP."""
    parsed, _ = read(content(model), "the model")
    for number, graph in enumerate(parsed.subgraphs):
        makers = producers(graph)
        for operator in graph.operators or ():
            kind, inputs = operator_name(parsed, operator), ports(operator.inputs)
            if kind not in ("GATHER", "EMBEDDING_LOOKUP"):
                continue
            table, index = inputs[:2] if kind == "GATHER" else inputs[1::-1]
            shape = dimensions(graph.tensors[table])
            axis = getattr(operator.builtinOptions, "axis", 0) if kind == "GATHER" else 0
            rows = shape[axis] if -len(shape) <= axis < len(shape) else None
            if not rows:
                continue
            while index in makers and operator_name(parsed, makers[index]) in _HAND_ON:
                index = ports(makers[index].inputs)[0]
            for name in _names(parsed, number, index):
                yield name, rows


def lengths(model: bytes | Path) -> Iterator[str]:
    """The inputs that represent lengths."""
    parsed, _ = read(content(model), "the model")
    for number, graph in enumerate(parsed.subgraphs):

        def values(index: int, graph: SubGraphT = graph) -> NumpyArray | None:
            return constant(parsed, graph.tensors[index]) if index >= 0 else None

        nodes = [
            (operator_name(parsed, o), ports(o.inputs), ports(o.outputs))
            for o in graph.operators or ()
        ]
        for index in counted(nodes, _WORDS, values):
            yield from _names(parsed, number, index)


def _names(model: ModelT, number: int, index: int) -> Iterator[str]:
    """The names of a tensor of a subgraph: its own, and those as an input of signatures."""
    yield (model.subgraphs[number].tensors[index].name or b"").decode(errors="replace")
    for signature in model.signatureDefs or ():
        for entry in signature.inputs or () if signature.subgraphIndex == number else ():
            if entry.tensorIndex == index:
                yield (entry.name or b"").decode(errors="replace")

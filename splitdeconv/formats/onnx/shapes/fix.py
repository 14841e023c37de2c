"""Fix the shapes of an ONNX model's inputs, and the declared shapes of all other values.

A symbol means the same length everywhere: once an input fixes it, it is fixed in the whole model.
Shapes found by shape inference then replace the declared ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....errors import SplitDeconvError
from ...input_shapes import ModelInput, Shape, text_of
from ..graph import scopes
from .types import contradiction, declared, known_types, length, restate, withdraw

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

# Some exporters write these instead of a symbol.
_NO_SYMBOLS = ("", "?")


def inputs_of(model: ModelProto) -> list[ModelInput]:
    """The inputs of a ModelProto; those with a stored value have its shape and are left out."""
    inputs = []
    for value in _given(model):
        kind = value.type.tensor_type
        known = value.type.HasField("tensor_type") and kind.HasField("shape")
        inputs.append(ModelInput(value.name, tuple(map(length, kind.shape.dim)) if known else None))
    return inputs


def fix(model: ModelProto, shapes: Sequence[Shape | None]) -> None:
    """Fix inputs, in place.

    Args:
        model: a ModelProto.
        shapes: one for each of `inputs_of`, with None for lengths that stay; None for an input that
            stays.

    Raises:
        SplitDeconvError: a symbol gets two sizes, an input is not a tensor, or an operator rejects
            the sizes.
    """
    values = _given(model)
    symbols: dict[str, tuple[int, str]] = {}
    for value, shape in zip(values, shapes, strict=True):
        if shape is not None:
            _learn(value, shape, symbols)
    every, odd = scopes(model), contradiction(model)
    # Once every input is fixed, declared shapes are trusted where inference stops, so no stale ones
    # may be left.
    withdraw(every, known_types(model, every))
    for value, shape in zip(values, shapes, strict=True):
        if shape is not None:
            _set(value, shape)
    for scope in every:
        for value in declared(scope.graph):
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param in symbols:
                    dim.dim_value = symbols[dim.dim_param][0]
    conflict = contradiction(model)
    if conflict and not odd:
        raise SplitDeconvError(
            "ONNX shape inference rejects this input shape",
            where=", ".join(
                f"input {v.name} of {text_of(s)}" for v, s in zip(values, shapes, strict=True) if s
            ),
            expected="sizes that every operator of the model accepts",
            got=conflict,
            fix="choose other sizes, or omit the option to keep the input shapes open",
        )
    restate(every, known_types(model, every))


def _given(model: ModelProto) -> list[ValueInfoProto]:
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def _learn(value: ValueInfoProto, shape: Shape, symbols: dict[str, tuple[int, str]]) -> None:
    """Record the size of each symbol of an input, with the name of the input."""
    if not value.type.HasField("tensor_type"):
        raise SplitDeconvError(
            "the input has no shape that could be fixed",
            where=f"input {value.name}",
            expected="a tensor",
            got=value.type.WhichOneof("value") or "an unknown type",
            fix="omit it from the input shapes",
        )
    for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=False):
        if size is None or dim.HasField("dim_value") or dim.dim_param in _NO_SYMBOLS:
            continue
        known, name = symbols.setdefault(dim.dim_param, (size, value.name))
        if known != size:
            raise SplitDeconvError(
                "invalid input shapes: expected one size per symbol",
                where=f"input {value.name}, dimension {dim.dim_param}",
                expected=f"{known}, as in input {name} for {dim.dim_param}",
                got=f"{size} in {text_of(shape)}",
                fix=f"give {dim.dim_param} the same size everywhere",
            )


def _set(value: ValueInfoProto, shape: Shape) -> None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        kind.shape.SetInParent()
        kind.shape.dim.extend(type(kind.shape).Dimension() for _ in shape)
    for dim, size in zip(kind.shape.dim, shape, strict=True):
        if size is not None:
            dim.dim_value = size

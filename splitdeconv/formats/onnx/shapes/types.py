"""Types and shapes of the values in an ONNX model, inferred from the inputs.

ONNX files may also declare shapes (value_info), but no runtime enforces them: they become stale
when an input is opened, and inside a loop or a function they hold for one call only. They are
trusted where inference stops (at an operator that neither ONNX nor `contrib` knows), but only if
every input has a fixed shape and inference finds no contradiction.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....errors import one_line
from ....extras import require
from ..graph import scopes
from ..storage.bulk import light
from ..tensors import tensors_of
from .contrib import stand_in
from .same import UNKNOWN, spell_out

if TYPE_CHECKING:
    from onnx import ModelProto, TensorShapeProto, ValueInfoProto

    from ..graph import Graph, Known, Scope, ValueType


#: How the names begin that ONNX' shape inference gives to lengths.
_MADE_UP = "unk__"


def known_types(model: ModelProto, every: Sequence[Scope]) -> list[Known]:
    """For each of the scopes `every` in `model`, ``name -> (data type, shape)``.

    Open lengths are None, and so are shapes that are entirely unknown.
    """
    copy = _inferred(model)
    fixed = copy is not None and _has_fixed_inputs(model)
    by_graph: dict[Scope, ChainMap[str, ValueType]] = {}
    for scope, inferred in zip(every, scopes(copy or _bare(model)), strict=True):
        trusted = fixed and not scope.repeated and not scope.function
        known: dict[str, ValueType] = {}
        for value in declared(scope.graph):
            kind, shape = _type_of(value)
            known[value.name] = kind, (shape if trusted else None)
        for value in declared(inferred.graph):
            kind, shape = _type_of(value)
            if shape is not None or value.name not in known:
                known[value.name] = kind, shape
        stored = (t for t in scope.initializers.values() if t.name not in _defaults(scope))
        known |= {t.name: (t.data_type, tuple(t.dims)) for t in stored}
        by_graph[scope] = ChainMap(known, by_graph[scope.parent] if scope.parent else {})
    return [by_graph[scope] for scope in every]


def withdraw(every: Sequence[Scope], types: Sequence[Known]) -> None:
    """Remove declared lengths of inner values that inference does not confirm; correct wrong ones.

    ONNX Runtime's optimizer replaces Shape operators by declared lengths, and rewritten models may
    have more Shape operators. Names that shape inference made up ("unk__3") go as well: the runtime
    makes up the same ones for new values, and takes lengths of one name for equal.

    Args:
        every: scopes of a model.
        types: the return value of `known_types` for them.
    """
    for scope, known in zip(every, types, strict=True):
        read = {name for node in scope.graph.node for name in node.input}
        for value in declared(scope.graph)[_inputs(scope) :]:
            if scope.parent is None and value.name in scope.outputs and value.name not in read:
                continue  # what the model promises to its user
            dims = value.type.tensor_type.shape.dim
            shape = known[value.name][1] or (None,) * len(dims)
            for dim, length in zip(dims, shape, strict=False):
                if length is None:
                    dim.ClearField("dim_value")
                elif dim.HasField("dim_value"):
                    dim.dim_value = length
                if dim.dim_param.startswith(_MADE_UP):
                    dim.ClearField("dim_param")


def contradiction(model: ModelProto) -> str | None:
    """The contradiction that strict shape inference reports for a model; None if there is none."""
    onnx = require("onnx", "onnx")
    try:
        onnx.shape_inference.infer_shapes(_bare(model), strict_mode=True, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
        return one_line(error)
    return None


def restate(every: Sequence[Scope], types: Sequence[Known]) -> None:
    """Declare the inferred shapes of inner values.

    Where inference has no result, the declaration is removed, except for outputs of the model that
    nothing in it reads.

    Args:
        every: scopes of a model.
        types: the return value of `known_types` for them.
    """
    for scope, known in zip(every, types, strict=True):
        for value in declared(scope.graph)[_inputs(scope) :]:
            shape, kind = known[value.name][1], value.type.tensor_type
            if shape is None or not kind.HasField("shape"):
                continue
            if len(kind.shape.dim) != len(shape):
                del kind.shape.dim[:]
                kind.shape.dim.extend(type(kind.shape).Dimension() for _ in shape)
            for dim, n in zip(kind.shape.dim, shape, strict=True):
                if n is not None:
                    dim.dim_value = n
    withdraw(every, types)


def declared(graph: Graph) -> list[ValueInfoProto]:
    """The typed values that a graph or function declares."""
    values = (*graph.input, *graph.output, *getattr(graph, "value_info", ()))
    return [value for value in values if not isinstance(value, str)]


def _has_fixed_inputs(model: ModelProto) -> bool:
    stored = {t.name for t in model.graph.initializer}
    shapes = [_type_of(value)[1] for value in model.graph.input if value.name not in stored]
    return all(shape is not None and None not in shape for shape in shapes)


def _type_of(value: ValueInfoProto) -> ValueType:
    """The declared (data type, shape) of a value."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return kind.elem_type, None
    return kind.elem_type, tuple(length(dim) for dim in kind.shape.dim)


def length(dim: TensorShapeProto.Dimension) -> int | None:
    """The declared length of a dimension; None if it is open."""
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None


def _inferred(model: ModelProto) -> ModelProto | None:
    """A copy with shapes inferred only from the inputs of the main graph, without large constants.

    None if inference fails: the model contradicts itself.
    """
    onnx = require("onnx", "onnx")
    try:
        return onnx.shape_inference.infer_shapes(_bare(model), data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return None


def _bare(model: ModelProto) -> ModelProto:
    """A copy that only declares the shapes of the main graph's inputs, without large constants."""
    copy = light(model)
    stand_in(copy)
    unknown = require("onnx", "onnx").helper.make_opsetid(UNKNOWN, 1)
    for holder in (copy, *copy.functions):
        holder.opset_import.append(unknown)
    for scope in scopes(copy):
        graph = scope.graph
        spell_out(scope)
        _forget(scope)
        if hasattr(graph, "sparse_initializer"):
            # Up to onnx 1.19, inference crashes on sparse filters.
            graph.ClearField("sparse_initializer")
        for tensor in tensors_of(graph):
            if tensor.external_data:
                for name in ("external_data", "data_location"):
                    tensor.ClearField(name)
    return copy


def _forget(scope: Scope) -> None:
    """Remove what may not hold: declared shapes, and defaults that a caller may replace."""
    for index in reversed(range(len(getattr(scope.graph, "initializer", ())))):
        if scope.graph.initializer[index].name in _defaults(scope):
            del scope.graph.initializer[index]
    constants = {tensor.name: tensor.dims for tensor in getattr(scope.graph, "initializer", ())}
    for value in declared(scope.graph)[_inputs(scope) :]:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
            # Up to onnx 1.23, inference overlooks the values of a constant that has no shape here.
            if value.name in constants:
                shape = value.type.tensor_type.shape
                shape.SetInParent()
                for n in constants[value.name]:
                    shape.dim.add(dim_value=n)


def _inputs(scope: Scope) -> int:
    """The number of declared values that are main graph inputs, whose shapes a runtime enforces."""
    return len(scope.graph.input) if scope.parent is None and not scope.function else 0


def _defaults(scope: Scope) -> frozenset[str]:
    """The initializers that are only defaults of inputs, which may have other shapes."""
    return scope.overridable & scope.inputs

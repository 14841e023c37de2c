"""What is known of the types and shapes in an ONNX model: what ONNX infers from its inputs, else what it declares."""

from collections import ChainMap

from ..extras import require
from .onnx_graph import scopes
from .onnx_parse import tensors_of

#: Constants of up to so many elements may be shapes, which inference reads; larger ones are left out for it.
_SMALL = 1024
_VALUES = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def known_types(model, found):
    """For each of the scopes `found` in `model`, ``name -> (data type, shape)``; open lengths are None."""
    by_graph = {}
    for scope, inferred in zip(found, scopes(_inferred(model)), strict=True):
        known = {}
        for graph in (scope.graph, inferred.graph):
            for value in declared(graph):
                kind = value.type.tensor_type
                if kind.HasField("shape"):
                    known[value.name] = kind.elem_type, tuple(_length(dim) for dim in kind.shape.dim)
        known |= {t.name: (t.data_type, tuple(t.dims)) for t in scope.initializers.values()}
        by_graph[scope] = ChainMap(known, by_graph[scope.parent] if scope.parent else {})
    return [by_graph[scope] for scope in found]


def declared(graph):
    """The typed values a graph or function lists."""
    values = (*graph.input, *graph.output, *getattr(graph, "value_info", ()))
    return [value for value in values if not isinstance(value, str)]


def _length(dim):
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None


def _inferred(model):
    """A copy without large constants, its shapes inferred from those of its inputs; none where inference gives up."""
    onnx = require("onnx", "onnx")
    copy = type(model)()
    copy.CopyFrom(model)
    for value in (*copy.graph.value_info, *copy.graph.output):
        value.type.tensor_type.ClearField(
            "shape"
        )  # claims that nothing enforces: who opens an input leaves them behind
    for scope in scopes(copy):
        if hasattr(scope.graph, "sparse_initializer"):
            scope.graph.ClearField("sparse_initializer")  # up to onnx 1.19 inference crashes where one is a filter
        for tensor in tensors_of(scope.graph):
            held = sum(len(getattr(tensor, name)) for name in _VALUES)
            if held > 8 * _SMALL or tensor.external_data:
                for name in (*_VALUES, "external_data", "data_location"):
                    tensor.ClearField(name)
    try:
        return onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return copy

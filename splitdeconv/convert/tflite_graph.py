"""Reading a TFLite model in memory: operators' names and ports, tensors' types, shapes, constants, who makes what."""

from functools import cache

import numpy as np

from .tflite_bounds import schema
from .tflite_check import builtin
from .tflite_flow import contents

_DTYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT64": "<i8",
    "INT32": "<i4",
    "INT16": "<i2",
    "INT8": "<i1",
    "UINT8": "<u1",
}


@cache
def names(enumeration) -> dict[int, str]:
    """Names of one of the schema's enumerations by number."""
    return {v: k for k, v in vars(getattr(schema(), enumeration)).items() if isinstance(v, int)}


def operator_name(model, operator) -> str:
    """The schema's name of an operator, or a custom operator's own."""
    code = model.operatorCodes[operator.opcodeIndex]
    name = names("BuiltinOperator").get(builtin(code), f"BUILTIN_{builtin(code)}")
    return (code.customCode or b"CUSTOM").decode(errors="replace") if name == "CUSTOM" else name


def type_name(tensor) -> str:
    """The schema's name of a tensor's type."""
    return names("TensorType").get(tensor.type, f"TYPE_{tensor.type}")


def ports(indices) -> list[int]:
    """Tensor indices of an operator's inputs or outputs as ints, none if the file left them out."""
    return [] if indices is None else [int(i) for i in indices]


def producers(graph) -> dict[int, object]:
    """The operator that makes each tensor."""
    return {tensor: operator for operator in graph.operators or () for tensor in ports(operator.outputs)}


def dimensions(tensor) -> list[int | None]:
    """A tensor's shape, None where it is known only at run time.

    Like the interpreter, this takes from the signature only which dimensions are open.
    """
    if tensor.shape is None:
        return []
    signature = tensor.shapeSignature
    signature = tensor.shape if signature is None or not len(signature) else signature
    return [None if n < 0 else int(size) for size, n in zip(tensor.shape, signature, strict=True)]


def constant(model, tensor) -> np.ndarray | None:
    """A constant's values, a view of the file; None if the tensor is no dense constant of a plain type."""
    data, dtype = contents(model, tensor), _DTYPES.get(type_name(tensor))
    if data is None or dtype is None or tensor.isVariable or tensor.sparsity is not None:
        return None
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    return np.asarray(data, np.uint8).view(dtype).reshape(shape)


def stored(model, graph, makers, index) -> int | None:
    """The constant that a tensor's values come from: itself, or what a DEQUANTIZE unpacks into it; None if neither."""
    if constant(model, graph.tensors[index]) is not None:
        return index
    maker = makers.get(index)
    if maker is None or operator_name(model, maker) != "DEQUANTIZE" or len(ports(maker.inputs)) != 1:
        return None
    (source,) = ports(maker.inputs)
    return source if source >= 0 and constant(model, graph.tensors[source]) is not None else None


def shape_values(model, graph, makers, index) -> list[int | None] | None:
    """What is known of the values of a shape vector: a constant's, or those that a PACK puts together."""
    values = constant(model, graph.tensors[index])
    if values is not None:
        return [int(v) for v in values.ravel()]
    maker = makers.get(index)
    if maker is None or operator_name(model, maker) != "PACK":
        return None
    parts = [constant(model, graph.tensors[i]) if i >= 0 else None for i in ports(maker.inputs)]
    return [None if part is None or part.size != 1 else int(part.ravel()[0]) for part in parts]


def scales(tensor) -> np.ndarray | None:
    """A quantized tensor's scales, one or one per channel; None if it has none."""
    quantization = tensor.quantization
    return None if quantization is None or quantization.scale is None else np.asarray(quantization.scale, np.float32)


def zero_points(tensor) -> np.ndarray:
    """A quantized tensor's zero points, as many as its scales; zero where the file leaves them out."""
    quantization = tensor.quantization
    if quantization is None or quantization.zeroPoint is None or not len(quantization.zeroPoint):
        return np.zeros(1, np.int64)
    return np.asarray(quantization.zeroPoint, np.int64)

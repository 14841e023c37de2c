"""Read a TFLite model in memory: operator names and ports, tensor types, shapes and constants."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .flatbuffer.bounds import schema
from .flatbuffer.check import builtin
from .flow import contents

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from .flatbuffer.objects import ModelT, OperatorT, SubGraphT, TensorT

_DTYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT64": "<i8",
    "INT32": "<i4",
    "INT16": "<i2",
    "INT8": "<i1",
    "UINT8": "<u1",
}


#: The shape of a tensor, None where a dimension is known only at run time.
Dimensions: TypeAlias = list[int | None]


@cache
def names(enumeration: str) -> dict[int, str]:
    """The names of one of the schema's enumerations, by number."""
    return {v: k for k, v in vars(getattr(schema(), enumeration)).items() if isinstance(v, int)}


def operator_name(model: ModelT, operator: OperatorT) -> str:
    """The schema's name of an operator, or the name of a custom operator."""
    code = model.operatorCodes[operator.opcodeIndex]
    name = names("BuiltinOperator").get(builtin(code), f"BUILTIN_{builtin(code)}")
    return (code.customCode or b"CUSTOM").decode(errors="replace") if name == "CUSTOM" else name


def type_name(tensor: TensorT) -> str:
    """The schema's name of a tensor's type."""
    return names("TensorType").get(tensor.type, f"TYPE_{tensor.type}")


def ports(indices: Iterable[int] | None) -> list[int]:
    """The tensor indices of an operator's inputs or outputs as ints; empty if omitted."""
    return [] if indices is None else [int(i) for i in indices]


def producers(graph: SubGraphT) -> dict[int, OperatorT]:
    """The operator that makes each tensor."""
    return {
        tensor: operator for operator in graph.operators or () for tensor in ports(operator.outputs)
    }


def dimensions(tensor: TensorT) -> Dimensions:
    """The shape of a tensor, None where a dimension is known only at run time.

    Like the interpreter, this only reads from the signature which dimensions are open.
    """
    if tensor.shape is None:
        return []
    signature = tensor.shapeSignature
    signature = tensor.shape if signature is None or not len(signature) else signature
    return [None if n < 0 else int(size) for size, n in zip(tensor.shape, signature, strict=True)]


def stored_values(model: ModelT, tensor: TensorT) -> NumpyArray:
    """The values of a tensor that is already known to be a constant of a plain type."""
    values = constant(model, tensor)
    assert values is not None
    return values


def constant(model: ModelT, tensor: TensorT) -> NumpyArray | None:
    """The values of a constant, as a view of the file; None unless dense and of a plain type."""
    data, dtype = contents(model, tensor), _DTYPES.get(type_name(tensor))
    if data is None or dtype is None or tensor.isVariable or tensor.sparsity is not None:
        return None
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    return np.asarray(data, np.uint8).view(dtype).reshape(shape)

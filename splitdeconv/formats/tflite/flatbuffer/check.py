"""Check that a TFLite model is consistent: indices in range, possible sizes, constants that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..flow import check_flow, contents
from .bounds import damaged

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from .objects import ModelT, OperatorCodeT, OperatorT, SubGraphT, TensorT

# TFLite kernels count elements in an int (RuntimeShape::FlatSize).
_MOST_ELEMENTS = 2**31
# Bytes per element by TensorType; strings, resources, variants and packed types have no such
# number.
BYTES = {
    0: 4,
    1: 2,
    2: 4,
    3: 1,
    4: 8,
    6: 1,
    7: 2,
    8: 8,
    9: 1,
    10: 8,
    11: 16,
    12: 8,
    15: 4,
    16: 2,
    18: 2,
}


def check(model: ModelT, where: str) -> None:
    """Reject an inconsistent model. Only the file has been read; nothing has been executed.

    Raises:
        SplitDeconvError: names the inconsistent part.
    """
    if model.version != 3:
        # The interpreter accepts no other version (TFLITE_SCHEMA_VERSION).
        raise damaged(where, f"schema version {model.version}, not 3")
    for field in ("operatorCodes", "subgraphs", "buffers"):
        if getattr(model, field) is None:
            raise damaged(where, f"no {field}")
    if not model.subgraphs:
        raise damaged(where, "no subgraph")
    for number, code in enumerate(model.operatorCodes):
        if code.version < 1 or builtin(code) < 0:
            raise damaged(
                where, f"operator code {number}: kind {builtin(code)}, version {code.version}"
            )
    for number, graph in enumerate(model.subgraphs):
        _check_graph(model, graph, where, f"subgraph {number}")
    of_metadata = [entry.buffer for entry in model.metadata or ()]
    if model.metadataBuffer is not None:
        # An older field for the same purpose.
        of_metadata += np.asarray(model.metadataBuffer).tolist()
    for buffer in of_metadata:
        _check_index(buffer, model.buffers, where, "metadata", "buffer")
    for signature in model.signatureDefs or ():
        _check_index(signature.subgraphIndex, model.subgraphs, where, "a signature", "subgraph")
        tensors = model.subgraphs[signature.subgraphIndex].tensors or ()
        for entry in (*(signature.inputs or ()), *(signature.outputs or ())):
            _check_index(entry.tensorIndex, tensors, where, "a signature", "tensor")
    for number in range(len(model.subgraphs)):
        check_flow(model, number, where)


def builtin(code: OperatorCodeT) -> int:
    """The builtin operator of an operator code; numbers above 127 are in a second field."""
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _check_graph(model: ModelT, graph: SubGraphT, where: str, name: str) -> None:
    tensors = graph.tensors or ()
    for number, tensor in enumerate(tensors):
        _check_tensor(model, tensor, where, f"{name}, tensor {number}")
    for ports in (graph.inputs, graph.outputs):
        _check_indices(ports, tensors, where, name)
    for number, operator in enumerate(graph.operators or ()):
        here = f"{name}, operator {number}"
        _check_index(operator.opcodeIndex, model.operatorCodes, where, here, "operator code")
        for ports in (operator.inputs, operator.intermediates):
            # -1 denotes an omitted optional input.
            _check_indices(ports, tensors, where, here, least=-1)
        _check_indices(operator.outputs, tensors, where, here)
        for other in called(operator):
            _check_index(other, model.subgraphs, where, here, "subgraph")


def called(operator: OperatorT) -> Iterator[int]:
    """The subgraphs that an operator's options refer to, such as the branches of an IF."""
    for options in (operator.builtinOptions, operator.builtinOptions2):
        for field, value in () if options is None else vars(options).items():
            if field.lower().endswith("subgraphindices"):
                yield from () if value is None else np.asarray(value).tolist()
            elif field.lower().endswith(("subgraphindex", "subgraph")):
                yield int(value)


def _check_tensor(model: ModelT, tensor: TensorT, where: str, name: str) -> None:
    _check_index(tensor.buffer, model.buffers, where, name, "buffer")
    shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
    count = prod(shape)
    if min(shape, default=0) < 0 or count >= _MOST_ELEMENTS:
        raise damaged(where, f"{name}: shape {shape}")
    signature = tensor.shapeSignature
    if (
        signature is not None
        and len(signature)
        and (len(signature) != len(shape) or min(signature) < -1)
    ):
        raise damaged(
            where, f"{name}: shape {shape} with the signature {list(map(int, signature))}"
        )
    data, size = contents(model, tensor), BYTES.get(tensor.type)
    if data is not None and size and tensor.sparsity is None and len(data) != count * size:
        # The interpreter rejects such a constant as well.
        raise damaged(where, f"{name}: {len(data)} bytes for shape {shape} of {size} bytes each")


def _check_indices(
    ports: NumpyArray | None, parts: Sized, where: str, name: str, least: int = 0
) -> None:
    if ports is not None and len(ports):
        ports = np.asarray(ports)
        if ports.min() < least or ports.max() >= len(parts):
            raise damaged(where, f"{name}: tensors {ports.tolist()} of {len(parts)}")


def _check_index(index: int, parts: Sized, where: str, name: str, kind: str) -> None:
    if not 0 <= index < len(parts):
        raise damaged(where, f"{name}: {kind} {index} of {len(parts)}")

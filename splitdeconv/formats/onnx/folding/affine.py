"""Operators that compute a*y + b per output channel with constants a and b."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..graph import DEFAULT_DOMAINS, trace

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from ....core.typing import NumpyArray
    from ..graph import Read, Scope
    from ..sites import Found

    #: The factor and the term per output channel, in float64.
    Affine: TypeAlias = tuple[NumpyArray, NumpyArray]

#: Types that may be folded, by their number in ONNX.
TYPES: dict[int, type[np.floating]] = {1: np.float32, 10: np.float16, 11: np.float64}
_OPERATIONS = ("Add", "Sub", "Mul", "Div")
#: The default of BatchNormalization, an attribute in single precision.
_EPSILON = float(np.float32(1e-5))


def affine(node: NodeProto, name: str, this: Found, read: Read) -> Affine | None:
    """The factor and the term that a node applies to a value; None if it does something else.

    Args:
        node: the node.
        name: the value, which has the shape of the result of the site.
        this: the `Found`.
        read: ``tensor -> array`` for constants.
    """
    written = [output for output in node.output if output]
    if node.domain not in DEFAULT_DOMAINS or len(written) != 1:
        return None
    if any(attribute.ref_attr_name for attribute in node.attribute):
        return None
    parts = None
    if node.op_type == "BatchNormalization":
        parts = _normalization(node, name, this, read)
    elif node.op_type in _OPERATIONS and len(node.input) == 2:
        parts = _operation(node, name, this, read)
    return parts if parts and all(np.isfinite(part).all() for part in parts) else None


def _normalization(node: NodeProto, name: str, this: Found, read: Read) -> Affine | None:
    """As `affine`, for a BatchNormalization; None if it normalizes by the batch itself."""
    attributes = {a.name: a for a in node.attribute}
    training = "training_mode" in attributes and attributes["training_mode"].i
    per_element = "spatial" in attributes and not attributes["spatial"].i
    if training or per_element or len(node.input) != 5 or node.input[0] != name:
        return None
    values = []
    for each in node.input[1:]:
        tensor = _constant(this.scope, each)
        if tensor is None or tensor.data_type not in TYPES:
            return None
        if list(tensor.dims) != [this.out_channels]:
            return None
        values.append(read(tensor).astype(np.float64))
    gamma, beta, mean, variance = values
    epsilon = attributes["epsilon"].f if "epsilon" in attributes else _EPSILON
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = gamma / np.sqrt(variance + epsilon)
        return scale, beta - mean * scale


def _operation(node: NodeProto, name: str, this: Found, read: Read) -> Affine | None:
    """As `affine`, for the four basic operations with one constant."""
    left = node.input[0] == name
    tensor = _constant(this.scope, node.input[1] if left else node.input[0])
    if tensor is None or tensor.data_type != this.computes:
        return None
    value = _per_channel(tensor, this, read)
    if value is None:
        return None
    ones, zeros = np.ones(this.out_channels), np.zeros(this.out_channels)
    match node.op_type:
        case "Add":
            return ones, value
        case "Sub":
            return (ones, -value) if left else (-ones, value)
        case "Mul":
            return value, zeros
    with np.errstate(divide="ignore"):
        return (1 / value, zeros) if left else None


def _per_channel(tensor: TensorProto, this: Found, read: Read) -> NumpyArray | None:
    """A constant as one number per output channel; None if it varies along another axis.

    ONNX aligns shapes at the last axis. A constant with more axes than the value, or longer than
    its channels, would change the shape.
    """
    rank = len(this.shape)
    dims = [1] * (rank - len(tensor.dims)) + list(tensor.dims)
    others = [length for axis, length in enumerate(dims) if axis != 1]
    if len(dims) > rank or dims[1] not in (1, this.out_channels) or set(others) != {1}:
        return None
    return np.broadcast_to(read(tensor).astype(np.float64).reshape(-1), (this.out_channels,))


def _constant(scope: Scope, name: str) -> TensorProto | None:
    """The tensor of a constant, also behind Identity; None for anything else."""
    source = trace(scope, name) if name else None
    if source is None or any(node.op_type != "Identity" for node in source.chain):
        return None
    return source.tensor

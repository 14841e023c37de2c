"""Quantized filters that are only known at run time, cut before they are dequantized.

ONNX Runtime moves a DequantizeLinear past the Transpose, Gather or Reshape that follows it, and
adds a pair of quantizers behind them. Without a zero point it makes these unsigned although the
numbers are signed (1.32.0): it computes with wrong filters or, from operator set 21 on, does not
load the file. Nothing is therefore emitted between DequantizeLinear and Conv where one scale
applies to all filters.

A single convolution may then be computed in integers, for which signed filters are made unsigned;
see `follow`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...lowering.weights import cut_in_graph
from ..follow import INT8, SHIFT, UINT8
from ..graph import DEFAULT_DOMAINS
from ..shapes.types import declared

if TYPE_CHECKING:
    from onnx import NodeProto

    from ....core.plan import SplitPlan
    from ..graph import Read, Scope
    from ..sites import Found
    from .emit import GraphOps

_BYTES, _INT32 = (INT8, UINT8), 6
#: The first operator set whose Pad accepts bytes.
_PADS_BYTES = 13


def cut_at_run_time(ops: GraphOps, this: Found, plan: SplitPlan, read: Read) -> list[str | None]:
    """The filters of each of ``plan.convolutions``, cut by nodes of the graph.

    Args:
        ops: a `GraphOps`.
        this: the `Found`, whose filters are not constant.
        plan: the plan.
        read: ``tensor -> array`` for constants.
    """
    filters = this.node.input[1]
    node = _dequantizer(this.scope, filters)
    kind = 0 if node is None else _type_of(this.scope, node.input[0])
    fits = kind in _BYTES and ops.opset >= _PADS_BYTES
    if node is None or not fits or not _has_one_scale(node, this.scope):
        return cut_in_graph(ops, plan, filters, this.shape)
    scale, *zeros = node.input[1:]
    stored = [read(this.scope.stored(name)) for name in zeros if name]
    zero = stored[0].reshape(()) if stored and stored[0].any() else None
    parts = cut_in_graph(ops, plan, node.input[0], this.shape, zero)
    if len(parts) == 1 and kind == INT8:
        parts = [None if part is None else _unsigned(ops, part) for part in parts]
        moved = np.array(SHIFT + (0 if zero is None else int(zero)), np.uint8)
        zeros = [ops.constant(moved, "unsigned_zero")]
    return [None if part is None else ops.repeat(node, [part, scale, *zeros]) for part in parts]


def _unsigned(ops: GraphOps, value: str) -> str:
    """Signed bytes plus 128, as unsigned ones."""
    wide = ops.emit("Cast", [value], to=_INT32)
    moved = ops.emit("Add", [wide, ops.constant(np.array(SHIFT, np.int32), "shift")])
    return ops.emit("Cast", [moved], to=UINT8)


def _dequantizer(scope: Scope, name: str) -> NodeProto | None:
    """The DequantizeLinear that computes a value, except for Identity; None for another node."""
    node = scope.producer(name)
    while node is not None and (node.op_type, node.domain) == ("Identity", ""):
        home = scope.home(name)
        if home is None:
            return None
        scope, name = home, node.input[0]
        node = scope.producer(name)
    if node is None or node.op_type != "DequantizeLinear" or node.domain not in DEFAULT_DOMAINS:
        return None
    return node


def _has_one_scale(node: NodeProto, scope: Scope) -> bool:
    """Whether scale and zero point are constants for all filters."""
    tensors = [scope.constant(name) for name in node.input[1:] if name]
    return all(t is not None and list(t.dims) in ([], [1]) for t in tensors)


def _type_of(scope: Scope, name: str) -> int:
    """Data type of an input or an initializer that may be overridden; 0 if unknown."""
    home = scope.home(name)
    if home is None:
        return 0
    if name in home.initializers:
        return home.initializers[name].data_type
    values = (value for value in declared(home.graph) if value.name == name)
    return next((value.type.tensor_type.elem_type for value in values), 0)

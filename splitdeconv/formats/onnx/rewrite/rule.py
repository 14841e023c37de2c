"""The same rewrite as a rule for onnxscript's rewriter, to be combined with other rules.

>>> from onnxscript.rewriter import rewrite
>>> model = rewrite(model, [split_conv_transpose_rule(form="split")])  # doctest: +SKIP

Constant filters are cut in NumPy, others in the graph. Scales of quantized filters stay before the
cut. To cut them as well, and for everything else that whole files need, use `splitdeconv.convert`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ....core.forms import FILE_FORMS, INTERLEAVES, check_depth_to_space
from ....core.plan import SplitPlan, auto_form
from ....errors import SplitDeconvError, check_choice
from ....extras import require
from ...lowering.lower import lower
from ...lowering.weights import cut, cut_in_graph, stack, stack_in_graph
from ..ops import Ops
from ..shapes.geometry import geometry
from ..sites import in_words

if TYPE_CHECKING:
    from onnx_ir import Node, Value
    from onnxscript.rewriter import MatchResult, RewriteRule

    from ....core.typing import NumpyArray
    from ...input_shapes import Shape


def split_conv_transpose_rule(form: str = "auto", interleave: str = "concat") -> RewriteRule:
    """A rewrite rule that replaces every convertible ConvTranspose by stride-1 convolutions.

    It sees one node at a time. Another rule that needs the ConvTranspose (to fuse a
    BatchNormalization into it, for example) must therefore be applied first. Nodes that cannot be
    converted are left unchanged; onnxscript's tracer reports the reason.

    Args:
        form: "auto", "split", "rows" or "stacked"; see `splitdeconv.plan`.
        interleave: "concat", "depth_to_space" (nodes that do not allow it are left) or "transpose".

    Returns:
        An ``onnxscript.rewriter.RewriteRule``.

    Raises:
        SplitDeconvError: an unknown form or interleave, or onnxscript is missing.
    """
    check_choice(form, ("auto", *FILE_FORMS), "form")
    check_choice(interleave, INTERLEAVES, "interleave")
    ir, pattern = require("onnx_ir", "onnx"), require("onnxscript.rewriter.pattern", "onnx")

    def find(op: Any, x: Value, w: Value) -> Value:
        return op.ConvTranspose(
            x, w, _allow_other_inputs=True, _allow_other_attributes=True, _outputs=["y"]
        )

    def check(context: Any, x: Value, w: Value, y: Value) -> MatchResult | bool:
        try:
            _plan(ir, _node(y), _opset(context), form, interleave)
        except SplitDeconvError as error:
            return pattern.MatchResult().fail(in_words(error), y)
        opsets[_node(y)] = _opset(context)
        return True

    def replace(op: Any, x: Value, w: Value, y: Value) -> Value:
        node = _node(y)
        opset = opsets.pop(node)
        plan, shape = _plan(ir, node, opset, form, interleave)
        batch = _shape(node.inputs[0])
        return _lower(
            TapeOps(op, ir, opset, not batch or batch[0] is None), plan, interleave, node, shape
        )

    opsets: dict[Node, int] = {}
    return pattern.RewriteRule(
        find, replace, check, name=f"SplitConvTranspose({form}, {interleave})"
    )


class TapeOps(Ops["Value"]):
    """Emits onto the tape of a rewrite rule; constants become nodes, which functions allow too.

    Args:
        tape: the object that onnxscript passes to a replacement function.
        ir: the module onnx_ir.
        opset: version of the default operator set.
        may_be_empty: as for `Ops`.
    """

    def __init__(self, tape: Any, ir: ModuleType, opset: int, may_be_empty: bool = True) -> None:
        super().__init__(opset, may_be_empty)
        self._tape, self._ir = tape, ir
        self._constants: dict[tuple[Hashable, ...], Value] = {}

    def emit(
        self,
        kind: str,
        inputs: Sequence[Value],
        *,
        outputs: int = 1,
        domain: str = "",
        **attributes: Any,
    ) -> Any:
        """Add a node; see `Ops.emit`."""
        result = getattr(self._tape, kind)(*inputs, _outputs=outputs, _domain=domain, **attributes)
        return result if outputs == 1 else list(result)

    def constant(self, array: NumpyArray, hint: str = "constant") -> Value:
        """A Constant node, shared by equal arrays; see `Ops.constant`."""
        array = np.ascontiguousarray(array)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._tape.Constant(value=self._ir.tensor(array))
        return self._constants[key]


def _opset(context: Any) -> int:
    """The version of the default operator set at the match; subgraphs use the model's."""
    for holder in (context.graph_or_function, context.model):
        for domain in ("", "ai.onnx"):
            if domain in holder.opset_imports:
                return holder.opset_imports[domain]
    return 0


def _plan(
    ir: ModuleType, node: Node, opset: int, form: str, interleave: str
) -> tuple[SplitPlan, tuple[int, ...]]:
    """The plan for a node and the shape of its filters."""
    x, w, bias = _inputs(node)
    declared = _shape(w)
    filters = tuple(length for length in declared or () if length)
    if declared is None or len(declared) < 3 or len(filters) < len(declared):
        raise SplitDeconvError(
            "the shape of the filters is unknown",
            where=node.name,
            expected="known lengths",
            got="unknown" if declared is None else str(declared),
        )
    if x.dtype is None and w.dtype is None:
        raise SplitDeconvError(
            "the type it computes in is unknown",
            where=node.name,
            expected="a typed input",
            got="none",
        )
    axes, groups = geometry(ir.serde.serialize_node(node), opset, _shape(x), filters, _shape(bias))
    if interleave == "depth_to_space":
        check_depth_to_space([axis.s for axis in axes], node.name or node.op_type)
    form = auto_form(axes, filters[1] * groups, groups) if form == "auto" else form
    return SplitPlan(axes, groups, form), filters


def _lower(
    ops: TapeOps, plan: SplitPlan, interleave: str, node: Node, shape: tuple[int, ...]
) -> Value:
    """The value that replaces the output of the node."""
    x, w, bias = _inputs(node)
    channels = shape[1] * plan.groups
    stored = _constant(w)
    if stored is None:
        filters = cut_in_graph(ops, plan, w, shape)
    else:
        filters = [part if part is None else ops.constant(part) for part in cut(plan, stored)]

    stacked = None if bias is None else partial(_stacked, ops, plan, bias, channels)
    kind = w.dtype or x.dtype
    assert kind is not None, "a plan needs a type"
    return lower(ops, plan, interleave, x, filters, stacked, channels, kind.numpy())


def _stacked(ops: TapeOps, plan: SplitPlan, bias: Value, channels: int, phases: int) -> Value:
    """The bias of this number of stacked phases."""
    values = _constant(bias)
    if phases == 1:
        return bias
    if values is None:
        return stack_in_graph(ops, bias, plan.groups, phases, channels)
    return ops.constant(stack(values, plan.groups, phases))


def _node(value: Value) -> Node:
    """The node that computes a value."""
    node = value.producer()
    assert node is not None, "the pattern ends in a node"
    return node


def _inputs(node: Node) -> tuple[Value, Value, Value | None]:
    """The input, the filters and the bias of a node that matched."""
    x, w, bias = (*node.inputs, None)[:3]
    assert x is not None, "the pattern has an input"
    assert w is not None, "the pattern has filters"
    return x, w, bias


def _shape(value: Value | None) -> Shape | None:
    """Lengths of a value, None where open; None if its shape is unknown or there is no value."""
    if value is None or value.shape is None:
        return None
    return tuple(length if isinstance(length, int) else None for length in value.shape)


def _constant(value: Value | None) -> NumpyArray | None:
    """The array of a value that cannot be overridden, or None."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()

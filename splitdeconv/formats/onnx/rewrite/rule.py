"""The same rewrite as a rule for onnxscript's rewriter, to be combined with other rules.

>>> from onnxscript.rewriter import rewrite
>>> model = rewrite(model, [split_conv_transpose_rule(form="split")])  # doctest: +SKIP

Constant filters are cut in NumPy, others in the graph. Scales of quantized filters stay before the
cut. To cut them as well, and for everything else that whole files need, use `splitdeconv.convert`.
"""

import numpy as np

from ....core.forms import FILE_FORMS, INTERLEAVES, check_depth_to_space
from ....core.plan import SplitPlan, auto_form
from ....errors import SplitDeconvError, check_choice
from ....extras import require
from ..ops import Ops
from ..sites import geometry, in_words
from ..weights import cut, cut_in_graph, stack, stack_in_graph
from .lower import lower


def split_conv_transpose_rule(form="auto", interleave="concat"):
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

    def find(op, x, w):
        return op.ConvTranspose(
            x, w, _allow_other_inputs=True, _allow_other_attributes=True, _outputs=["y"]
        )

    def check(context, x, w, y):
        try:
            _plan(ir, y.producer(), _opset(context), form, interleave)
        except SplitDeconvError as error:
            return pattern.MatchResult().fail(in_words(error), y)
        found[y.producer()] = _opset(context)
        return True

    def replace(op, x, w, y):
        node = y.producer()
        opset = found.pop(node)
        plan, shape = _plan(ir, node, opset, form, interleave)
        batch = _shape(node.inputs[0])
        return _lower(
            TapeOps(op, ir, opset, not batch or batch[0] is None), plan, interleave, node, shape
        )

    found = {}
    return pattern.RewriteRule(
        find, replace, check, name=f"SplitConvTranspose({form}, {interleave})"
    )


class TapeOps(Ops):
    """Emits onto the tape of a rewrite rule; constants become nodes, which functions allow too.

    Args:
        tape: the object that onnxscript passes to a replacement function.
        ir: the module onnx_ir.
        opset: version of the default operator set.
        may_be_empty: as for `Ops`.
    """

    def __init__(self, tape, ir, opset, may_be_empty=True):
        super().__init__(opset, may_be_empty)
        self._tape, self._ir, self._constants = tape, ir, {}

    def emit(self, kind, inputs, *, outputs=1, domain="", **attributes):
        """Add a node; see `Ops.emit`."""
        result = getattr(self._tape, kind)(*inputs, _outputs=outputs, _domain=domain, **attributes)
        return result if outputs == 1 else list(result)

    def constant(self, array, hint="constant"):
        """A Constant node, shared by equal arrays; see `Ops.constant`."""
        array = np.ascontiguousarray(array)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._tape.Constant(value=self._ir.tensor(array))
        return self._constants[key]


def _opset(context):
    """The version of the default operator set at the match; subgraphs use the model's."""
    for holder in (context.graph_or_function, context.model):
        for domain in ("", "ai.onnx"):
            if domain in holder.opset_imports:
                return holder.opset_imports[domain]
    return 0


def _plan(ir, node, opset, form, interleave):
    """The plan for a node and the shape of its filters."""
    shapes = [_shape(value) for value in (*node.inputs, None)[:3]]
    filters = shapes[1]
    if filters is None or None in filters or len(filters) < 3 or not all(filters):
        raise SplitDeconvError(
            "the shape of its filters is unknown",
            where=node.name,
            expected="known lengths",
            got=str(filters),
        )
    if node.inputs[0].dtype is None and node.inputs[1].dtype is None:
        raise SplitDeconvError(
            "the type it computes in is unknown",
            where=node.name,
            expected="a typed input",
            got="none",
        )
    axes, groups = geometry(ir.serde.serialize_node(node), opset, shapes[0], filters, shapes[2])
    if interleave == "depth_to_space":
        check_depth_to_space([axis.s for axis in axes], node.name)
    form = auto_form(axes, filters[1] * groups, groups) if form == "auto" else form
    return SplitPlan(axes, groups, form), filters


def _lower(ops, plan, interleave, node, shape):
    """The value that replaces the output of the node."""
    x, w, *rest = node.inputs
    bias = rest[0] if rest else None
    channels = shape[1] * plan.groups
    stored = _constant(w)
    if stored is None:
        filters = cut_in_graph(ops, plan, w, shape)
    else:
        filters = [part if part is None else ops.constant(part) for part in cut(plan, stored)]

    def stacked(phases):
        values = _constant(bias)
        if phases == 1:
            return bias
        if values is None:
            return stack_in_graph(ops, bias, plan.groups, phases, channels)
        return ops.constant(stack(values, plan.groups, phases))

    dtype = (w.dtype or x.dtype).numpy()
    return lower(
        ops, plan, interleave, x, filters, stacked if bias is not None else None, channels, dtype
    )


def _shape(value):
    """Lengths of a value, None where open; None if its shape is unknown or there is no value."""
    if value is None or value.shape is None:
        return None
    return tuple(length if isinstance(length, int) else None for length in value.shape)


def _constant(value):
    """The array of a value that cannot be overridden, or None."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()

"""Replace ConvTranspose nodes by the output of `lower`, and remove what is then unused."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....core.plan import SplitPlan
from ....errors import SplitDeconvError
from ....extras import require
from ...lowering.lower import lower
from ...lowering.weights import stack_in_graph
from ..folding.tail import folded_parts
from ..follow import INT8, UINT8, Follower, dequantized_type, may_saturate
from ..graph import drop, sweep, uses
from ..shapes.types import declared
from ..tensors import array
from .emit import GraphOps, Names
from .integers import cut_at_run_time

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

    from ....core.typing import NumpyArray
    from ..folding.tail import Tail
    from ..graph import Read, Scope
    from ..sites import Found

#: Filters with up to this many numbers may be extended as far as a form requires.
MOST_FILTERS = 2**26


class Change(NamedTuple):
    """What to do with one site: the `Found`, a plan, an interleave, and whether to fold."""

    this: Found
    plan: SplitPlan
    interleave: str
    fold: bool = False


def rewrite(
    model: ModelProto,
    every: Sequence[Scope],
    chosen: Iterable[Change],
    folder: str | Path | None,
) -> None:
    """Rewrite some sites of a model in place.

    Args:
        model: the ModelProto.
        every: its scopes, in which the sites were found.
        chosen: the changes.
        folder: where external data is.

    Raises:
        SplitDeconvError: an interleave is not possible, or external data cannot be read.
    """
    names, count = Names(model), uses(every)
    constants: dict[tuple[Hashable, ...], str] = {}
    replaced: dict[Scope, dict[str, list[NodeProto]]] = {scope: {} for scope in every}
    unused: set[str] = set()
    for this, plan, interleave, fold in chosen:
        ops = GraphOps(this.scope, names, this.name, constants, model.ir_version, not this.batch)
        tail = this.tail if fold else None
        y = _emit(ops, this, plan, interleave, folder, count, tail)
        gone = [node.output[0] for node in (this.node, *(tail.every if tail else ()))]
        # In the last one's place, everything that the new nodes read has been computed.
        replaced[this.scope] |= {name: [] for name in gone}
        replaced[this.scope][gone[-1]] = ops.finish(y, gone[-1])
        drop(getattr(this.scope.graph, "value_info", []), gone[:-1], "name")
        unused |= _feeding(this) | (tail.feeding(this.scope) if tail else set())
        _declare(this, gone[-1])
    # Inner graphs first: inserting a node copies the graphs in it.
    for scope in reversed(every):
        if replaced[scope] or scope.prelude:
            old = len(scope.graph.node)
            kept = (
                replaced[scope].get(node.output[0], [node]) if node.output else [node]
                for node in scope.graph.node
            )
            scope.graph.node.extend([*scope.prelude, *(node for nodes in kept for node in nodes)])
            del scope.graph.node[:old]
    sweep(model, unused)


def _emit(
    ops: GraphOps,
    this: Found,
    plan: SplitPlan,
    interleave: str,
    folder: str | Path | None,
    count: Mapping[str, int],
    tail: Tail | None,
) -> str:
    """The nodes for one site and its tail; returns the value that replaces their output."""
    onnx = require("onnx", "onnx")
    groups, rank = plan.groups, len(this.shape)
    channels = this.shape[1] * groups
    _check_growth(this, plan)

    def read(tensor: TensorProto) -> NumpyArray:
        return array(tensor, folder)

    @cache
    def bias(phases: int) -> str:
        if phases == 1:
            return this.node.input[2]
        if this.bias is None:
            return stack_in_graph(ops, this.node.input[2], groups, phases, channels)
        return Follower(ops, this.bias, read, groups, 1).bias(phases)

    quantized = True
    biased: Callable[[int], str] | None = None
    if len(this.node.input) > 2 and this.node.input[2]:
        biased = bias
    if tail is not None and tail.nodes:
        filters, biased = folded_parts(ops, plan, this, tail, read)
    elif this.weights is None:
        filters = cut_at_run_time(ops, this, plan, read)
    else:
        reads = dequantized_type(this.scope, this.node.input[0])
        risky = reads in (INT8, UINT8) and may_saturate(this.weights, this.scope, read)
        # Several signed convolutions are not quantized one by one, so none is computed in integers.
        unsigned = risky and (reads == UINT8 or len(plan.convolutions) == 1)
        quantized = not risky or reads == UINT8
        filters = Follower(ops, this.weights, read, groups, rank, unsigned).filters(plan)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(this.computes)
    quantize = _quantizer(ops, this, plan, count, read) if quantized else None
    quantize = quantize or _barrier(ops, this, plan, dtype)
    x = this.node.input[0]
    return lower(
        ops,
        plan,
        interleave,
        x,
        filters,
        biased,
        channels,
        dtype,
        quantize=quantize,
        requantize=_requantizer(ops, this),
        activate=_activation(ops, tail),
    )


def _activation(ops: GraphOps, tail: Tail | None) -> Callable[[str], str] | None:
    """A function that applies the activation of a tail; None if it has none."""
    node = None if tail is None else tail.activation
    return None if node is None else lambda value: ops.repeat(node, [value, *node.input[1:]])


def _check_growth(this: Found, plan: SplitPlan) -> None:
    """Reject forms that would extend the filters excessively, as a large dilation could."""
    before = prod(this.shape)
    after = sum(prod(c.kernel_size) * len(c.phases) for c in plan.convolutions) * prod(
        this.shape[:2]
    )
    if after > max(4 * before, MOST_FILTERS):
        raise SplitDeconvError(
            f"the form {plan.form} would extend the filters by too many zeros",
            where=this.name,
            expected=f"up to {max(4 * before, MOST_FILTERS)} numbers",
            got=f"{after}, from {before}",
            fix="choose the form split, which adds none",
        )


def _quantizer(
    ops: GraphOps, this: Found, plan: SplitPlan, count: Mapping[str, int], read: Read
) -> Callable[[str], str] | None:
    """A function that rounds the result of each convolution like the QuantizeLinear after them.

    None if there is no such QuantizeLinear. This is only done if input, filters and bias are also
    quantized, so that a runtime can compute the convolution in integers (ONNX Runtime would round a
    floating-point bias to do so). It is not done if the zero points of the filters differ, which
    ONNX Runtime would try to compute in integers, and up to 1.20 fails to run.
    """
    scope, output = this.scope, this.node.output[0]
    reader = next(
        (n for n in scope.graph.node if n.op_type == "QuantizeLinear" and output in n.input[:1]),
        None,
    )
    inner = this.weights.chain[0] if this.weights and this.weights.chain else None
    before = scope.producer(this.node.input[0])
    if reader is None or inner is None or count[output] > 1 or output in scope.outputs:
        return None
    sources = [inner, before]
    if len(this.node.input) > 2 and this.node.input[2]:
        sources.append(scope.producer(this.node.input[2]))
    if any(node is None or node.op_type != "DequantizeLinear" for node in sources):
        return None
    named = [scope.constant(name) for name in reader.input[1:] if name]
    scales = [scale for scale in named if scale is not None and list(scale.dims) in ([], [1])]
    if len(scales) < len(named):
        return None
    zeros = [read(scope.stored(name)) for name in inner.input[2:] if name]
    if (
        any(np.ptp(zero.astype(int)) for zero in zeros)
        or len(plan.convolutions) + max(plan.phase_counts) == 2
    ):
        return None
    if scales[0].data_type != this.computes:  # the inverse would give another type
        return None

    # A Constant node may be located between here and the reader, too late for the new nodes.
    produced = {name for name in reader.input[1:] if name in scope.producers}
    parameters = [
        ops.constant(read(scope.stored(name)), name=f"{name}_again") if name in produced else name
        for name in reader.input[1:]
    ]

    def quantize(value: str) -> str:
        steps = ops.repeat(reader, [value, *parameters])
        return ops.emit("DequantizeLinear", [steps, *parameters], domain=reader.domain)

    return quantize


def _barrier(
    ops: GraphOps, this: Found, plan: SplitPlan, dtype: np.dtype[Any]
) -> Callable[[str], str] | None:
    """A function that keeps a runtime from computing a convolution of float filters in integers.

    ONNX Runtime quantizes the float filters of a Conv between a DequantizeLinear and a
    QuantizeLinear by itself, to signed bytes, for which the sums may saturate (see `follow`). It
    computes a ConvTranspose in floats. It moves the QuantizeLinear over the operators that
    interleave a single convolution; between several there is one that stops it.
    """
    scope, name = this.scope, this.node.input[1]
    filters = this.weights.chain[0] if this.weights and this.weights.chain else scope.producer(name)
    reads = dequantized_type(scope, this.node.input[0])
    if not reads or len(plan.convolutions) > 1:
        return None
    if filters is not None and filters.op_type == "DequantizeLinear":
        return None

    def keep(value: str) -> str:
        return ops.emit("Max", [value, ops.constant(np.array(-np.inf, dtype), "lowest")])

    return keep


def _requantizer(ops: GraphOps, this: Found) -> Callable[[str], str] | None:
    """A function that quantizes a slice of the input and dequantizes it again, to the same values.

    None if the input is not dequantized. ONNX Runtime moves quantizers over a Slice by itself. From
    operator set 21 on it then writes an output_dtype, which it forgets to change when it changes
    signed bytes into unsigned ones (1.32.0, on processors without VNNI): the file does not load.
    """
    node = this.scope.producer(this.node.input[0])
    if node is None or node.op_type != "DequantizeLinear" or ops.opset < 21:
        return None
    home, parameters = this.scope.home(node.output[0]), node.input[1:]
    scales = [None if home is None else home.constant(name) for name in parameters]
    if len(parameters) < 2 or any(t is None or list(t.dims) not in ([], [1]) for t in scales):
        return None

    def requantize(value: str) -> str:
        steps = ops.emit("QuantizeLinear", [value, *parameters], domain=node.domain)
        return ops.emit("DequantizeLinear", [steps, *parameters], domain=node.domain)

    return requantize


def _feeding(this: Found) -> set[str]:
    """Names that only the filters and the bias may need."""
    names = set(this.node.input[1:])
    for source in filter(None, (this.weights, this.bias)):
        names.add(source.name)
        names.update(name for node in source.chain for name in (*node.input, *node.output))
    return names


def _declare(this: Found, name: str) -> None:
    """Correct declared output lengths to those of ONNX Runtime, which the result will have.

    The rank is declared where it was inferred before: inference stops at a Reshape to computed
    lengths, and ONNX Runtime runs no Scan whose body has an output of unknown rank.
    """
    onnx = require("onnx", "onnx")
    unknown = [None, this.shape[1] * this.groups, *[None] * len(this.axes)]
    values = [value for value in declared(this.scope.graph) if value.name == name]
    if not values and not this.scope.function:
        values = [this.scope.graph.value_info.add()]
    for value in values:
        if not value.type.tensor_type.HasField("shape"):
            value.CopyFrom(onnx.helper.make_tensor_value_info(name, this.computes, unknown))
        dims = value.type.tensor_type.shape.dim
        if len(dims) == len(this.shape):
            for dim, axis in zip(dims[2:], this.axes, strict=True):
                if axis.o is not None and dim.HasField("dim_value"):
                    dim.dim_value = axis.o

"""What follows a transposed convolution, folded into its filters and bias before they are split.

The split convolutions are followed by an interleave, behind which no runtime fuses a
BatchNormalization or a scale any more. Both are therefore folded here: every operator that computes
a*y + b per output channel, with constants a and b, becomes part of the filters and the bias. An
activation behind these is not folded but moved: it follows each of the convolutions, as runtimes
fuse it there.

*Where the channels are.* ONNX stores the filters as ``(Cin, Cout // groups, *kernel)``. The rows of
group g compute the output channels from ``g * Cout // groups`` on; no other rows do.

*Rounding.* Products are computed in double precision and rounded once to the type of the filters.
This changes a value by at most half a unit in the last place of the largest filter value of its
channel, provided that this largest value is a normal number. A channel whose values would all be
subnormal (below 6.1e-5 in float16, which small scales reach) would lose digits, and is a reason not
to fold. So is a sum that could overflow, before or after any of the operators: where the model
overflows, the folded model might not.

*Quantized models* are left alone: their scales were calibrated for the values in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...lowering.weights import cut, stack
from ...site import Folded
from ..follow import dequantized_type
from ..graph import DEFAULT_DOMAINS, trace
from .affine import TYPES, affine

if TYPE_CHECKING:
    from onnx import NodeProto

    from ....core.plan import SplitPlan
    from ....core.typing import NumpyArray
    from ..graph import Read, Scope, Source
    from ..rewrite.emit import GraphOps
    from ..sites import Found
    from .affine import Affine

#: Activations that runtimes fuse into a Conv with gain. ONNX Runtime also fuses Sigmoid, Tanh and
#: HardSigmoid, but computes them slower there: moved, 12 layers ran at 0.95 to 1.03 of their speed
#: (1.32.0, one thread), with Relu at 0.99 to 1.13. Others are not fused, only executed more often.
_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip")
#: Numbers per block, to hold few of them in double precision.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Tail:
    """The operators behind a transposed convolution that its convolutions can take over.

    Args:
        nodes: those that are folded, in order.
        scale, shift: what they compute together, per output channel.
        activation: the activation behind them, which is moved; None if there is none.
    """

    nodes: tuple[NodeProto, ...]
    scale: NumpyArray
    shift: NumpyArray
    activation: NodeProto | None

    @property
    def every(self) -> tuple[NodeProto, ...]:
        """All operators, in order."""
        return self.nodes if self.activation is None else (*self.nodes, self.activation)

    @property
    def sink(self) -> str:
        """The name of the value that the last of them computes."""
        return self.every[-1].output[0]

    def records(self) -> tuple[Folded, ...]:
        """The operators, for reports."""
        return tuple(
            Folded(node.op_type, node.name or node.output[0], node is self.activation)
            for node in self.every
        )

    def feeding(self, scope: Scope) -> set[str]:
        """Names that only these operators may need."""
        names = {name for node in self.nodes for name in node.input}
        for source in filter(None, (trace(scope, name) for name in sorted(names))):
            names.add(source.name)
            names.update(name for node in source.chain for name in (*node.input, *node.output))
        return names


def tail_of(this: Found, count: Mapping[str, int], read: Read) -> Tail | None:
    """What can be folded into a convertible site or moved to its convolutions; None for nothing.

    Args:
        this: the `Found`.
        count: how often each name of the model is read; see `graph.uses`.
        read: ``tensor -> array`` for constants.
    """
    if this.computes not in TYPES or _is_quantized(this):
        return None
    name, channels = this.node.output[0], this.out_channels
    nodes: list[NodeProto] = []
    totals: list[Affine] = [(np.ones(channels), np.zeros(channels))]
    if _has_constants(this):
        for node, (scale, shift) in _affine_nodes(this, count, read):
            nodes.append(node)
            totals.append((totals[-1][0] * scale, totals[-1][1] * scale + shift))
        kept = _representable(this, totals, read) if nodes else 0
        nodes, totals = nodes[:kept], totals[: kept + 1]
        name = nodes[-1].output[0] if nodes else name
    activation = _only_reader(this.scope, name, count)
    if activation is not None and not _is_activation(activation, name, this.scope):
        activation = None
    return Tail(tuple(nodes), *totals[-1], activation) if nodes or activation else None


def folded_parts(
    ops: GraphOps, plan: SplitPlan, this: Found, tail: Tail, read: Read
) -> tuple[list[str | None], Callable[[int], str] | None]:
    """Filters and bias of each of ``plan.convolutions`` with the tail folded into them.

    Args:
        ops: a `GraphOps`.
        plan: the plan.
        this: the site, whose filters and bias are constants.
        tail: the operators to fold.
        read: ``tensor -> array`` for constants.

    Returns:
        The filters, None where a phase is empty, and ``phases -> value`` for the bias; None without
        bias.
    """
    weights, bias = _source(this.weights), this.bias
    arrays = cut(plan, scaled(read(weights.tensor), tail.scale, plan.groups))
    filters: list[str | None] = []
    while arrays:
        array, label = arrays.pop(0), f"{weights.name}_{len(filters)}"
        part = None if array is None else ops.constant(array, name=label, home=weights.home)
        filters.append(part)
    vector = (_bias_of(this, read) * tail.scale + tail.shift).astype(TYPES[this.computes])
    if bias is None and not vector.any():
        return filters, None
    label = f"{this.name}_bias" if bias is None else f"{bias.name}_0"
    home = weights.home if bias is None else bias.home

    def stacked(phases: int) -> str:
        return ops.constant(stack(vector, plan.groups, phases), name=label, home=home)

    return filters, stacked


def scaled(filters: NumpyArray, scale: NumpyArray, groups: int) -> NumpyArray:
    """Filters ``(Cin, Cout // groups, *kernel)`` times one factor per output channel."""
    result = np.empty_like(filters)
    factors = scale.reshape(groups, -1, *(1 for _ in filters.shape[2:]))
    for group, rows in _blocks(filters, groups):
        result[rows] = filters[rows] * factors[group]
    return result


def _blocks(filters: NumpyArray, groups: int) -> Iterator[tuple[int, slice]]:
    """Every group of filters, and a part of its rows at a time."""
    rows = len(filters) // groups
    step = max(1, _BLOCK * len(filters) // max(1, filters.size))
    for group in range(groups):
        end = (group + 1) * rows
        for start in range(end - rows, end, step):
            yield group, slice(start, min(start + step, end))


def _affine_nodes(
    this: Found, count: Mapping[str, int], read: Read
) -> Iterator[tuple[NodeProto, Affine]]:
    """The operators that compute a*y + b per channel, each the only reader of the one before."""
    name = this.node.output[0]
    while (node := _only_reader(this.scope, name, count)) is not None:
        parts = affine(node, name, this, read)
        if parts is None:
            return
        yield node, parts
        name = node.output[0]


def _only_reader(scope: Scope, name: str, count: Mapping[str, int]) -> NodeProto | None:
    """The node of the same graph that alone reads a value; None if anything else refers to it."""
    annotations = getattr(scope.graph, "quantization_annotation", ())
    if count[name] != 1 or any(entry.tensor_name == name for entry in annotations):
        return None
    every: Scope | None = scope
    while every is not None:
        if name in every.overridable:  # training information reads it
            return None
        every = every.parent
    return next((node for node in scope.graph.node if name in node.input), None)


def _is_activation(node: NodeProto, name: str, scope: Scope) -> bool:
    """Whether a node is an activation of this value that a runtime fuses into a convolution."""
    known = node.op_type in _ACTIVATIONS and node.domain in DEFAULT_DOMAINS
    bounds = [scope.constant(other) for other in node.input[1:] if other]
    return known and node.input[0] == name and all(bound is not None for bound in bounds)


def _representable(this: Found, totals: Sequence[Affine], read: Read) -> int:
    """How many of the operators can be folded without overflow or lost digits.

    Args:
        this: the site.
        totals: the factor and the term of the first operators together, for every number of them.
        read: ``tensor -> array`` for constants.
    """
    limits = np.finfo(TYPES[this.computes])
    largest, sums = _sizes(read(_source(this.weights).tensor), this.groups)
    start, best = np.abs(_bias_of(this, read)), 0
    for index, (scale, shift) in enumerate(totals):
        with np.errstate(over="ignore", invalid="ignore"):
            bias = start * np.abs(scale) + np.abs(shift)
            filters = largest * np.abs(scale)
            fits = bool((sums * np.abs(scale) + bias <= float(limits.max)).all())
        if not fits:
            break
        sizes = filters[filters > 0]
        if (sizes >= float(limits.tiny)).all():
            best = index
    return best


def _sizes(filters: NumpyArray, groups: int) -> tuple[NumpyArray, NumpyArray]:
    """The largest magnitude and the sum of magnitudes per output channel, in float64."""
    largest, sums = (np.zeros((groups, filters.shape[1])) for _ in range(2))
    others = (0, *range(2, filters.ndim))
    for group, rows in _blocks(filters, groups):
        sizes = np.abs(filters[rows])
        largest[group] = np.maximum(largest[group], sizes.max(axis=others))
        sums[group] += sizes.sum(axis=others, dtype=np.float64)
    return largest.reshape(-1), sums.reshape(-1)


def _bias_of(this: Found, read: Read) -> NumpyArray:
    """The bias of a site with a constant bias or none, in float64."""
    if this.bias is None:
        return np.zeros(this.out_channels)
    return read(this.bias.tensor).astype(np.float64)


def _source(source: Source | None) -> Source:
    """A constant that is known to be one."""
    assert source is not None, "only constants are folded"
    return source


def _has_constants(this: Found) -> bool:
    """Whether filters and bias are stored as they are used."""
    biased = len(this.node.input) > 2 and bool(this.node.input[2])
    sources = [this.weights, this.bias] if biased else [this.weights]
    return all(
        source is not None
        and source.tensor.data_type == this.computes
        and all(node.op_type == "Identity" for node in source.chain)
        for source in sources
    )


def _is_quantized(this: Found) -> bool:
    """Whether the input or the filters of a site are dequantized."""
    return any(dequantized_type(this.scope, name) for name in this.node.input[:2])

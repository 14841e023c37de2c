"""Filters and bias of a planned transposed convolution: cut in NumPy where they are constant, else in the graph.

ONNX keeps the filters as ``(Cin, Cout // groups, *kernel)``, a convolution wants ``(M, Cin // groups, *taps)`` with M
counting (group, phase, output channel). Constants behind Identity, Cast, QuantizeLinear or DequantizeLinear are
cut as they are stored, and those operators repeated behind every part with the scales and zero points of its channels.
"""

import numpy as np

from ..apply import split_filters


def cut(plan, filters):
    """The filters of each of ``plan.convolutions``, from an array ``(Cin, Cout // groups, *kernel)``; None if empty."""
    rank = len(plan.axes)
    parts = split_filters(plan, filters.transpose(*range(2, rank + 2), 1, 0))
    return [None if part is None else part.transpose(rank + 1, rank, *range(rank)) for part in parts]


def stack(vector, groups, phases):
    """A vector per output channel ``(Cout,)`` as one per (group, phase, output channel)."""
    return np.tile(vector.reshape(groups, 1, -1), (1, phases, 1)).reshape(-1)


def cut_in_graph(ops, plan, filters, shape):
    """`cut` for filters that are only known at run time: a value of static `shape`."""
    rank, groups = len(plan.axes), plan.groups
    cin, cout = shape[0] // groups, shape[1]
    kernel = shape[2:]
    lead = int(groups > 1)
    if groups > 1:
        filters = ops.reshape(filters, [groups, cin, cout, *kernel])
    planes = ops.transpose(filters, (*range(lead), lead + 1, lead, *range(lead + 2, lead + 2 + rank)))
    if any(None in taps for split in plan.axis_plans for w in split.windows for taps in w.taps):
        # A plane of zeros behind each kernel axis is what a tap of None picks.
        planes = ops.pad(planes, [(0, 0)] * (lead + 2) + [(0, 1)] * rank)
    return [
        None if 0 in convolution.kernel_size else _pick(ops, planes, convolution, plan, (cin, cout))
        for convolution in plan.convolutions
    ]


def _pick(ops, planes, convolution, plan, channels):
    """The taps of every phase of one convolution, the phases side by side before the output channels."""
    lead = int(plan.groups > 1)
    parts = []
    for phase in np.ndindex(*(len(w.phases) for w in convolution.windows)):
        part = planes
        for i, (r, window, axis) in enumerate(zip(phase, convolution.windows, plan.axes, strict=True)):
            taps = [axis.k if tap is None else tap for tap in window.taps[r]]
            if taps != list(range(axis.k)):
                part = ops.gather(part, taps, lead + 2 + i)
        parts.append(part)
    value = ops.concat(parts, lead)
    cin, cout = channels
    return ops.reshape(value, [plan.groups * len(parts) * cout, cin, *convolution.kernel_size]) if lead else value


def stack_in_graph(ops, bias, groups, phases, channels):
    """`stack` for a value of the graph, of so many output `channels`."""
    if phases == 1:
        return bias
    if groups > 1:
        bias = ops.reshape(bias, [groups, channels // groups])
    value = ops.concat([bias] * phases, int(groups > 1))
    return ops.reshape(value, [-1]) if groups > 1 else value


class Follower:
    """Repeats the operators between a constant and its use behind each part of that constant.

    Args:
        ops: a `GraphOps`.
        source: the `Source`.
        read: ``tensor -> array`` for constants.
        groups: channel groups.
        rank: axes of the constant.
    """

    def __init__(self, ops, source, read, groups, rank):
        self.ops, self.source, self._read, self._groups, self._rank = ops, source, read, groups, rank

    def filters(self, plan):
        """Values for the filters of each of ``plan.convolutions``, None where a phase is empty."""
        stored, phases = self._read(self.source.tensor), len(plan.convolutions[0].phases)
        arrays = cut(plan, stored)
        zero = self._zero(phases)
        if zero is not None:
            # Where a window is wider than a phase's taps it holds zeros: stored, they are the zero point.
            real = cut(plan, np.ones(stored.shape, bool))
            arrays = [a if a is None else np.where(r, a, zero) for a, r in zip(arrays, real, strict=True)]
        return self.parts(arrays, phases)

    def bias(self, phases):
        """The value of the bias of so many stacked phases."""
        return self.parts([stack(self._read(self.source.tensor), self._groups, phases)], phases)[0]

    def _zero(self, phases):
        """The stored number that stands for zero, shaped to fill parts of the filters with; None if it is zero."""
        node = self.source.chain[-1] if self.source.chain else None
        if node is None or node.op_type != "DequantizeLinear" or len(node.input) < 3 or not node.input[2]:
            return None
        zero = self._read(self.ops.scope.constant(node.input[2]))
        axis = channel_axis(node, self.ops.scope, self._rank)
        if not zero.any():
            return None
        if axis == 1:
            zero = stack(np.tile(zero, self._groups), self._groups, phases)
        # Input channels are the second axis of a convolution's filters, output channels the first.
        return zero.reshape([-1 if i == (1 if axis == 0 else 0) else 1 for i in range(self._rank)])

    def parts(self, arrays, phases):
        """Values for the parts of the constant, each behind a copy of the operators; None stays None.

        Args:
            arrays: the parts, in the order of the plan's convolutions.
            phases: how many phases each of them stacks.
        """
        return [a if a is None else self._part(a, f"{self.source.name}_{i}", phases) for i, a in enumerate(arrays)]

    def _part(self, array, name, phases):
        value = self.ops.constant(array, name=name, home=self.source.home)
        for node in reversed(self.source.chain):
            value = self._repeat(node, value, phases)
        return value

    def _repeat(self, node, value, phases):
        axis = channel_axis(node, self.ops.scope, self._rank)
        if axis is None:
            return self.ops.repeat(node, [value, *node.input[1:]])
        if self._rank > 1 and axis == 0:
            # One scale per input channel, which a convolution's filters have on their second axis.
            return self.ops.repeat(node, [value, *node.input[1:]], axis=1)
        parameters = [self._stacked(name, phases) for name in node.input[1:]]
        return self.ops.repeat(node, [value, *parameters], axis=0)

    def _stacked(self, name, phases):
        """A scale or zero point per output channel of all groups and phases."""
        if not name:
            return name
        home = self.ops.scope.home(name)
        vector = self._read(self.ops.scope.constant(name))
        if self._rank > 1:
            vector = np.tile(vector, self._groups)  # the groups share it
        return self.ops.constant(stack(vector, self._groups, phases), name=f"{name}_stacked", home=home)


def can_follow(source, scope, rank, groups):
    """Whether the operators behind a constant can follow its parts: their scales belong to no kernel axis or block."""
    for node in source.chain:
        if len(node.input) == 1:
            continue
        scales = [scope.constant(name) for name in node.input[1:] if name]
        if any(tensor is None or len(tensor.dims) > 1 for tensor in scales):
            return False
        axis = channel_axis(node, scope, rank)
        if axis not in ((None, 0) if rank == 1 else (None, 1, 0) if groups == 1 else (None, 1)):
            return False
    return True


def channel_axis(node, scope, rank):
    """The axis whose channels have scales of their own, or None where one scale serves all."""
    if len(node.input) == 1 or list(scope.constant(node.input[1]).dims) in ([], [1]):
        return None
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    return axis + rank if axis < 0 else axis

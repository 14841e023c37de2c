"""Filters and bias of a planned transposed convolution, cut in NumPy or by nodes of the graph.

ONNX and PyTorch store the filters as ``(Cin, Cout // groups, *kernel)``; a convolution needs
``(M, Cin // groups, *taps)``, where M counts (group, phase, output channel). ONNX's `follow`
uses this for constants that are followed by other operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...core.filters import split_filters

if TYPE_CHECKING:
    from ...core.convolutions import Convolution
    from ...core.plan import SplitPlan
    from ...core.typing import NumpyArray
    from .primitives import Primitives, Value

#: Numbers in a block of filters.
_BLOCK = 1 << 22


def cut(plan: SplitPlan, filters: NumpyArray) -> list[NumpyArray | None]:
    """The filters of each of ``plan.convolutions``, None for empty phases.

    `filters` is an array ``(Cin, Cout // groups, *kernel)``. Large filters are cut a few input
    channels at a time, to hold little more than the result.
    """
    rank, cin = len(plan.axes), len(filters)
    step = cin if plan.groups > 1 else max(1, _BLOCK * cin // max(1, filters.size))
    whole: list[NumpyArray | None] = [None] * len(plan.convolutions)
    for start in range(0, cin, step):
        block = filters[start : start + step].transpose(*range(2, rank + 2), 1, 0)
        for i, part in enumerate(split_filters(plan, block)):
            if part is None:
                continue
            part = part.transpose(rank + 1, rank, *range(rank))
            held = whole[i]
            if held is None:
                shape = (len(part), cin // plan.groups, *part.shape[2:])
                whole[i] = held = np.empty(shape, part.dtype)
            held[:, start : start + step] = part
    return whole


def stack(vector: NumpyArray, groups: int, phases: int) -> NumpyArray:
    """A vector per output channel ``(Cout,)`` as one per (group, phase, output channel)."""
    return np.tile(vector.reshape(groups, 1, -1), (1, phases, 1)).reshape(-1)


def cut_in_graph(
    ops: Primitives[Value],
    plan: SplitPlan,
    filters: Value,
    shape: Sequence[int],
    zero: NumpyArray | None = None,
) -> list[Value | None]:
    """`cut` for filters that are only known at run time.

    Args:
        ops: the operators of the format.
        plan: a `SplitPlan`.
        filters: the value.
        shape: its static shape.
        zero: the stored number that means zero; None for 0.
    """
    rank, groups = len(plan.axes), plan.groups
    cin, cout = shape[0] // groups, shape[1]
    kernel = shape[2:]
    lead = int(groups > 1)
    if groups > 1:
        filters = ops.reshape(filters, [groups, cin, cout, *kernel])
    kernel_axes = range(lead + 2, lead + 2 + rank)
    planes = ops.transpose(filters, (*range(lead), lead + 1, lead, *kernel_axes))
    padded = plan.extended
    if padded:
        # A tap of None selects the plane of zeros added at the end of each kernel axis.
        planes = ops.pad(planes, [(0, 0)] * (lead + 2) + [(0, 1)] * rank, zero)
    held = [k + padded for k in kernel]
    parts: list[Value | None] = []
    for convolution in plan.convolutions:
        empty = 0 in convolution.kernel_size
        part = None if empty else _pick(ops, planes, convolution, plan, (cin, cout), held)
        parts.append(part)
    return parts


def _pick(
    ops: Primitives[Value],
    planes: Value,
    convolution: Convolution,
    plan: SplitPlan,
    channels: tuple[int, int],
    held: Sequence[int],
) -> Value:
    """The taps of every phase of one convolution, with the phases before the output channels.

    Args:
        held: the number of planes along each kernel axis.
    """
    lead = int(plan.groups > 1)
    parts = []
    for phase in np.ndindex(*(len(w.phases) for w in convolution.windows)):
        part = planes
        sides = zip(phase, convolution.windows, plan.axes, strict=True)
        for i, (r, window, axis) in enumerate(sides):
            taps = [axis.k if tap is None else tap for tap in window.taps[r]]
            if taps != list(range(held[i])):
                part = ops.gather(part, taps, lead + 2 + i)
        parts.append(part)
    value = ops.concat(parts, lead)
    if not lead:
        return value
    cin, cout = channels
    return ops.reshape(value, [plan.groups * len(parts) * cout, cin, *convolution.kernel_size])


def stack_in_graph(
    ops: Primitives[Value], bias: Value, groups: int, phases: int, channels: int
) -> Value:
    """`stack` for a value of the graph with `channels` output channels."""
    if phases == 1:
        return bias
    if groups > 1:
        bias = ops.reshape(bias, [groups, channels // groups])
    value = ops.concat([bias] * phases, int(groups > 1))
    return ops.reshape(value, [-1]) if groups > 1 else value

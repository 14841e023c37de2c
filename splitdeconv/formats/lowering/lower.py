"""A plan as channels-first operators: convolutions, an interleave, a crop.

The interleave "concat" uses the memory order, as it does with channels last. The phases of every
outer axis are placed side by side on the next inner axis, and those of the last axis on a new
innermost axis. The elements are then already in the order of the output's pixels,
n c b0 (s0 b1) (s1 b2) s2, and a single Reshape does the rest, without Transpose or DepthToSpace.
Only the last step moves single elements.

No input length is written into the nodes, not even one that the file fixes: a program may open or
change the sizes of a file after loading it, and the converted file runs at every size at which the
original runs. With equal strides the Reshapes of "concat" use 0 and -1, as do those of "transpose"
with one axis; otherwise the lengths are computed from the value's Shape, which runtimes fold into
constants if the sizes are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...core.forms import check_depth_to_space
from .primitives import Scaled

if TYPE_CHECKING:
    import numpy.typing as npt

    from ...core.convolutions import Convolution
    from ...core.plan import SplitPlan
    from .primitives import Primitives, Value

    #: How an input is cut: the zeros added to each axis, and the elements removed from some.
    _Key: TypeAlias = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, tuple[int, int]], ...]]
    _Pads: TypeAlias = list[tuple[int, int]]


def lower(
    ops: Primitives[Value],
    plan: SplitPlan,
    interleave: str,
    x: Value,
    filters: Sequence[Value | None],
    bias: Callable[[int], Value] | None,
    channels: int,
    dtype: npt.DTypeLike,
    *,
    quantize: Callable[[Value], Value] | None = None,
    requantize: Callable[[Value], Value] | None = None,
    activate: Callable[[Value], Value] | None = None,
) -> Value:
    """Emit a planned transposed convolution.

    Args:
        ops: the operators of the format.
        plan: a `SplitPlan` of form "split", "rows", "stacked" or "paper"; input lengths are ignored
            unless it is `fixed`.
        interleave: "concat", "depth_to_space" or "transpose".
        x: the input, ``(N, Cin, *spatial)``.
        filters: for each of ``plan.convolutions`` the value ``(M, Cin // groups, *taps)``, or None
            for an empty phase; M counts (group, phase, output channel), slowest first.
        bias: ``phases -> value``, the bias of that many stacked phases in the order of M; None
            without bias.
        channels: output channels; divisible by the groups.
        dtype: NumPy type of the values.
        quantize: applied to the result of each convolution; None for nothing.
        requantize: applied to slices of the input; None for nothing.
        activate: an elementwise activation, applied right after each convolution; None for nothing.

    Returns:
        The output value, ``(N, channels, *spatial)``.

    Raises:
        SplitDeconvError: the interleave does not fit the strides.
    """
    if interleave == "depth_to_space":
        check_depth_to_space(plan.phase_counts, "ConvTranspose")
    if plan.fixed:
        # Another length would give numbers, but wrong ones: this makes the runtime reject it.
        x = ops.reshape(x, [0, 0, *[1] * len(plan.axes)])
    inputs: dict[_Key, Value] = {}
    blocks: list[Value | None] = []
    for convolution, weights in zip(plan.convolutions, filters, strict=True):
        block = None
        if weights is not None:
            part = _cut(ops, plan, convolution, x, inputs, requantize)
            block = _convolve(ops, plan, convolution, part, weights, bias, activate)
        blocks.append(block)
    if quantize is not None:
        blocks = [None if y is None else quantize(y) for y in blocks]
    filled = _fill_empty(ops, plan, blocks, bias, channels, dtype, activate)
    joins: dict[str, Callable[[Primitives[Value], SplitPlan, Sequence[Value], int], Value]] = {
        "concat": _join_by_concat,
        "depth_to_space": _join_by_space,
        "transpose": _join_by_transpose,
    }
    join = joins[interleave]
    y = filled[0] if max(plan.phase_counts) == 1 else join(ops, plan, filled, channels)
    crop = {axis + 2: pair for axis, pair in enumerate(plan.crop) if any(pair)}
    return ops.slice(y, crop) if crop else y


def _cut(
    ops: Primitives[Value],
    plan: SplitPlan,
    convolution: Convolution,
    x: Value,
    made: dict[_Key, Value],
    requantize: Callable[[Value], Value] | None,
) -> tuple[Value, _Pads]:
    """The input as one convolution reads it, sliced where its window does not cover it all.

    Also returns the pads that remain. The input may be as short as a slice, so slicing is only
    correct after padding the other end. The shortest input is the one that still gives an output,
    whatever the file declares.
    """
    zeros, slices, pads = [(0, 0), (0, 0)], {}, []
    for i, ((before, after), axis) in enumerate(
        zip(convolution.pads, plan.axes, strict=True), start=2
    ):
        shortest = max(1, -((axis.tail - 1) // axis.s))
        dropped = min(before, 0), min(after, 0)
        spare = (max(before, 0), max(after, 0))
        early = any(dropped) and shortest + sum(dropped) < 1
        zeros.append(spare if early else (0, 0))
        pads.append((0, 0) if early else spare)
        if any(dropped):
            slices[i] = (-dropped[0], -dropped[1])
    key = (tuple(zeros), tuple(slices.items()))
    if key not in made:
        padded = ops.pad(x, zeros) if any(map(any, zeros)) else x
        made[key] = ops.slice(padded, slices) if slices else padded
        if slices and requantize is not None:
            made[key] = requantize(made[key])
    return made[key], pads


def _convolve(
    ops: Primitives[Value],
    plan: SplitPlan,
    convolution: Convolution,
    cut: tuple[Value, _Pads],
    filters: Value,
    bias: Callable[[int], Value] | None,
    activate: Callable[[Value], Value] | None,
) -> Value:
    """One Conv with all attributes given; its channels are ordered by (phase, output channel)."""
    x, pads = cut
    phases = len(convolution.phases)
    y = ops.convolve(
        x,
        filters,
        bias(phases) if bias else None,
        convolution.kernel_size,
        pads,
        convolution.dilations,
        plan.groups,
    )
    y = y if activate is None else activate(y)
    if plan.groups == 1 or phases == 1:
        return y
    parts = ops.split(y, plan.groups * phases, 1)
    return ops.concat([part for phase in range(phases) for part in parts[phase::phases]], 1)


def _fill_empty(
    ops: Primitives[Value],
    plan: SplitPlan,
    blocks: Sequence[Value | None],
    bias: Callable[[int], Value] | None,
    channels: int,
    dtype: npt.DTypeLike,
    activate: Callable[[Value], Value] | None,
) -> list[Value]:
    """The bias, or zeros, for phases without taps: as large as the others, finite for any input."""
    present = [block for block in blocks if block is not None]
    if len(present) == len(blocks):
        return present
    ones = [1] * len(plan.axes)
    if bias is None:
        value = ops.constant(np.zeros((1, 1, *ones), dtype), "zero")
    else:
        value = ops.concat(
            [ops.reshape(bias(1), [1, channels, *ones])] * len(plan.convolutions[0].phases), 1
        )
    fill = ops.expand(value if activate is None else activate(value), present[0], dtype)
    return [fill if block is None else block for block in blocks]


def _join_by_concat(
    ops: Primitives[Value], plan: SplitPlan, blocks: Sequence[Value], _: int
) -> Value:
    """Interleave with Concat and one Reshape; see the module docstring."""
    *outer, inner = plan.phase_counts
    rank = len(plan.phase_counts)
    columns: dict[tuple[int, ...], dict[tuple[int, ...], Value]] = {}
    for convolution, block in zip(plan.convolutions, blocks, strict=True):
        leads = list(product(*(window.phases for window in convolution.windows[:-1])))
        parts = zip(leads, ops.split(block, len(leads), 1), strict=True)
        columns.setdefault(convolution.windows[-1].phases, {}).update(parts)
    values = []
    for phases, rows in columns.items():
        for axis in reversed(range(rank - 1)):
            rows = {
                lead: ops.concat([rows[*lead, r] for r in range(outer[axis])], axis + 3)
                for lead in product(*map(range, outer[:axis]))
            }
        values += ops.split(rows[()], len(phases), 1)
    if inner > 1:
        values = [ops.reshape(value, [0] * (rank + 2) + [1]) for value in values]
    y = ops.concat(values, rank + 2)
    scales = zip(plan.phase_counts, (1, *outer), strict=True)
    return ops.reshape(y, [0, 0, *(Scaled(i, s, held) for i, (s, held) in enumerate(scales, 2))])


def _join_by_space(
    ops: Primitives[Value], plan: SplitPlan, blocks: Sequence[Value], _: int
) -> Value:
    """Interleave with DepthToSpace in its first mode, where the phase varies slowest."""
    return ops.depth_to_space(ops.concat(blocks, 1), plan.phase_counts[0])


def _join_by_transpose(
    ops: Primitives[Value], plan: SplitPlan, blocks: Sequence[Value], channels: int
) -> Value:
    """Interleave with one Transpose of rank 2 + 2 * spatial."""
    strides = plan.phase_counts
    rank = len(strides)
    opened = [Scaled(2 + i) for i in range(rank)]
    y = ops.reshape(ops.concat(blocks, 1), [0, *strides, channels, *opened])
    pairs = [axis for i in range(rank) for axis in (rank + 2 + i, 1 + i)]
    y = ops.transpose(y, (0, rank + 1, *pairs))
    return ops.reshape(
        y, [0, channels, *(Scaled(2 + 2 * i, stride) for i, stride in enumerate(strides))]
    )

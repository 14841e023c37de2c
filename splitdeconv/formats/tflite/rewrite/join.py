"""Interleave the phases of a transposed convolution into its output, with TFLite operators.

"concat" and "transpose" use reshapes, which leave at most one dimension open in TFLite, so they are
limited to one image size. "depth_to_space" and "batch_to_space" work for any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..flatbuffer.bounds import make

if TYPE_CHECKING:
    from ....core.phases import Window
    from ....core.plan import SplitPlan
    from ...site import Site
    from .move import Mover


def join(mover: Mover, plan: SplitPlan, outputs: Sequence[int], interleave: str) -> int:
    """Interleave the results of the convolutions of a plan, and crop the result.

    Args:
        mover: a `Mover` on the subgraph.
        plan: the `SplitPlan`.
        outputs: the output tensor of each of its convolutions.
        interleave: "concat", "depth_to_space", "batch_to_space" or "transpose".

    Returns:
        The tensor of the result.
    """
    if max(plan.phase_counts) == 1:
        return _crop(mover, plan, mover.concat(outputs, 3, "phases"))
    if interleave == "batch_to_space":
        return _by_batch(mover, plan, outputs)
    kinds = {"concat": _by_concat, "depth_to_space": _by_space, "transpose": _by_transpose}
    return _crop(mover, plan, kinds[interleave](mover, plan, outputs))


def _by_concat(mover: Mover, plan: SplitPlan, outputs: Sequence[int]) -> int:
    """Put a row's phases side by side on the channels, rows on the width; reshape to pixels."""
    parts: dict[int, list[int]] = {}
    for convolution, y in zip(plan.convolutions, outputs, strict=True):
        window = convolution.windows[0]
        for lead, part in zip(window.phases, _apart(mover, y, window), strict=True):
            parts.setdefault(lead, []).append(part)
    rows = [mover.concat(parts[lead], 3, f"row_{lead}") for lead in range(plan.phase_counts[0])]
    y = mover.concat(rows, 2, "rows")
    return mover.reshape(y, _grid(mover, plan, outputs), "interleaved")


def _apart(mover: Mover, y: int, window: Window) -> Iterator[int]:
    """The channels of a convolution's result, in one part per phase of `window`."""
    count, channels = len(window.phases), mover.editor.shape(y)[3]
    width = channels // count
    for i, phase in enumerate(window.phases):
        yield mover.slice(y, (*_whole(mover, y), (i * width, (i + 1) * width)), f"row_{phase}")


def _whole(mover: Mover, y: int) -> list[tuple[int, int]]:
    return [(0, n) for n in mover.editor.shape(y)[:3]]


def _by_space(mover: Mover, plan: SplitPlan, outputs: Sequence[int]) -> int:
    """Concatenate all phases on the channels, then DEPTH_TO_SPACE."""
    y = mover.concat(outputs, 3, "phases")
    options = make("DepthToSpaceOptions", blockSize=plan.phase_counts[0])
    shape = _grid(mover, plan, outputs)
    return mover.editor.operator("DEPTH_TO_SPACE", [y], y, shape, "interleaved", options)


def _by_transpose(mover: Mover, plan: SplitPlan, outputs: Sequence[int]) -> int:
    """Concatenate all phases on the channels; transpose (image row, column, row phase, rest)."""
    y = mover.concat(outputs, 3, "phases")
    batch, rows, columns, channels = mover.editor.shape(y)
    down = plan.phase_counts[0]
    y = mover.reshape(y, (batch * rows, columns, down, channels // down), "phases_apart")
    order = mover.editor.helper([0, 2, 1, 3], "order")
    shape = (batch * rows, down, columns, channels // down)
    options = make("TransposeOptions")
    y = mover.editor.operator("TRANSPOSE", [y, order], y, shape, "rows_apart", options)
    return mover.reshape(y, _grid(mover, plan, outputs), "interleaved")


def _by_batch(mover: Mover, plan: SplitPlan, outputs: Sequence[int]) -> int:
    """Concatenate all phases on the batch, then BATCH_TO_SPACE_ND, which also crops."""
    editor = mover.editor
    parts: dict[tuple[int, ...], int] = {}
    for convolution, y in zip(plan.convolutions, outputs, strict=True):
        phases = convolution.phases
        width = editor.shape(y)[3] // len(phases)
        for i, phase in enumerate(phases):
            part = (*_whole(mover, y), (i * width, (i + 1) * width))
            parts[phase] = mover.slice(y, part, "phase_" + "_".join(map(str, phase)))
    y = mover.concat([parts[phase] for phase in sorted(parts)], 0, "phases")
    batch, *_ = _grid(mover, plan, outputs)
    axes = zip(editor.shape(y)[1:3], plan.phase_counts, plan.crop, strict=True)
    sizes = [n * s - start - end for n, s, (start, end) in axes]
    inputs = [y, editor.helper(plan.phase_counts, "block"), editor.helper(plan.crop, "crops")]
    shape = (batch, *sizes, editor.shape(y)[3])
    options = make("BatchToSpaceNDOptions")
    return editor.operator("BATCH_TO_SPACE_ND", inputs, y, shape, "interleaved", options)


def _grid(mover: Mover, plan: SplitPlan, outputs: Sequence[int]) -> tuple[int, int, int, int]:
    """The shape of the interleaved result before cropping."""
    batch, rows, columns, channels = mover.editor.shape(outputs[0])
    phases = len(plan.convolutions[0].phases)
    down, right = plan.phase_counts
    return batch, rows * down, columns * right, channels // phases


def _crop(mover: Mover, plan: SplitPlan, y: int) -> int:
    batch, *sizes, channels = mover.editor.shape(y)
    kept = [(start, n - end) for (start, end), n in zip(plan.crop, sizes, strict=True)]
    return mover.slice(y, ((0, batch), *kept, (0, channels)), "cropped")


def interleaves(site: Site) -> tuple[str, ...]:
    """The possible interleaves of a site, best first: those that work for all sizes and kernels."""
    axes = site.known_axes
    if max(axis.s for axis in axes) == 1:
        return "concat", "depth_to_space", "batch_to_space", "transpose"
    opened = None in {axis.n for axis in axes}
    if site.dtype == "int16x8":  # DEPTH_TO_SPACE lacks it; microcontrollers lack BATCH_TO_SPACE_ND
        return ("batch_to_space",) if opened else ("concat", "batch_to_space", "transpose")
    square = len({axis.s for axis in axes}) == 1
    free = (*(("depth_to_space",) if square else ()), "batch_to_space")
    return free if opened else (*free, "concat", "transpose")

"""The phases of a transposed convolution interleaved into its output, as operators of a .tflite file.

"concat" and "transpose" reshape, and a reshape of TFLite leaves one dimension open at most: they keep
to the image's size. "depth_to_space" and "batch_to_space" hold for any size.
"""

from ..flatbuffer.bounds import make


def join(mover, plan, outputs, interleave) -> int:
    """Interleave what the convolutions of a plan yield, and crop it.

    Args:
        mover: a `Mover` on the subgraph.
        plan: the `SplitPlan`.
        outputs: the tensor that each of its convolutions writes.
        interleave: "concat", "depth_to_space", "batch_to_space" or "transpose".

    Returns:
        The tensor of the result.
    """
    if max(plan.phase_counts) == 1:
        return _crop(mover, plan, mover.concat(outputs, 3, "phases"))
    if interleave == "batch_to_space":
        return _by_batch(mover, plan, outputs)
    kind = {"concat": _by_concat, "depth_to_space": _by_space, "transpose": _by_transpose}[interleave]
    return _crop(mover, plan, kind(mover, plan, outputs))


def _by_concat(mover, plan, outputs):
    """A row's phases side by side on the channels, rows side by side on the width: a reshape makes pixels of it."""
    rows = {}
    for convolution, y in zip(plan.convolutions, outputs, strict=True):
        for lead, one in zip(convolution.windows[0].phases, _apart(mover, y, convolution.windows[0]), strict=True):
            rows.setdefault(lead, []).append(one)
    rows = [mover.concat(rows[lead], 3, f"row_{lead}") for lead in range(plan.phase_counts[0])]
    y = mover.concat(rows, 2, "rows")
    return mover.reshape(y, _grid(mover, plan, outputs), "interleaved")


def _apart(mover, y, window):
    """The channels of a convolution's result, one part for each phase of `window`."""
    count, channels = len(window.phases), mover.editor.shape(y)[3]
    width = channels // count
    for i, phase in enumerate(window.phases):
        yield mover.slice(y, (*_whole(mover, y), (i * width, (i + 1) * width)), f"row_{phase}")


def _whole(mover, y):
    return [(0, n) for n in mover.editor.shape(y)[:3]]


def _by_space(mover, plan, outputs):
    """All phases on the channels, then DEPTH_TO_SPACE."""
    y = mover.concat(outputs, 3, "phases")
    options = make("DepthToSpaceOptions", blockSize=plan.phase_counts[0])
    shape = _grid(mover, plan, outputs)
    return mover.editor.operator("DEPTH_TO_SPACE", [y], y, shape, "interleaved", options)


def _by_transpose(mover, plan, outputs):
    """All phases on the channels; (image row, column, row phase, rest) is transposed."""
    y = mover.concat(outputs, 3, "phases")
    batch, rows, columns, channels = mover.editor.shape(y)
    down = plan.phase_counts[0]
    y = mover.reshape(y, (batch * rows, columns, down, channels // down), "phases_apart")
    order = mover.editor.helper([0, 2, 1, 3], "order")
    shape = (batch * rows, down, columns, channels // down)
    y = mover.editor.operator("TRANSPOSE", [y, order], y, shape, "rows_apart", make("TransposeOptions"))
    return mover.reshape(y, _grid(mover, plan, outputs), "interleaved")


def _by_batch(mover, plan, outputs):
    """All phases on the batch, then BATCH_TO_SPACE_ND, which crops as well."""
    editor, parts = mover.editor, {}
    for convolution, y in zip(plan.convolutions, outputs, strict=True):
        phases = convolution.phases
        width = editor.shape(y)[3] // len(phases)
        for i, phase in enumerate(phases):
            part = (*_whole(mover, y), (i * width, (i + 1) * width))
            parts[phase] = mover.slice(y, part, "phase_" + "_".join(map(str, phase)))
    y = mover.concat([parts[phase] for phase in sorted(parts)], 0, "phases")
    batch, *_ = _grid(mover, plan, outputs)
    sizes = [
        n * s - start - end
        for n, s, (start, end) in zip(editor.shape(y)[1:3], plan.phase_counts, plan.crop, strict=True)
    ]
    inputs = [y, editor.helper(plan.phase_counts, "block"), editor.helper(plan.crop, "crops")]
    shape = (batch, *sizes, editor.shape(y)[3])
    return editor.operator("BATCH_TO_SPACE_ND", inputs, y, shape, "interleaved", make("BatchToSpaceNDOptions"))


def _grid(mover, plan, outputs):
    """Shape of the interleaved result, before the crop."""
    batch, rows, columns, channels = mover.editor.shape(outputs[0])
    phases = len(plan.convolutions[0].phases)
    down, right = plan.phase_counts
    return batch, rows * down, columns * right, channels // phases


def _crop(mover, plan, y):
    batch, *sizes, channels = mover.editor.shape(y)
    kept = [(start, n - end) for (start, end), n in zip(plan.crop, sizes, strict=True)]
    return mover.slice(y, ((0, batch), *kept, (0, channels)), "cropped")


def interleaves(site) -> tuple[str, ...]:
    """What can interleave a site, the best first: what holds for images of every size, on every kernel."""
    if max(axis.s for axis in site.axes) == 1:
        return "concat", "depth_to_space", "batch_to_space", "transpose"
    opened = None in {axis.n for axis in site.axes}
    if site.dtype == "int16x8":  # DEPTH_TO_SPACE has no such kernel, nor have microcontrollers BATCH_TO_SPACE_ND
        return ("batch_to_space",) if opened else ("concat", "batch_to_space", "transpose")
    square = len({axis.s for axis in site.axes}) == 1
    free = (*(("depth_to_space",) if square else ()), "batch_to_space")
    return free if opened else (*free, "concat", "transpose")

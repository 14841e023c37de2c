"""Compare values that one of the two models has already rounded to the steps of a quantizer.

Where a QuantizeLinear reads a transposed convolution, each of the rewritten convolutions may be
followed by a rounding to the same steps. The values of the converted model then lie on the grid of
that quantizer: on the step nearest to the original value or, where the original value lies halfway
between two steps, on either of them, up to floating-point rounding.

Kernels that quantize activations may round one of them to either of two neighbouring steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...core.typing import NumpyArray
from ...formats.cut import Grid
from ...formats.port import KERNELS, Arrays
from .difference import Output, measure

if TYPE_CHECKING:
    from .entry import Entry

#: How far float32 rounding may move a value of the grid away from a whole number of steps: a
#: constant part, and a part per step, which matters for 16-bit grids.
_WHOLE, _EACH = 1e-3, 2.0**-22


def forgive_steps(
    record: Output, ours: NumpyArray, theirs: NumpyArray, tolerance: float, grid: Grid
) -> Output:
    """Re-evaluate the record of one output whose second array is on the grid and the first is not.

    Args:
        record: the result of comparing the two arrays as floats.
        ours: the array of the original model.
        theirs: the array of the converted model.
        tolerance: how far floating-point rounding may move a value.
        grid: the steps of the quantizer that reads both.
    """
    near = np.clip(ours.astype(np.float64), grid.low, grid.high)
    got = theirs.astype(np.float64)
    steps = got / grid.step
    gaps = np.abs(near - got)
    whole = np.abs(steps - np.rint(steps)) <= _WHOLE + _EACH * np.abs(steps)
    fine = (np.abs(ours - got) <= tolerance) | (whole & (gaps <= grid.step / 2 + tolerance))
    if not fine.all():
        return record
    moved = int((np.abs(np.rint(near / grid.step) - steps) > 0.5).sum())
    finding = f"identical after the quantizer that follows (step {grid.step:.3g})"
    if moved:
        finding = (
            f"{moved} of {ours.size} values lie halfway between two steps of the quantizer that "
            f"follows ({grid.step:.3g}) and were rounded to the other step"
        )
    return replace(record, passed=True, tolerance=grid.step / 2 + tolerance, finding=finding)


def within_step(entry: Entry, feed: Arrays, record: Output, bound: float) -> bool:
    """Whether kernels that quantize activations to neighbouring steps explain a difference.

    Args:
        entry: the `Entry` of an isolated operator.
        feed: its input.
        record: the result of comparing its output.
        bound: how far floating-point rounding may move it.
    """
    step = entry.pair.step
    if step is None or entry.kernels == KERNELS[1] or record.max_abs > step(*feed.values()):
        return False
    name, others = record.name, entry.elsewhere(feed)
    return bool(others) and all(measure(name, a[name], b[name], bound).passed for a, b in others)

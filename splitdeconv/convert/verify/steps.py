"""Values that are rounded to the steps of a quantizer, compared as such.

Where a QuantizeLinear reads a transposed convolution, the rewritten one may round each of its
convolutions to the same steps. Its values then lie on the grid of that quantizer, and next to the
original's: on the nearer of two neighbouring steps, or on either of them where the original's value
lies in the middle, up to the rounding of floats.
"""

from dataclasses import replace

import numpy as np

from ...formats.cut import Grid
from .difference import Output

#: How far from a whole number of steps float32 may leave a value of the grid: in all, and for each
#: step, of which 16 bits count many.
_WHOLE, _EACH = 1e-3, 2.0**-22


def forgive_steps(record: Output, ours, theirs, tolerance, grid: Grid) -> Output:
    """The record of one output again, where the second array is on the grid and the first is not.

    Args:
        record: what comparing the two as floats came to.
        ours: the original's array.
        theirs: the converted model's.
        tolerance: how far rounding of floats may move a value.
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
    finding = f"identical in steps of the quantizer behind it, {grid.step:.3g}"
    if moved:
        finding = (
            f"{moved} of {ours.size} values, each in the middle between two steps of the quantizer "
            f"behind it ({grid.step:.3g}), went to the other one"
        )
    return replace(record, passed=True, tolerance=grid.step / 2 + tolerance, finding=finding)

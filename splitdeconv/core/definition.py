"""The definition of a transposed convolution in NumPy, with which everything else is compared.

Written from the equation of `splitdeconv.core.geometry` as a scatter-add over taps, it shares
nothing with the plan: no phases, no windows, no gathers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .typing import NumpyArray

if TYPE_CHECKING:  # the definition shares nothing with the plan; only its axes are read
    from .plan import SplitPlan


def conv_transpose(x: NumpyArray, filters: NumpyArray, plan: SplitPlan) -> NumpyArray:
    """Scatter each product of an input and a tap to its output, and crop.

    Args:
        x: array ``(batch, *spatial, in_channels)``.
        filters: array ``(*kernel_size, out_channels // groups, in_channels)``.
        plan: a `SplitPlan`, of which only ``axes`` and ``groups`` are read; or anything that has
            both.

    Returns:
        Array ``(batch, *output_shape, out_channels)``.
    """
    axes, groups = plan.axes, plan.groups
    batch, *sizes, cin = x.shape
    cout = filters.shape[-2]
    x = x.reshape(batch, *sizes, groups, cin // groups)
    w = filters.reshape(*filters.shape[:-1], groups, cin // groups)
    # Room for every product: p more outputs at the start than are kept, and as many at the end as
    # taps reach.
    lengths = [n * a.s + abs(a.p) + a.k_e + abs(a.tail) for n, a in zip(sizes, axes, strict=True)]
    canvas = np.zeros((batch, *lengths, groups, cout), np.result_type(x, filters))
    for u in np.ndindex(*(a.k for a in axes)):
        product = np.einsum("...gc,mgc->...gm", x, w[u], optimize=True)
        # Input i times tap u lands on i*s + d*u, which is output q = i*s + d*u - p; the canvas
        # starts at min(p, 0).
        first = [a.d * t - min(a.p, 0) for t, a in zip(u, axes, strict=True)]
        landing = tuple(
            slice(f, f + n * a.s, a.s) for f, n, a in zip(first, sizes, axes, strict=True)
        )
        canvas[:, *landing] += product
    outputs = [n * a.s + a.tail for n, a in zip(sizes, axes, strict=True)]
    kept = tuple(slice(max(a.p, 0), max(a.p, 0) + o) for o, a in zip(outputs, axes, strict=True))
    return canvas[:, *kept].reshape(batch, *outputs, groups * cout)


def rounding_bound(
    x: NumpyArray, filters: NumpyArray, plan: SplitPlan, epsilon: float
) -> NumpyArray:
    """How far two orders of summation may differ, per output: "equal" in floating point.

    A sum of m products, in any order, is off by at most ``gamma * sum |x||w|``,
    ``gamma = m*epsilon / (1 - m*epsilon)`` (Higham, Accuracy and Stability of Numerical Algorithms,
    2nd edition, equation 3.5); two such sums by twice that.

    Args:
        x, filters, plan: as for `conv_transpose`.
        epsilon: unit roundoff of the arithmetic, half of ``numpy.finfo(dtype).eps``.

    Returns:
        Array ``(batch, *output_shape, out_channels)``.
    """
    terms = np.prod([axis.k for axis in plan.axes]) * filters.shape[-1] // plan.groups
    gamma = terms * epsilon / (1 - terms * epsilon)
    return 2 * gamma * conv_transpose(np.abs(x), np.abs(filters), plan)

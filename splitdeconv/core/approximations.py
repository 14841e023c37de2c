"""Earlier conversions of a transposed convolution, not always exact; kept for comparison.

Split deconvolution was proposed as an alternative to two of them. Each equals, exactly, a
transposed convolution with *different* filters and a *different* crop. `approximate` returns those,
so that anything that runs a plan can run the conversion. With ``K = ceil(k/s)`` taps per phase and
``e = s*K - k`` zeros that extend a kernel:

=================  ============================  =============  =================================
method             filters                       outputs        equal to the operator it replaces
=================  ============================  =============  =================================
``shi``            ``e`` zeros behind            interior only  inside the border, always
``shi_truncated``  first ``s*floor(k/s)`` taps   interior only  inside the border, if s divides k
``shi_cropped``    the operator's own            without the    always
                                                 first s
``chang``          ``e`` zeros in front          all            if s divides k; else ``e``
                                                                outputs late
``wrong_side``     short phases one input late   all            if s divides k, or k < s: all
                                                                phases then are equally long, or
                                                                empty
=================  ============================  =============  =================================

**Sources, and what is not known.** Shi et al. (arXiv 1609.07009) show a transposed convolution of
kernel ``s*K`` to be a convolution of ``K`` taps with ``s`` times the channels per axis, whose
output is shuffled. They do not treat SAME's border: without padding, ``n`` inputs give
``s*(n - K + 1)`` outputs. Nor do they treat kernels that ``s`` does not divide: ``shi`` extends
them, the most favourable interpretation, and ``shi_truncated`` cuts them. Xu et al. (arXiv
1907.01773) compare with this form; from memory of their paper, it turns DCGAN's 64x64 image into
one of 50x50. Three layers from 8x8 with ``s*(n - 1)`` outputs each give that size, which means two
taps per phase. The benchmark's DCGAN (`splitdeconv.networks.dcgan`) has 5x5 kernels:
``shi_truncated`` has two taps there, and ``shi`` has three and gives 36x36. The authors' published
code does not show which of them was used.

Their repository also has the images that they compared (data/reference/authors_images.csv). For
DCGAN, Shi's 50x50 image is the bottom right of the right one, from pixel (14, 14) on, with an SSIM
of 0.999: the values inside are right, and the image is not cut around its middle. ``shi_cropped``
is the conversion that gives this: every layer loses its first block of s outputs at the top and at
the left and nothing else, and the losses of three layers at stride 2 add up to 8 + 4 + 2 pixels.
Under SAME, for kernels of at most three times the stride, no output that is kept meets the inputs
that the layer before lost, so that chains of such layers stay exact.

Chang et al. (TDC, IEEE TCSVT 2018) extend kernels that ``s`` does not divide. Xu et al., again from
memory, describe the zeros as being on the side where they shift the phases; that they extend the
kernel as a whole is this module's interpretation. ``wrong_side`` is not a published method but a
negative control: the zero of each short phase is at its other end.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SplitDeconvError, check_choice
from .definition import conv_transpose, rounding_bound
from .geometry import Axis
from .plan import SplitPlan, plan
from .typing import NumpyArray

METHODS = ("shi", "shi_truncated", "shi_cropped", "chang", "wrong_side")


def approximate(
    planned: SplitPlan, filters: NumpyArray, method: str
) -> tuple[SplitPlan, NumpyArray]:
    """A conversion from the literature, expressed as another transposed convolution.

    Args:
        planned: a `SplitPlan` of the operator to replace, undilated; input lengths may be unknown.
        filters: array ``(*kernel_size, out_channels // groups, in_channels)``.
        method: one of `METHODS`, described above in this module.

    Returns:
        (plan, filters) for `splitdeconv.apply`, or `splitdeconv.core.definition.conv_transpose`.
        Output 0 of the methods named ``shi...`` is output ``plan.axes[i].p - planned.axes[i].p``
        of what they replace.

    Raises:
        SplitDeconvError: an unknown method, a dilated kernel, or an input too small for the method
            to keep an output.
    """
    check_choice(method, METHODS, "method", "approximate")
    axes, filters = [], np.asarray(filters)
    for dimension, axis in enumerate(planned.axes):
        if axis.d > 1:
            raise _refusal(dimension, axis, "a kernel without dilation", "use another geometry")
        taps = _taps(axis, method)
        # A tap of None picks the plane of zeros at the end of the kernel.
        behind = [(0, int(i == dimension)) for i in range(filters.ndim)]
        places = [axis.k if tap is None else tap for tap in taps]
        filters = np.take(np.pad(filters, behind), places, axis=dimension)
        changes = {"k": len(taps)}
        if method == "shi_cropped":
            if axis.o is not None and axis.o <= axis.s:
                raise _refusal(dimension, axis, "more than s outputs", "use a larger input")
            changes |= {"p": axis.p + axis.s, "tail": axis.tail - axis.s}
        elif method.startswith("shi"):
            border = len(taps) - axis.s
            if not taps or (axis.n is not None and axis.n * axis.s <= border):
                expected = f"k >= s and more than {max(border, 0)} outputs"
                raise _refusal(dimension, axis, expected, "use a larger input")
            changes |= {"p": border, "tail": -border}
        axes.append(replace(axis, **changes))
    return replace(planned, axes=tuple(axes)), filters


def _taps(axis: Axis, method: str) -> list[int | None]:
    """The kernel's taps in the method's layout; None is a zero."""
    k, s = axis.k, axis.s
    own: list[int | None] = list(range(k))
    extension: list[int | None] = [None] * (-k % s)
    if method == "shi_truncated":
        return own[: k // s * s]
    if method == "shi_cropped":
        return own
    if method == "shi":
        return own + extension
    if method == "chang":
        return extension + own
    # Phases are the taps of one remainder mod s. From remainder k mod s on they are one tap short.
    longest = -(-k // s)
    phases = [own[r::s] for r in range(s)]
    missing: list[int | None] = [None]
    phases = [missing * (longest - len(phase)) + phase for phase in phases]
    return [phases[u % s][u // s] for u in range(s * longest)]


def survey(
    kernels: Iterable[int], strides: Iterable[int], *, size: int = 9, seed: int = 0
) -> pd.DataFrame:
    """The error of each method by kernel and stride: one SAME layer each, random data, float64.

    Args:
        kernels, strides: lengths along both axes of a 2-D layer.
        size: inputs along both axes.
        seed: of inputs and filters.

    Returns:
        DataFrame, one row per kernel, stride and method: ``k_mod_s``; ``outputs``, outputs along an
            axis, and ``expected``, those of the operator; ``error``, the root mean square
            difference from the operator's outputs divided by their root mean square, with each
            method's output aligned to the operator's; ``exact``, whether rounding explains every
            difference; and ``shifted``, the least such error when the output may be moved by whole
            pixels.
    """
    rows: list[dict[str, Any]] = []
    for k in kernels:
        for s in strides:
            rng = np.random.default_rng((seed, k, s))
            exact = plan((size, size), k, s)
            x, filters = rng.standard_normal((1, size, size, 3)), rng.standard_normal((k, k, 2, 3))
            expected = conv_transpose(x, filters, exact)
            bound = rounding_bound(x, filters, exact, np.finfo("float64").eps / 2)
            for method in METHODS:
                if method == "shi_truncated" and k < s:
                    continue  # no tap would be left
                planned, other = approximate(exact, filters, method)
                y = conv_transpose(x, other, planned)
                offset = planned.axes[0].p - exact.axes[0].p
                errors = {shift: _error(y, expected, offset - shift) for shift in range(-k, k + 1)}
                difference, least = _overlap(y, expected, offset), _overlap(y, bound, offset)
                rows.append(
                    {
                        "k": k,
                        "s": s,
                        "k_mod_s": k % s,
                        "method": method,
                        "outputs": y.shape[1],
                        "expected": expected.shape[1],
                        "error": errors[0],
                        "exact": bool((np.abs(difference[0] - difference[1]) <= least[1]).all()),
                        "shifted": min(errors.values()),
                    }
                )
    return pd.DataFrame(rows)


def _overlap(y: NumpyArray, expected: NumpyArray, offset: int) -> tuple[NumpyArray, NumpyArray]:
    """The overlapping parts of both when output 0 of y is output `offset` of `expected`."""
    first, last = max(offset, 0), min(expected.shape[1], offset + y.shape[1])
    here, there = slice(first - offset, last - offset), slice(first, last)
    return y[:, here, here], expected[:, there, there]


def _error(y: NumpyArray, expected: NumpyArray, offset: int) -> float:
    ours, theirs = _overlap(y, expected, offset)
    return float(np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2)))


def _refusal(dimension: int, axis: Axis, expected: str, fix: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the approximate conversion is not defined for this geometry",
        where=f"approximate, spatial dimension {dimension}",
        expected=expected,
        got=f"n={axis.n} k={axis.k} s={axis.s} d={axis.d}",
        fix=fix,
    )

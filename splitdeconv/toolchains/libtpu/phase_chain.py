"""Chains of transposed convolutions that keep phases separate and interleave them once at the end.

After a split transposed convolution of stride s, the phases of the output lie side by side on the
channel axis. Pixelwise operations (a bias, an activation, normalisation by constants) can be
applied in this layout, and so can the next transposed convolution: with phase ``r`` of ``S`` in its
input, ``i = S*b + r``, its output ``q = S*s*B + R`` takes from block ``b = B + m`` the tap

    u = R + p - s*r - S*s*m,     0 <= u < k,

which is one stride-1 convolution over the blocks, from all S phases to all S*s. This saves the
interleaves between the layers. In return, every pair of phases uses the whole window, which
consists mostly of zeros.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from ...core import backends
from ...core.backends.interface import Backend
from ...core.geometry import MOST_PHASES, Axis
from ...core.plan import SplitPlan
from ...core.typing import Array, NumpyArray
from ...errors import SplitDeconvError, shown


def run_phases_apart(
    plans: Sequence[SplitPlan],
    x: Array,
    weights: Sequence[tuple[Array, Array]],
    activation: Callable[[Array], Array],
) -> Array:
    """Compute a chain of 2-D transposed convolutions, each followed by a bias and an activation.

    Args:
        plans: a `SplitPlan` of any form for each layer, without groups or dilation and with an
            output of ``stride`` times the input.
        x: array ``(batch, height, width, in_channels)``.
        weights: for each layer, the filters ``(*kernel_size, out_channels, in_channels)`` and the
            bias ``(out_channels,)``.
        activation: an elementwise function of arrays.

    Returns:
        An array ``(batch, *output_shape, out_channels)``, the output of the last layer.

    Raises:
        SplitDeconvError: a plan is not supported, or plans, weights and input do not fit together.
    """
    xp = backends.of(x)
    phases: tuple[int, ...] = (1, 1)
    _check(plans, xp.shape(x), [[xp.shape(part) for part in pair] for pair in weights])
    for plan, (filters, bias) in zip(plans, weights, strict=True):
        windows = [_window(axis, count) for axis, count in zip(plan.axes, phases, strict=True)]
        pads = [(-first, first + len(taps) - 1) for first, taps in windows]
        x = xp.conv(x, _filters(xp, filters, windows), pads, (1, 1), 1)
        phases = tuple(count * axis.s for count, axis in zip(phases, plan.axes, strict=True))
        x = activation(x + xp.concat([bias] * prod(phases), 0))
    batch, height, width, channels = xp.shape(x)
    x = xp.reshape(x, (batch, height, width, *phases, channels // prod(phases)))
    x = xp.transpose(x, (0, 1, 3, 2, 4, 5))
    return xp.reshape(x, (batch, height * phases[0], width * phases[1], channels // prod(phases)))


def _window(axis: Axis, phases: int) -> tuple[int, NumpyArray]:
    """The first block read, relative to the output block, and the taps.

    The taps are indexed by position, input phase and output phase.
    """
    outputs, inputs = np.arange(phases * axis.s), np.arange(phases)
    reach = outputs + axis.p - axis.s * inputs[:, None]  # u + S*s*m
    span = phases * axis.s
    first, last = -((axis.k - 1 - reach.min()) // span), reach.max() // span
    taps = reach - span * np.arange(first, last + 1)[:, None, None]
    # A tap of k selects the plane of zeros after the kernel.
    return int(first), np.where((taps >= 0) & (taps < axis.k), taps, axis.k)


def _filters(xp: Backend, filters: Array, windows: Sequence[tuple[int, NumpyArray]]) -> Array:
    """The convolution's filters (*window, phases * in_channels, phases' * out_channels)."""
    planes = xp.transpose(xp.pad(filters, [(0, 1), (0, 1), (0, 0), (0, 0)]), (0, 1, 3, 2))
    for axis, (_, taps) in enumerate(windows):
        # One axis becomes position, input phase, output phase.
        planes = xp.take(planes, taps.tolist(), 3 * axis)
    y, r, R, x, c, C, cin, cout = xp.shape(planes)
    planes = xp.transpose(planes, (0, 3, 1, 4, 6, 2, 5, 7))
    return xp.reshape(planes, (y, x, r * c * cin, R * C * cout))


def _check(
    plans: Sequence[SplitPlan], shape: Sequence[int], weights: Sequence[Sequence[Sequence[int]]]
) -> None:
    counts = len(plans), len(weights)
    _expect("as many plans as pairs of weights, at least one", counts, 0 < counts[0] == counts[1])
    _expect("an input (batch, height, width, in_channels)", shape, len(shape) == 4)
    _, *lengths, channels = shape
    size: Sequence[int | None] = lengths
    for plan, pair in zip(plans, weights, strict=True):
        plain = all(axis.d == 1 and not axis.tail for axis in plan.axes)
        if len(plan.axes) != 2 or plan.groups != 1 or not plain:
            raise SplitDeconvError(
                "the phases of this transposed convolution cannot be kept separate",
                where="plans",
                expected="2-D, one group, no dilation, an output of stride times the input",
                got=f"axes {plan.axes}, {plan.groups} group(s)",
                fix="apply it by itself (splitdeconv.apply)",
            )
        planned = [axis.n for axis in plan.axes]
        _expect(f"an image of {planned}, as planned", size, list(size) == planned)
        kernel, given = tuple(axis.k for axis in plan.axes), [tuple(part) for part in pair]
        fits = len(given) == 2 and given[0] == (*kernel, *given[1], channels)
        filters = (*kernel, "out_channels", channels)
        _expect(f"filters {filters} and a bias (out_channels,)", given, fits)
        size, (channels,) = plan.output_shape, given[1]
    phases = prod(axis.s for plan in plans for axis in plan.axes)
    _expect(f"at most {MOST_PHASES} phases at the end", phases, phases <= MOST_PHASES)


def _expect(expected: str, got: object, fits: bool) -> None:
    if not fits:
        raise SplitDeconvError(
            "the layers do not form a chain",
            where="plans, x and weights",
            expected=expected,
            got=shown(got),
            fix="pass the plans, input and weights of consecutive layers",
        )

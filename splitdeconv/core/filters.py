"""The convolution filters of a plan, cut from those of the transposed convolution."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from . import backends
from .backends import Backend
from .convolutions import Convolution
from .plan import SplitPlan
from .typing import Array

#: Elements from which filters are large.
_LARGE = 1 << 24


def split_filters(plan: SplitPlan, filters: Array) -> tuple[Array | None, ...]:
    """The convolution filters of a plan, cut from those of the transposed convolution.

    Args:
        plan: a `SplitPlan`.
        filters: ``(*kernel_size, out_channels // groups, in_channels)``.

    Returns:
        For each of ``plan.convolutions`` an array ``(*taps, in_channels // groups, channels)`` of
        the filters' library, or None for an empty phase. ``channels`` counts (group, phase, output
        channel), slowest first.
    """
    return tuple(split_in_turn(plan, filters))


def split_in_turn(plan: SplitPlan, filters: Array, apart: bool = False) -> Iterator[Array | None]:
    """The filters of `split_filters`, one after the other.

    Args:
        plan, filters: as for `split_filters`.
        apart: transpose those of each convolution apart. It takes more operations but, when they
            run eagerly, no second copy of all filters.
    """
    xp = backends.of(filters)
    *kernel, cout, cin = xp.shape(filters)
    rank = len(kernel)
    planes = xp.reshape(filters, (*kernel, cout, plan.groups, cin // plan.groups))
    if not apart:
        # Input channels before output channels, as convolutions need. One transpose here; after
        # it, planes are only picked.
        planes = xp.transpose(planes, (*range(rank), rank + 2, rank + 1, rank))
    # A tap of None picks the plane of zeros at the end of each kernel axis.
    if plan.extended:
        planes = xp.pad(planes, [(0, 1)] * rank + [(0, 0)] * 3)
    for convolution in plan.convolutions:
        yield _pick_taps(xp, planes, convolution, plan, apart)


def is_large(filters: Array) -> bool:
    """Whether filters run eagerly are too large for a second copy of all of them."""
    return backends.of(filters).eager() and prod(filters.shape) >= _LARGE


def _pick_taps(
    xp: Backend, planes: Array, convolution: Convolution, plan: SplitPlan, turn: bool
) -> Array | None:
    """Filters of one convolution: its taps per axis, phases next to the output channels.

    Input channels come first in `planes`, or last if they are to be turned.
    """
    if 0 in convolution.kernel_size:
        return None
    rank = len(plan.axes)
    *_, cin, groups, cout = xp.shape(planes)
    inner, outer = 2 * rank, 2 * rank + 2
    if turn:
        cin, cout, inner, outer = cout, cin, outer, inner
    for i, (window, axis) in enumerate(zip(convolution.windows, plan.axes, strict=True)):
        # Picking turns one kernel axis into two: (phase, position).
        picked = [[axis.k if tap is None else tap for tap in taps] for taps in window.taps]
        if turn and np.ravel(picked).tolist() == [*range(planes.shape[2 * i])]:
            # Every plane in its order: nothing needs to be copied.
            shape = xp.shape(planes)
            planes = xp.reshape(planes, (*shape[: 2 * i], *np.shape(picked), *shape[2 * i + 1 :]))
        else:
            planes = xp.take(planes, picked, axis=2 * i)
    if turn or len(convolution.phases) > 1:
        phases, positions = range(0, 2 * rank, 2), range(1, 2 * rank, 2)
        planes = xp.transpose(planes, (*positions, inner, 2 * rank + 1, *phases, outer))
    channels = groups * len(convolution.phases) * cout
    return xp.reshape(planes, (*convolution.kernel_size, cin, channels))

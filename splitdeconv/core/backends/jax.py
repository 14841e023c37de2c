"""JAX: every operation exists on every device, with gradients, so no workarounds are needed."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from ..typing import Array, NumpyArray
from .interface import Pads
from .numpy import depth_to_space, regroup, shape  # noqa: F401 - JAX shares their array methods

if TYPE_CHECKING:
    from ..plan import SplitPlan

reshape, transpose, zeros_like = jnp.reshape, jnp.transpose, jnp.zeros_like


as_tensor, scope = jnp.asarray, jax.named_scope


def static_values(vector: Any, _: int) -> tuple[int, ...]:
    """The entries of a shape; JAX knows them all.

    Raises:
        TypeError: it is not made of integers.
    """
    return tuple(index(v) for v in vector)


def asarray(array: NumpyArray, like: Array) -> Array:
    """`array` in the library and type of `like`."""
    return jnp.asarray(array, dtype=like.dtype)


def pad(x: Array, pads: Pads) -> Array:
    """Zeros before and after each axis; negative numbers slice."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(before, after, 0) for before, after in pads])


def take(x: Array, indices: Sequence[Sequence[int]], axis: int) -> Array:
    """Gather along `axis`; it becomes the axes of `indices`."""
    return jnp.take(x, jnp.asarray(indices), axis)


def concat(parts: Sequence[Array], axis: int) -> Array:
    """Join along `axis`."""
    return jnp.concatenate(parts, axis)


def channels_first(y: Array, like: Array) -> Array:
    """`y`, channels last, with its channels first; XLA chooses the order in memory."""
    del like
    return jnp.moveaxis(y, -1, 1)


def split_channels(x: Array, parts: int) -> Sequence[Array]:
    """Equal parts of the last axis."""
    return jnp.split(x, parts, -1)


def eager() -> bool:
    """Whether operations run eagerly; assumed not, because JAX traces where it can."""
    return False


def conv(x: Array, w: Array, pads: Pads, dilations: Sequence[int], groups: int) -> Array:
    """Correlate ``(N, *spatial, C)`` with ``(*taps, C // groups, channels)``, stride 1."""
    return lax.conv_general_dilated(
        x,
        w,
        (1,) * len(pads),
        pads,
        rhs_dilation=dilations,
        dimension_numbers=_layouts(len(pads)),
        feature_group_count=groups,
    )


def conv_transpose(x: Array, filters: Array, plan: SplitPlan) -> Array:
    """XLA's own transposed convolution: one convolution with `lhs_dilation`."""
    rank, groups = len(plan.axes), plan.groups
    *kernel, cout, cin = filters.shape
    w = jnp.flip(filters, range(rank)).reshape(*kernel, cout, groups, cin // groups)
    w = jnp.moveaxis(w, -1, rank).swapaxes(-1, -2).reshape(*kernel, cin // groups, groups * cout)
    # Window starts at the first product that is kept; its stop follows from the output length.
    pads = [(a.k_e - 1 - a.p, a.s - 1 + a.tail + a.p) for a in plan.axes]
    return lax.conv_general_dilated(
        x,
        w,
        (1,) * rank,
        pads,
        lhs_dilation=[a.s for a in plan.axes],
        rhs_dilation=[a.d for a in plan.axes],
        dimension_numbers=_layouts(rank),
        feature_group_count=groups,
    )


def _layouts(rank: int) -> tuple[str, str, str]:
    spatial = "DHW"[3 - rank :]
    return f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"

"""NumPy: the backend without a framework, with the simplest implementation of each operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..definition import conv_transpose as _definition
from ..typing import Array, NumpyArray
from .interface import Pads

if TYPE_CHECKING:
    from ..plan import SplitPlan


def asarray(array: NumpyArray, like: Array) -> NumpyArray:
    """`array` in the library and type of `like`."""
    return np.asarray(array, dtype=like.dtype)


def shape(x: NumpyArray) -> tuple[int, ...]:
    """Lengths of all axes."""
    return x.shape


reshape, transpose, zeros_like = np.reshape, np.transpose, np.zeros_like


def regroup(x: Array, apart: Sequence[int], lengths: Sequence[int]) -> Array:
    """Reshape to `lengths`."""
    del apart
    return x.reshape(lengths)


def pad(x: NumpyArray, pads: Pads) -> NumpyArray:
    """Zeros before and after each axis; negative numbers slice."""
    x = np.pad(x, [(max(before, 0), max(after, 0)) for before, after in pads])
    return x[tuple(slice(max(-before, 0), min(after, 0) or None) for before, after in pads)]


def take(x: NumpyArray, indices: Sequence[Sequence[int]], axis: int) -> NumpyArray:
    """Gather along `axis`; it becomes the axes of `indices`."""
    return np.take(x, np.asarray(indices), axis)


def concat(parts: Sequence[NumpyArray], axis: int) -> NumpyArray:
    """Join along `axis`."""
    return np.concatenate(parts, axis)


def split_channels(x: NumpyArray, parts: int) -> list[NumpyArray]:
    """Equal parts of the last axis."""
    return np.split(x, parts, -1)


def depth_to_space(x: Array, s: int) -> Array:
    """(N, H, W, s*s*C) -> (N, H*s, W*s, C), the phase slowest in the channels."""
    n, h, w, c = x.shape
    apart = x.reshape(n, h, w, s, s, c // s**2)
    return apart.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * s, w * s, c // s**2)


def eager() -> bool:
    """Whether operations run eagerly; NumPy's always do."""
    return True


def conv(
    x: NumpyArray, w: NumpyArray, pads: Pads, dilations: Sequence[int], groups: int
) -> NumpyArray:
    """Correlate ``(N, *spatial, C)`` with ``(*taps, C // groups, channels)``, stride 1."""
    rank = len(pads)
    x = pad(x, [(0, 0), *pads, (0, 0)])
    lengths = [
        n - d * (k - 1) for n, d, k in zip(x.shape[1:-1], dilations, w.shape[:rank], strict=True)
    ]
    x = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    w = w.reshape(*w.shape[:-1], groups, w.shape[-1] // groups)
    y = np.zeros((x.shape[0], *lengths, groups, w.shape[-1]), np.result_type(x, w))
    for tap in np.ndindex(*w.shape[:rank]):
        reach = tuple(
            slice(t * d, t * d + n) for t, d, n in zip(tap, dilations, lengths, strict=True)
        )
        y += np.einsum("...gc,cgm->...gm", x[:, *reach], w[tap], optimize=True)
    return y.reshape(*y.shape[:-2], groups * y.shape[-1])


def conv_transpose(x: NumpyArray, filters: NumpyArray, plan: SplitPlan) -> NumpyArray:
    """The definition."""
    return _definition(x, filters, plan)

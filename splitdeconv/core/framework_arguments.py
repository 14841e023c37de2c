"""Arguments as `tf.nn` takes them: arrays, whole shapes, values for every axis or for some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import SplitDeconvError, shown
from . import backends
from .backends import Backend
from .typing import Array, ArrayLike, ShapeLike


def arrays(x: ArrayLike, filters: ArrayLike, rank: int) -> tuple[Array, Array]:
    """The input as array of a framework; NumPy filters stay, to be split on the host."""
    try:
        library = backends.of(x).__name__
    except SplitDeconvError:
        library = ""
    if not library.endswith(("tensorflow", "jax", "torch")):
        x = _convert(backends.tensor, x, "input")
    if not isinstance(filters, np.ndarray):
        filters = _convert(backends.of(x).as_tensor, filters, "filters")
    for name, array, also in (("input", x, ""), ("filters", filters, ", all known and at least 1")):
        lengths = backends.static_shape(array)
        if len(lengths) != rank + 2 or (also and not all(lengths)):
            raise SplitDeconvError(
                f"the {name} cannot have this shape",
                where=f"conv{rank}d_transpose",
                expected=f"{rank + 2} dimensions{also}",
                got=f"shape {array.shape}",
            )
    return x, filters


def _convert(convert: Callable[[ArrayLike], Array], value: ArrayLike, name: str) -> Array:
    """`value` as an array of the library that `convert` belongs to."""
    try:
        return convert(value)
    except SplitDeconvError:
        raise
    except (TypeError, ValueError) as error:
        raise SplitDeconvError(
            f"the {name} cannot be converted to an array",
            where=name,
            expected="an array of floats",
            got=f"{type(value)}: {error}",
        ) from error


def spatial_part(value: Any, rank: int, spatial: slice, name: str) -> Any:
    """The spatial part of an argument that may be given for every dimension, as tf.nn allows."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return value
    if len(value) == 1 and name != "padding":
        return tuple(value) * rank
    if len(value) != rank + 2:
        return value
    neutral = "[0, 0]" if name == "padding" else "1"
    others = [v for i, v in enumerate(value) if i not in range(rank + 2)[spatial]]
    if any(str(list(v) if isinstance(v, tuple) else v) != neutral for v in others):
        raise SplitDeconvError(
            f"{name} may not touch batch or channels",
            where=name,
            expected=f"{neutral} for both",
            got=shown(value),
        )
    return tuple(value)[spatial]


def read_output_shape(
    xp: Backend, output_shape: ShapeLike, sizes: tuple[int | None, ...]
) -> tuple[int | None, ...]:
    """All entries of an output shape; None for those that are only known at run time."""
    rank = len(sizes) - 2
    if output_shape is None:
        return (None,) * (rank + 2)
    try:
        known = xp.static_values(output_shape, rank + 2)
    except (TypeError, ValueError):
        known = ()
    if len(known) != rank + 2:
        raise SplitDeconvError(
            "invalid output shape",
            where="output_shape",
            expected=f"{rank + 2} lengths, batch and channels included, "
            "as list or tensor of integers; or None",
            got=shown(output_shape),
        )
    if None not in (known[0], sizes[0]) and known[0] != sizes[0]:
        raise SplitDeconvError(
            "output_shape has a different batch size from the input",
            where="output_shape",
            expected=f"a batch of {sizes[0]}",
            got=f"a batch of {known[0]}",
        )
    return known


def count_groups(channels: int | None, per_group: int) -> int:
    """Channel groups, from the output's channels and those of one group of the filters."""
    if channels is None:
        return 1
    if channels < 1 or channels % per_group:
        raise SplitDeconvError(
            "the output's channels do not fit the filters",
            where="output_shape",
            expected=f"a multiple of the filters' {per_group} output channels",
            got=f"{channels} channels",
        )
    return channels // per_group

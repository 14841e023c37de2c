"""PyTorch: convolutions of `torch.nn.functional` on permuted views of channels-last tensors.

A view costs nothing: a channels-last tensor, permuted, is what PyTorch calls `channels_last`, and
one of a channels-first tensor is that tensor again. Filters and results stay on the input's device.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from ...errors import SplitDeconvError
from ..typing import Array, ArrayLike, NumpyArray
from .interface import Pads

if TYPE_CHECKING:
    from ..plan import SplitPlan

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}

reshape, transpose, zeros_like = torch.reshape, torch.permute, torch.zeros_like
#: PyTorch has no names for operations.
scope = nullcontext


def asarray(array: NumpyArray, like: Array) -> Array:
    """`array` in the library, type and device of `like`."""
    # NumPy's bfloat16 is a type that PyTorch does not know.
    array = array.astype(np.float32) if array.dtype.kind == "V" else array
    return torch.tensor(np.ascontiguousarray(array)).to(like)


def as_tensor(value: ArrayLike) -> Array:
    """`value` as a tensor; arrays of other libraries by way of NumPy.

    Raises:
        TypeError, ValueError: it is not made of numbers.
    """
    if isinstance(value, torch.Tensor):
        return value
    if hasattr(value, "__array__"):
        value = np.array(value)
        value = value.astype(np.float32) if value.dtype.kind == "V" else value
    try:
        return torch.as_tensor(value)
    except RuntimeError as error:  # for None, for instance
        raise TypeError(str(error)) from error


def shape(x: Array) -> tuple[Any, ...]:
    """Lengths of all axes: ints, or symbols of a traced program."""
    return tuple(x.shape)


def static_values(vector: Any, _: int) -> tuple[int | None, ...]:
    """The entries of a shape; None for symbols of a traced program.

    Raises:
        TypeError: it is not made of integers.
    """
    if isinstance(vector, torch.Tensor):
        vector = vector.tolist()
    return tuple(None if isinstance(v, torch.SymInt) else index(v) for v in vector)


def check_shape(x: Array, expected: Any, known: Sequence[int | None]) -> Array:
    """`x`, once it is known to have the expected shape."""
    for length, other in zip(x.shape, expected, strict=True):
        torch._check(length == other)
    return x


def check_arrays(x: Array, filters: Array, where: str) -> None:
    """Refuse tensors that cannot be multiplied: of other types or layouts, or not side by side.

    Raises:
        SplitDeconvError: they are not dense tensors of one floating-point type on one device.
            Autocast casts float16, bfloat16 and float32 itself, and NumPy filters are cast.
    """
    _check_tensor(x, "input", where)
    if isinstance(filters, np.ndarray):
        fits = filters.dtype.kind in "buifV"
    else:
        _check_tensor(filters, "filters", where)
        if filters.device != x.device:
            raise SplitDeconvError(
                "input and filters are on different devices",
                where=where,
                expected="one device",
                got=f"input on {x.device}, filters on {filters.device}",
                fix="move one of them with .to()",
            )
        types = {x.dtype, filters.dtype}
        cast = torch.is_autocast_enabled(x.device.type) and torch.float64 not in types
        fits = len(types) == 1 or cast
    if not fits:
        raise SplitDeconvError(
            "incompatible types of input and filters",
            where=where,
            expected="one type, or NumPy filters that the input's type can hold",
            got=f"input {x.dtype}, filters {filters.dtype}",
            fix="cast one of them",
        )


def _check_tensor(x: Array, name: str, where: str) -> None:
    """Refuse a tensor that is not dense or not of a floating-point type of 16 bits or more."""
    if x.layout != torch.strided:
        raise SplitDeconvError(
            f"the {name} is not a dense tensor",
            where=where,
            expected="a tensor of the layout torch.strided",
            got=str(x.layout),
            fix="convert it with .to_dense()",
        )
    if x.dtype not in _FLOATS:
        raise SplitDeconvError(
            f"the {name} is not of a floating-point type",
            where=where,
            expected="float16, bfloat16, float32 or float64",
            got=str(x.dtype),
            fix="dequantize it" if x.is_quantized else "cast it with .to()",
        )


def pad(x: Array, pads: Pads) -> Array:
    """Zeros before and after each axis; negative numbers slice, after the zeros are added."""
    if any(before > 0 or after > 0 for before, after in pads):
        flat = [max(n, 0) for pair in reversed(pads) for n in pair]
        x = functional.pad(x, flat)
    if any(before < 0 or after < 0 for before, after in pads):
        x = x[tuple(slice(max(-before, 0), min(after, 0) or None) for before, after in pads)]
    return x


def regroup(x: Array, apart: Sequence[Any], lengths: Sequence[Any]) -> Array:
    """Reshape to `lengths` in two steps, of views.

    In one step, `torch.export` assumes something about lengths that it keeps open.
    """
    return x.reshape(tuple(apart)).reshape(tuple(lengths))


def take(x: Array, indices: Sequence[Sequence[int]], axis: int) -> Array:
    """Gather along `axis`; it becomes the axes of `indices`."""
    # Not by a tensor of indices, which each call would copy to the device.
    planes = x.unbind(axis)
    flat = torch.stack([planes[i] for row in indices for i in row], axis)
    return flat.unflatten(axis, (len(indices), len(indices[0])))


def concat(parts: Sequence[Array], axis: int) -> Array:
    """Join along `axis`."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), axis)


def split_channels(x: Array, parts: int) -> Sequence[Array]:
    """Equal parts of the last axis."""
    return torch.split(x, x.shape[-1] // parts, -1)


def depth_to_space(x: Array, s: int) -> Array:
    """(N, H, W, s*s*C) -> (N, H*s, W*s, C), the phase slowest in the channels."""
    n, h, w, c = x.shape
    apart = x.reshape(n, h, w, s, s, c // s**2)
    return apart.permute(0, 1, 3, 2, 4, 5).reshape(n, h * s, w * s, c // s**2)


def eager() -> bool:
    """Whether operations run eagerly: not where a program is traced."""
    return not torch.compiler.is_compiling()


def conv(x: Array, w: Array, pads: Pads, dilations: Sequence[int], groups: int) -> Array:
    """Correlate ``(N, *spatial, C)`` with ``(*taps, C // groups, channels)``, stride 1."""
    rank = len(pads)
    x = _first(x)
    alike = all(before == after >= 0 for before, after in pads)
    if not alike:
        x = pad(x, [(0, 0), (0, 0), *pads])
    around = [before for before, _ in pads] if alike else 0
    return _last(_CONVOLUTIONS[rank](x, _weight(w), None, 1, around, list(dilations), groups))


def conv_transpose(x: Array, filters: Array, plan: SplitPlan) -> Array:
    """PyTorch's own operator, and a crop or zeros where its arguments cannot give the output."""
    rank = len(plan.axes)
    w = _weight(filters)
    strides, dilations, crops = ([getattr(a, letter) for a in plan.axes] for letter in "sdp")
    # What is left to add at the end once as much is cropped there as at the start.
    extra = [a.s + a.tail + 2 * a.p - a.k_e for a in plan.axes]
    if all(a.p >= 0 and 0 <= e < max(a.s, a.d) for a, e in zip(plan.axes, extra, strict=True)):
        own = _TRANSPOSED[rank]
        return _last(own(_first(x), w, None, strides, crops, extra, plan.groups, dilations))
    y = _TRANSPOSED[rank](_first(x), w, None, strides, 0, 0, plan.groups, dilations)
    around = [(-a.p, a.tail + a.s - a.k_e + a.p) for a in plan.axes]
    return _last(pad(y, [(0, 0), (0, 0), *around]))


def channels_first(y: Array, like: Array) -> Array:
    """`y` with its channels first, contiguous or `channels_last` in memory as `like` is."""
    strides = like.stride()
    if like.dim() > 3 and strides[1] == 1 and strides[-1] > 1:
        return _first(y.contiguous())
    return _first(y).contiguous()


def _weight(w: Array) -> Array:
    """``(*taps, a, b)`` as ``(b, a, *taps)``, PyTorch's order of any filters."""
    rank = w.dim() - 2
    # Copied, because PyTorch 2.13 has no gradient of a convolution on a CPU for filters that are
    # permuted, in some types and sizes.
    return w.permute(rank + 1, rank, *range(rank)).contiguous()


def _first(x: Array) -> Array:
    """A view with the channels before the spatial axes."""
    return x.movedim(-1, 1)


def _last(x: Array) -> Array:
    """A view with the channels after the spatial axes."""
    return x.movedim(1, -1)

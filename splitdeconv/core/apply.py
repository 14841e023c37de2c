"""Run a plan on arrays: convolve with the split filters, interleave, crop.

Everything here is channels-last and written against the few operations a backend offers
(`splitdeconv.core.backends`), so NumPy, TensorFlow, JAX and PyTorch compute the same thing from
the same plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..errors import SplitDeconvError, check_choice
from . import backends
from .backends import Backend
from .filters import is_large, split_in_turn
from .forms import INTERLEAVES, check_depth_to_space
from .geometry import Axis, known
from .kernels import Kernels, Size
from .plan import SplitPlan
from .typing import Array

# Kinds of dtype that can be cast without loss; "V" is bfloat16, which NumPy does not recognise as a
# float.
_LEVELS = {"b": 0, "u": 0, "i": 0, "f": 1, "V": 1, "c": 2}


@backends.untranslated
def apply(plan: SplitPlan, x: Array, filters: Array, *, interleave: str = "concat") -> Array:
    """Compute a planned transposed convolution by its stride-1 convolutions.

    Args:
        plan: a `SplitPlan` of any form.
        x: NumPy array, TensorFlow or PyTorch tensor, or JAX array
            ``(batch, *spatial, in_channels)``.
        filters: ``(*kernel_size, out_channels // groups, in_channels)``, TensorFlow's layout. They
            are split on every call, except that in a traced function NumPy filters are split once,
            at trace time, and become constants.
        interleave: how the phases are interleaved: "concat" (concatenations and reshapes only),
            "depth_to_space" (equal strides only), "transpose".

    Returns:
        An array of x's library ``(batch, *output_shape, out_channels)``.

    Raises:
        SplitDeconvError: shapes or types do not fit, or the strides rule out the interleave.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> x = np.array([[[1.0], [2.0], [3.0]]], "float32")
        >>> filters = np.array([[[1.0]], [[10.0]], [[100.0]]], "float32")
        >>> sd.apply(sd.plan((3,), 3, 2), x, filters).ravel().tolist()
        [1.0, 10.0, 102.0, 20.0, 203.0, 30.0]
    """
    if backends.compiling():
        # The compiler passes no plans, but what they are made of.
        axes = tuple((a.n, a.k, a.s, a.d, a.p, a.tail) for a in plan.axes)
        sizes = None if plan.kernels is None else plan.kernels.sizes
        return _apply_in_graph(axes, plan.groups, plan.form, sizes, x, filters, interleave)
    xp = backends.of(x)
    _check(plan, x, filters, interleave)
    # While a function is traced, NumPy splits constant filters once; in eager mode x's library is
    # faster.
    constant = isinstance(filters, np.ndarray)
    if constant and (plan.form == "native" or xp.eager()):
        filters, constant = xp.asarray(filters, like=x), False
    if plan.form == "native":
        return xp.conv_transpose(x, filters, plan)
    weights: Iterable[Array | None] = split_in_turn(plan, filters, is_large(filters))
    if constant:
        weights = [None if w is None else xp.asarray(w, like=x) for w in weights]
    x = _insert_zeros(xp, x, plan)
    outputs = [
        None if w is None else xp.conv(x, w, c.pads, c.dilations, plan.groups)
        for c, w in zip(plan.convolutions, weights, strict=True)
    ]
    outputs = _fill_empty(xp, outputs)
    if plan.groups > 1:
        outputs = [
            _phases_first(xp, y, len(c.phases), plan.groups)
            for c, y in zip(plan.convolutions, outputs, strict=True)
        ]
    if interleave == "concat":
        return _crop(xp, _join_by_concat(xp, plan, outputs), plan)
    return _crop(xp, _join_by_transpose(xp, plan, outputs, interleave), plan)


@backends.in_graph
def _apply_in_graph(
    axes: tuple[tuple[Any, ...], ...],
    groups: int,
    form: str,
    sizes: tuple[Size, ...] | None,
    x: Array,
    filters: Array,
    interleave: str,
) -> Array:
    axes, groups, sizes = backends.settled((axes, groups, sizes))
    kernels = None if sizes is None else Kernels(sizes)
    plan = SplitPlan(tuple(Axis(*axis) for axis in axes), groups, form, kernels)
    return apply(plan, x, filters, interleave=interleave)


def _insert_zeros(xp: Backend, x: Array, plan: SplitPlan) -> Array:
    """Follow every input by stride - 1 zeros, per axis: the input of the NZP baseline."""
    for axis, step in enumerate(plan.insertion, start=1):
        if step > 1:
            shape = xp.shape(x)
            x = xp.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
            after = [(0, 0)] * (len(shape) - axis - 1)
            x = xp.pad(x, [(0, 0)] * (axis + 1) + [(0, step - 1)] + after)
            x = xp.reshape(x, (*shape[:axis], shape[axis] * step, *shape[axis + 1 :]))
    return x


def _fill_empty(xp: Backend, outputs: list[Array | None]) -> list[Array]:
    """Zeros for the empty phases, of the others' shape; at least one phase is not empty."""
    if all(y is not None for y in outputs):
        return outputs
    zeros = xp.zeros_like(next(y for y in outputs if y is not None))
    return [zeros if y is None else y for y in outputs]


def _phases_first(xp: Backend, y: Array, phases: int, groups: int) -> Array:
    """Reorder channels of a grouped convolution to (phase, group, channel)."""
    if phases == 1:
        return y
    *lead, channels = xp.shape(y)
    y = xp.reshape(y, (*lead, groups, phases, channels // (groups * phases)))
    rank = len(lead)
    y = xp.transpose(y, (*range(rank), rank + 1, rank, rank + 2))
    return xp.reshape(y, (*lead, channels))


def _join_by_concat(xp: Backend, plan: SplitPlan, outputs: Sequence[Array]) -> Array:
    """Interleave with CONCATENATION and one RESHAPE, which the memory order makes sufficient.

    With the phases of the last axis side by side on the channels, and those of every outer axis
    side by side on the next inner axis, the elements already lie in the order of the output's
    pixels: (b0)(s0 b1)(s1 b2)(s2 c).
    """
    rows = _phase_rows(xp, plan, outputs)
    strides = plan.phase_counts
    for axis in reversed(range(len(strides) - 1)):
        leads = product(*map(range, strides[:axis]))
        rows = {
            lead: xp.concat([rows[*lead, r] for r in range(strides[axis])], axis + 2)
            for lead in leads
        }
    y = rows[()]
    if max(strides) == 1:
        return y
    batch, *lengths, channels = xp.shape(y)
    blocks = [n // s for n, s in zip(lengths, (1, *strides), strict=False)]
    pairs = list(zip(blocks, strides, strict=True))
    apart = [length for pair in pairs for length in pair]
    rest = channels // strides[-1]
    return xp.regroup(y, (batch, *apart, rest), (batch, *(b * s for b, s in pairs), rest))


def _phase_rows(
    xp: Backend, plan: SplitPlan, outputs: Sequence[Array]
) -> dict[tuple[int, ...], Array]:
    """All phases of the last axis side by side on the channels, per phase of the outer axes."""
    rows: dict[tuple[int, ...], list[Array]] = {}
    for convolution, y in zip(plan.convolutions, outputs, strict=True):
        leads = list(product(*(w.phases for w in convolution.windows[:-1])))
        for lead, part in zip(leads, xp.split_channels(y, len(leads)), strict=True):
            rows.setdefault(lead, []).append(part)
    return {lead: xp.concat(parts, -1) for lead, parts in rows.items()}


def _join_by_transpose(
    xp: Backend, plan: SplitPlan, outputs: Sequence[Array], interleave: str
) -> Array:
    """Interleave by DEPTH_TO_SPACE, or by one transpose of rank 1 + 2 * spatial + 1."""
    y = xp.concat(outputs, -1)
    strides = plan.phase_counts
    if max(strides) == 1:
        return y
    if interleave == "depth_to_space":
        return xp.depth_to_space(y, strides[0])
    batch, *blocks, channels = xp.shape(y)
    rank = len(blocks)
    y = xp.reshape(y, (batch, *blocks, *strides, channels // prod(strides)))
    pairs = [axis for i in range(rank) for axis in (1 + i, 1 + rank + i)]
    y = xp.transpose(y, (0, *pairs, 1 + 2 * rank))
    sizes = [b * s for b, s in zip(blocks, strides, strict=True)]
    return xp.reshape(y, (batch, *sizes, channels // prod(strides)))


def _crop(xp: Backend, y: Array, plan: SplitPlan) -> Array:
    """Drop the outputs that the alignment added at the start and the block grid at the end."""
    if not any(map(any, plan.crop)):
        return y
    return xp.pad(y, [(0, 0), *((-start, -end) for start, end in plan.crop), (0, 0)])


def _check(plan: SplitPlan, x: Array, filters: Array, interleave: str) -> None:
    """Reject shapes that do not fit the plan before any framework sees them."""
    where = "apply"
    check_choice(interleave, INTERLEAVES, "interleave", where)
    _check_types(x, filters, where)
    if interleave == "depth_to_space":
        check_depth_to_space(plan.phase_counts, where)
    rank = len(plan.axes)
    kernel = tuple(axis.k for axis in plan.axes)
    shape = backends.static_shape(filters)
    if len(shape) != rank + 2 or shape[:rank] != kernel or not all(shape):
        raise SplitDeconvError(
            "the filters do not fit the plan",
            where=where,
            expected=f"shape {(*kernel, 'out_channels // groups', 'in_channels')}, "
            "no length 0 or unknown",
            got=f"shape {filters.shape}",
        )
    lengths, channels = backends.static_shape(x), known(shape[-1])
    fits = len(lengths) == rank + 2 and all(
        a.n in (n, None) or n is None for a, n in zip(plan.axes, lengths[1:-1], strict=True)
    )
    if not fits or lengths[-1] != channels or channels % plan.groups:
        raise SplitDeconvError(
            "the input does not fit the plan and its filters",
            where=where,
            expected=f"shape {('batch', *(a.n for a in plan.axes), channels)}, "
            f"channels in {plan.groups} group(s)",
            got=f"shape {x.shape}",
        )


def _check_types(x: Array, filters: Array, where: str) -> None:
    """Reject filters of a library or type that cannot be multiplied with x.

    NumPy filters are cast to the type of x, unless the cast would lose their values.
    """
    constant = isinstance(filters, np.ndarray)
    if not constant and backends.of(filters) is not backends.of(x):
        raise SplitDeconvError(
            "input and filters are arrays of different libraries",
            where=where,
            expected="arrays of one library, or NumPy filters",
            got=f"input {type(x).__name__}, filters {type(filters).__name__}",
            fix="convert one of them",
        )
    if hasattr(backends.of(x), "check_arrays"):
        backends.of(x).check_arrays(x, filters, where)
        return
    # A kind that the table lacks, such as texts, is held by nothing and holds nothing.
    held, holds = _LEVELS.get(_kind(filters), 3), _LEVELS.get(_kind(x), -1)
    fits = held <= holds if constant else x.dtype == filters.dtype and held <= holds
    if not fits:
        raise SplitDeconvError(
            "incompatible types of input and filters",
            where=where,
            expected="one type, or NumPy filters that the input's type can hold",
            got=f"input {x.dtype}, filters {filters.dtype}",
            fix="cast one of them",
        )


def _kind(array: Array) -> str:
    """The letter of NumPy for the kind of an array's numbers."""
    return np.dtype(getattr(array.dtype, "as_numpy_dtype", array.dtype)).kind

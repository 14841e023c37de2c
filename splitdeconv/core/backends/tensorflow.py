"""TensorFlow: tf.nn.conv{1,2,3}d, with workarounds for gaps in its CPU kernels.

On a CPU, TensorFlow 2.21 has no gradient for dilated or grouped convolutions outside XLA. Both are
therefore built from plain ones: dilation by space-to-batch, groups by one convolution each (or a
depthwise one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ..typing import Array, NumpyArray
from .interface import Pads

if TYPE_CHECKING:
    from ..plan import SplitPlan

transpose, zeros_like = tf.transpose, tf.zeros_like
scope, as_tensor = tf.name_scope, tf.convert_to_tensor

_LATE = (
    "output_shape is not the default: a size that is only known when it runs must be "
    "what input and padding give; "
    "for another one pass known lengths, of an input whose size is known"
)


def asarray(array: NumpyArray, like: Array) -> Array:
    """`array` in the library and type of `like`."""
    return tf.constant(array, dtype=like.dtype)


def shape(x: Array) -> tuple[Any, ...]:
    """Lengths of all axes: ints where known, else scalar tensors."""
    lengths = x.shape.as_list()
    if None in lengths:
        dynamic = tf.shape(x)
        lengths = [dynamic[i] if n is None else n for i, n in enumerate(lengths)]
    return tuple(lengths)


def static_values(vector: Any, count: int) -> tuple[int | None, ...]:
    """The entries of a shape, None where only known at run time; `count` of them if unknown.

    Raises:
        TypeError, ValueError: it is not a vector of integers.
    """
    vector = tf.convert_to_tensor(vector)
    if not vector.dtype.is_integer or vector.shape.rank not in (1, None):
        raise TypeError(f"a shape cannot be {vector}")
    values = tf.get_static_value(vector, partial=True)
    if values is None:
        values = [None] * (vector.shape.num_elements() or count)
    return tuple(None if v is None else int(v) for v in values)


def check_shape(x: Array, expected: Any, known: Sequence[int | None]) -> Array:
    """x, after a check at run time that it has the expected shape, of which `known` is static."""
    x = tf.ensure_shape(x, known)
    if None not in known[1:]:
        return x
    actual, expected = tf.shape(x), tf.cast(expected, tf.int32)
    check = tf.debugging.assert_equal(actual, expected, _LATE)
    with tf.control_dependencies([] if check is None else [check]):
        # XLA drops assertions. It keeps a slice, which cannot enlarge, and a reshape, which cannot
        # shrink.
        return tf.reshape(tf.slice(x, tf.zeros_like(actual), expected), actual)


def reshape(x: Array, lengths: Sequence[Any]) -> Array:
    """Reshape; one unknown length becomes -1, so that a dynamic batch needs no shape arithmetic."""
    unknown = [i for i, n in enumerate(lengths) if tf.is_tensor(n)]
    if len(unknown) == 1:
        lengths = [-1 if i in unknown else n for i, n in enumerate(lengths)]
    return tf.reshape(x, lengths)


def regroup(x: Array, apart: Sequence[Any], lengths: Sequence[Any]) -> Array:
    """Reshape to `lengths`, in one operator."""
    del apart
    return reshape(x, lengths)


def pad(x: Array, pads: Pads) -> Array:
    """Zeros before and after each axis; negative numbers slice, after the zeros are added."""
    if any(before > 0 or after > 0 for before, after in pads):
        x = tf.pad(x, [(max(before, 0), max(after, 0)) for before, after in pads])
    if any(before < 0 or after < 0 for before, after in pads):
        x = x[tuple(slice(max(-before, 0), min(after, 0) or None) for before, after in pads)]
    return x


def take(x: Array, indices: Sequence[Sequence[int]], axis: int) -> Array:
    """Gather along `axis`; it becomes the axes of `indices`."""
    return tf.gather(x, indices, axis=axis)


def concat(parts: Sequence[Array], axis: int) -> Array:
    """Join along `axis`."""
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis)


def channels_first(y: Array, like: Array) -> Array:
    """`y`, channels last, with its channels first."""
    del like
    last = len(y.shape) - 1
    return tf.transpose(y, (0, last, *range(1, last)))


def split_channels(x: Array, parts: int) -> Sequence[Array]:
    """Equal parts of the last axis."""
    return [x] if parts == 1 else tf.split(x, parts, -1)


def depth_to_space(x: Array, s: int) -> Array:
    """(N, H, W, s*s*C) -> (N, H*s, W*s, C), the phase slowest in the channels."""
    return tf.nn.depth_to_space(x, s)


def conv(x: Array, w: Array, pads: Pads, dilations: Sequence[int], groups: int) -> Array:
    """Correlate ``(N, *spatial, C)`` with ``(*taps, C // groups, channels)``, stride 1."""
    if max(dilations) > 1:
        return _dilated(x, w, pads, dilations, groups)
    if groups > 1:
        return _grouped(x, w, pads, groups)
    if x.shape[0] == 0:
        # For an empty batch, oneDNN's kernels and their gradients return the input's shape. Nothing
        # needs to be computed; only the shape and the dependencies must be right.
        lengths = [
            n + sum(p) - k + 1 for n, p, k in zip(shape(x)[1:-1], pads, w.shape, strict=False)
        ]
        return tf.broadcast_to(tf.reduce_sum(x) + tf.reduce_sum(w), (0, *lengths, w.shape[-1]))
    return _convolve(x, w, pads)


def _convolve(x: Array, w: Array, pads: Pads) -> Array:
    """A plain convolution by the operator of its rank."""
    if len(pads) == 2 and all(before * after >= 0 for before, after in pads):
        # conv2d pads internally, which saves a padded copy of the input per phase; it cannot slice.
        x = pad(x, [(0, 0), *((min(before, 0), min(after, 0)) for before, after in pads), (0, 0)])
        widths = [(max(before, 0), max(after, 0)) for before, after in pads]
        return tf.nn.conv2d(x, w, 1, [(0, 0), *widths, (0, 0)])
    x = pad(x, [(0, 0), *pads, (0, 0)])
    convolve = {1: tf.nn.conv1d, 2: tf.nn.conv2d, 3: tf.nn.conv3d}[len(pads)]
    return convolve(x, w, _ones(x), "VALID")


def eager() -> bool:
    """Whether operations run eagerly: TensorFlow then handles constants faster than NumPy."""
    return tf.executing_eagerly()


def native(rank: int) -> Callable[..., Array]:
    """tf.nn's own operator of a rank."""
    return {1: tf.nn.conv1d_transpose, 2: tf.nn.conv2d_transpose, 3: tf.nn.conv3d_transpose}[rank]


def conv_transpose(x: Array, filters: Array, plan: SplitPlan) -> Array:
    """TensorFlow's own operator, in its VALID form, which all ranks share, and a crop."""
    batch, *sizes, _ = shape(x)
    full = [(n - 1) * a.s + a.k_e for n, a in zip(sizes, plan.axes, strict=True)]
    output = tf.stack([batch, *full, filters.shape[-2] * plan.groups])
    strides, dilations = ([getattr(a, letter) for a in plan.axes] for letter in "sd")
    y = tf.nn.conv_transpose(x, filters, output, strides, "VALID", dilations=dilations)
    return pad(y, [(0, 0), *((-a.p, a.tail + a.s - a.k_e + a.p) for a in plan.axes), (0, 0)])


def _ones(x: Array) -> tuple[int, ...]:
    """A stride of 1 along every axis of x."""
    return (1,) * len(x.shape)


def _dilated(x: Array, w: Array, pads: Pads, dilations: Sequence[int], groups: int) -> Array:
    """Gather every d-th input into separate images, convolve those, and put the results back."""
    rank = len(pads)
    x = pad(x, [(0, 0), *pads, (0, 0)])
    # Padding that fills the last image to full length becomes surplus results at the end, which are
    # cropped.
    fills = [(0, -n % d) for n, d in zip(shape(x)[1:-1], dilations, strict=True)]
    y = conv(tf.space_to_batch(x, dilations, fills), w, ((0, 0),) * rank, (1,) * rank, groups)
    return tf.batch_to_space(y, dilations, fills)


def _grouped(x: Array, w: Array, pads: Pads, groups: int) -> Array:
    """One convolution per group; a depthwise one where each group has a single input channel."""
    rank = len(pads)
    if w.shape[-2] == 1 and rank == 2:
        x = pad(x, [(0, 0), *pads, (0, 0)])
        filters = tf.reshape(w, (*w.shape[:2], groups, -1))
        return tf.nn.depthwise_conv2d(x, filters, _ones(x), "VALID")
    parts = zip(tf.split(x, groups, -1), tf.split(w, groups, -1), strict=True)
    return tf.concat([conv(part, filters, pads, (1,) * rank, 1) for part, filters in parts], -1)

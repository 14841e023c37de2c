"""Chains of operators in front of filters and biases, ending in a stored tensor."""

import numpy as np
from onnx import TensorProto

from benchmarks.fuzz.case import chance, pick, whole
from benchmarks.fuzz.onnx_draft import LEAVES

_KINDS = {np.dtype("f4"): TensorProto.FLOAT, np.dtype("f2"): TensorProto.FLOAT16}


def realize(draft, stem, array, depth=2, ways=LEAVES):
    """Nodes that compute `array`, or what is left of it after rounding on the way.

    Args:
        draft: where the nodes go.
        stem: of the stored tensor's name.
        array: float32, or integers as they are to be stored.
        depth: how many operators there may be.
        ways: how the stored tensor may be stored.

    Returns:
        (the name of the result, the array it holds).
    """
    if depth == 0 or chance(draft.rng, 0.35):
        return draft.stored(stem, array, ways), array
    fits = [step for step, can in _STEPS if can(draft, array)]
    return pick(draft.rng, fits)(draft, stem, array, depth - 1, ways)


def _identity(draft, stem, array, depth, ways):
    name, array = realize(draft, stem, array, depth, ways)
    return draft.add("Identity", [name]), array


def _cast(draft, stem, array, depth, ways):
    """Through half precision."""
    name, array = realize(draft, stem, array.astype("f2"), depth, ways)
    return draft.add("Cast", [name], to=TensorProto.FLOAT), array.astype("f4")


def _cast_whole(draft, stem, array, depth, ways):
    """From integers that are what they are."""
    name, array = realize(draft, stem, rounded(array, 1, np.int32(0), -9, 9), depth, ways)
    return draft.add("Cast", [name], to=TensorProto.FLOAT), array.astype("f4")


def _reshape(draft, stem, array, depth, ways):
    shape = np.array(array.shape, np.int64)
    if chance(draft.rng, 0.3):
        shape[int(draft.rng.integers(shape.size))] = -1
    name, flat = realize(draft, stem, array.reshape(-1), depth, ways)
    return draft.add("Reshape", [name, draft.plain("shape", shape)]), flat.reshape(array.shape)


def _transpose(draft, stem, array, depth, ways):
    order = [int(n) for n in draft.rng.permutation(array.ndim)]
    back = [int(n) for n in np.argsort(order)]
    name, moved = realize(draft, stem, array.transpose(back), depth, ways)
    return draft.add("Transpose", [name], perm=order), moved.transpose(order)


def _unsqueeze(draft, stem, array, depth, ways):
    axis = int(pick(draft.rng, np.flatnonzero(np.array(array.shape) == 1)))
    name, less = realize(draft, stem, array.squeeze(axis), depth, ways)
    return draft.axes("Unsqueeze", name, [axis]), np.expand_dims(less, axis)


def _squeeze(draft, stem, array, depth, ways):
    axis = whole(draft.rng, 0, array.ndim)
    name, more = realize(draft, stem, np.expand_dims(array, axis), depth, ways)
    return draft.axes("Squeeze", name, [axis]), more.squeeze(axis)


def _concat(draft, stem, array, depth, ways):
    axis = int(pick(draft.rng, np.flatnonzero(np.array(array.shape) > 1)))
    at = whole(draft.rng, 1, array.shape[axis] - 1)
    parts = [realize(draft, stem, p, depth, ways) for p in np.split(array, [at], axis)]
    name = draft.add("Concat", [name for name, _ in parts], axis=axis)
    return name, np.concatenate([part for _, part in parts], axis)


def _scaled(draft, stem, array, depth, ways):
    name, half = realize(draft, stem, array / np.float32(2), depth, ways)
    return draft.add("Mul", [name, draft.plain("two", np.float32(2))]), half * np.float32(2)


def _dequantize(draft, stem, array, depth, ways):
    """Integers behind DequantizeLinear; at times made by a QuantizeLinear of floats."""
    scale, zero, axis, low, high = quantization(draft, array)
    wide = scale if np.ndim(scale) == 0 else scale.reshape(_along(array.ndim, axis))
    zeros = zero if np.ndim(zero) == 0 else zero.reshape(_along(array.ndim, axis))
    stored = rounded(array, wide, zeros, low, high)
    parts = [draft.plain("scale", scale)]
    if zero.any() or zero.dtype != np.uint8 or chance(draft.rng, 0.5):
        parts.append(draft.plain("zero", zero))
    extra = {} if np.ndim(scale) == 0 else {"axis": axis}
    draft.tell(
        f"dequantized {zero.dtype}{' per axis' * bool(extra)}{' zero point' * bool(zero.any())}"
    )
    if chance(draft.rng, 0.2) and len(parts) == 2:
        name, array = realize(draft, stem, array, depth, ways)
        stored = rounded(array, wide, zeros, low, high)
        name = draft.add("QuantizeLinear", [name, *parts], **extra)
    else:
        name, stored = realize(draft, stem, stored, depth, ways)
    value = (stored.astype("i4") - zeros.astype("i4")).astype("f4") * wide
    return draft.add("DequantizeLinear", [name, *parts], **extra), value


def quantization(draft, array, per_axis=True):
    """Scale and zero point for an array: (scale, zero, axis, lowest, highest stored)."""
    rng = draft.rng
    kind = pick(rng, ("i1", "u1"))
    low, high = (-127, 127) if kind == "i1" else (0, 255)
    axis = int(rng.integers(array.ndim)) if array.ndim else 0
    per_axis = per_axis and draft.opset >= 13 and array.ndim > 1 and chance(rng, 0.4)
    count = array.shape[axis] if per_axis else 1
    scale = rng.uniform(0.01, 0.03, count)
    if chance(rng, 0.4):
        scale = 2.0 ** rng.integers(-7, -4, count)
    zero = np.full(count, 0 if kind == "i1" else 128)
    if chance(rng, 0.3):
        zero = zero + rng.integers(-5, 6, count)
    if chance(rng, 0.1):
        zero = np.zeros(count)
    zero, scale = zero.astype(kind), scale.astype("f4")
    if not per_axis:
        scale, zero = scale[0], zero.reshape(())
    return scale, zero, axis, low, high


def rounded(array, scale, zero, low, high):
    """Integers of the zero point's type; NaN becomes what numbers become that are too small."""
    values = np.nan_to_num(np.round(array / scale), nan=low) + zero.astype("f8")
    return np.clip(values, low, high).astype(zero.dtype)


def _along(rank, axis):
    return tuple(-1 if i == axis else 1 for i in range(rank))


def _is_float(draft, array):
    return array.dtype == np.float32


_STEPS = (
    (_identity, lambda draft, array: True),
    (_cast, _is_float),
    (_cast_whole, _is_float),
    (_reshape, lambda draft, array: array.ndim > 0),
    (_transpose, lambda draft, array: array.ndim > 1),
    (_unsqueeze, lambda draft, array: 1 in array.shape),
    (_squeeze, lambda draft, array: array.ndim > 0),
    (_concat, lambda draft, array: array.dtype.kind == "f" and max(array.shape, default=0) > 1),
    (_scaled, _is_float),
    (_dequantize, lambda draft, array: array.dtype == np.float32 and draft.opset >= 10),
    (_dequantize, lambda draft, array: array.dtype == np.float32 and draft.opset >= 10),
)

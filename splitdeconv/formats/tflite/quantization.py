"""Scales and zero points of TFLite tensors, and those that a rewritten convolution cannot have.

Only integers have them. A file may also attach quantization parameters to floating-point tensors,
to record a range seen in training; no kernel applies these.
"""

import numpy as np

from .graph import constant, dimensions, type_name

# xnn_define_convolution_2d rejects larger ones, but may not have been involved in the original.
_LARGEST_FACTOR = 256
_RANGES = {
    "INT8": (-(2**7), 2**7 - 1),
    "UINT8": (0, 2**8 - 1),
    "INT16": (-(2**15), 2**15 - 1),
    "INT32": (-(2**31), 2**31 - 1),
    "INT64": (-(2**63), 2**63 - 1),
}


def parameters(tensor):
    """The quantization parameters of a tensor; None where it has none or they have no meaning."""
    return tensor.quantization if type_name(tensor) in _RANGES else None


def scales(tensor) -> np.ndarray | None:
    """The scales of a quantized tensor, one or one per channel; None if it has none."""
    found = parameters(tensor)
    if found is None or found.scale is None or not len(found.scale):
        return None
    return np.asarray(found.scale, np.float32)


def zero_points(tensor) -> np.ndarray:
    """The zero points of a tensor, as many as its scales; zero if it has none."""
    found = parameters(tensor)
    if found is None or found.zeroPoint is None or not len(found.zeroPoint):
        return np.zeros(1, np.int64)
    return np.asarray(found.zeroPoint, np.int64)


def real_values(model, tensor) -> np.ndarray:
    """The real values of a constant, as float32; several scales belong to axis 0."""
    values, factors = constant(model, tensor), scales(tensor)
    if factors is None:
        return values.astype(np.float32)
    ones = (1,) * (values.ndim - 1)
    shifted = values - zero_points(tensor).reshape(-1, *ones).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return (shifted * factors.reshape(-1, *ones)).astype(np.float32)


def obstacle(x, weights, output, bias=None) -> str | None:
    """Why the quantization of a transposed convolution cannot be kept; None if it can.

    Args:
        x, weights, output, bias: the tensors, with `bias` None if there is none; weights and bias
            as stored, before any DEQUANTIZE.
    """
    found = _of_weights(weights)
    if found is not None or type_name(x) == "FLOAT32":
        return found
    for tensor, what in ((x, "input"), (weights, "weights"), (output, "output")):
        if scales(tensor) is None:
            return f"its {what} has an integer type but no scale"
        if not np.isfinite(scales(tensor)).all():
            return f"a scale of its {what} is not finite"
        if (scales(tensor) < 0).any():
            return f"a scale of its {what} is negative, which kernels handle differently"
    for tensor, what in ((x, "input"), (output, "output")):
        points = zero_points(tensor)
        count = max(len(scales(tensor)), len(points))
        if count > 1 or parameters(tensor).details is not None:
            return f"its {what} has {count} scales or zero points; kernels support one"
        if _outside(tensor):
            return f"its {what} has zero point {points[0]}, out of range for {type_name(tensor)}"
        if type_name(tensor) == "INT16" and points.any():
            return f"its {what} has type INT16 and a zero point, which kernels do not support"
    if type_name(weights) == "INT8" and zero_points(weights).any():
        return "its int8 weights have a zero point, which kernels ignore"
    if bias is not None and zero_points(bias).any():
        return "its bias has a zero point, which CONV_2D kernels do not support"
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        factor = (scales(x)[0] * scales(weights) / scales(output)[0]).max()
    if factor >= _LARGEST_FACTOR:
        return f"its sums are scaled by {factor:.3g}; XNNPACK supports less than 256"
    return None


def hybrid_obstacle(weights) -> str | None:
    """Why int8 weights with float32 activations cannot be kept; None if they can."""
    factors, found = scales(weights), parameters(weights)
    if factors is None:
        return "its weights have an integer type but no scale"
    if not (np.isfinite(factors) & (factors >= np.finfo(np.float32).tiny)).all():
        return "a scale of its weights is not finite, not positive, or denormal"
    if found.quantizedDimension != 0:
        return f"its weights have scales on axis {found.quantizedDimension}; kernels use axis 0"
    if zero_points(weights).any():
        return "its int8 weights have a zero point, which kernels ignore"
    return None


def _of_weights(weights):
    """The problem with the quantization parameters of the weights, if there is one."""
    found = parameters(weights)
    if found is None:
        return None
    if found.details is not None:
        return "its weights are quantized in blocks or on several axes"
    count, axis, factors = dimensions(weights)[0], found.quantizedDimension, scales(weights)
    lengths = [0 if factors is None else len(factors), len(zero_points(weights))]
    if max(lengths) > 1 and (axis != 0 or not set(lengths) <= {1, count}):
        return f"its weights have {lengths[0]} scales on axis {axis} for {count} output channels"
    if len(set(zero_points(weights).tolist())) > 1:
        return "its weights have several zero points"
    if _outside(weights):
        return f"its weights have zero point {zero_points(weights)[0]}, out of range for {type_name(weights)}"
    return None


def _outside(tensor):
    """Whether the type cannot represent the value zero, so that padding is impossible."""
    low, high = _RANGES[type_name(tensor)]
    return not low <= zero_points(tensor)[0] <= high

"""Scales and zero points of TFLite tensors, and those that a rewritten convolution cannot have.

Only integers have them. A file may also attach quantization parameters to floating-point tensors,
to record a range seen in training; no kernel applies these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .graph import dimensions, stored_values, type_name

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from .flatbuffer.objects import ModelT, QuantizationParametersT, TensorT

# xnn_define_convolution_2d rejects larger ones, but may not have been involved in the original.
_LARGEST_FACTOR = 256
_RANGES = {
    "INT8": (-(2**7), 2**7 - 1),
    "UINT8": (0, 2**8 - 1),
    "INT16": (-(2**15), 2**15 - 1),
    "INT32": (-(2**31), 2**31 - 1),
    "INT64": (-(2**63), 2**63 - 1),
}


def parameters(tensor: TensorT) -> QuantizationParametersT | None:
    """The quantization parameters of a tensor; None where it has none or they have no meaning."""
    return tensor.quantization if type_name(tensor) in _RANGES else None


def scales(tensor: TensorT) -> NumpyArray | None:
    """The scales of a quantized tensor, one or one per channel; None if it has none."""
    quantization = parameters(tensor)
    stored = None if quantization is None else quantization.scale
    return None if stored is None or not len(stored) else np.asarray(stored, np.float32)


def known_scales(tensor: TensorT) -> NumpyArray:
    """The scales of a tensor that is already known to have some."""
    factors = scales(tensor)
    assert factors is not None
    return factors


def zero_points(tensor: TensorT) -> NumpyArray:
    """The zero points of a tensor, as many as its scales; zero if it has none."""
    quantization = parameters(tensor)
    stored = None if quantization is None else quantization.zeroPoint
    return np.asarray([0] if stored is None or not len(stored) else stored, np.int64)


def real_values(model: ModelT, tensor: TensorT) -> NumpyArray:
    """The real values of a constant, as float32; several scales belong to axis 0."""
    values, factors = stored_values(model, tensor), scales(tensor)
    if factors is None:
        return values.astype(np.float32)
    ones = (1,) * (values.ndim - 1)
    shifted = values - zero_points(tensor).reshape(-1, *ones).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return (shifted * factors.reshape(-1, *ones)).astype(np.float32)


def obstacle(
    x: TensorT, weights: TensorT, output: TensorT, bias: TensorT | None = None
) -> str | None:
    """Why the quantization of a transposed convolution cannot be kept; None if it can.

    Args:
        x, weights, output, bias: the tensors, with `bias` None if there is none; weights and bias
            as stored, before any DEQUANTIZE.
    """
    problem = _of_weights(weights)
    if problem is not None or type_name(x) == "FLOAT32":
        return problem
    for tensor, what in ((x, "input"), (weights, "weights"), (output, "output")):
        factors = scales(tensor)
        if factors is None:
            return f"its {what} has an integer type but no scale"
        if not np.isfinite(factors).all():
            return f"a scale of its {what} is not finite"
        if np.any(factors < 0):
            return f"a scale of its {what} is negative, which kernels handle differently"
    for tensor, what in ((x, "input"), (output, "output")):
        points, quantization = zero_points(tensor), parameters(tensor)
        count = max(len(known_scales(tensor)), len(points))
        if count > 1 or (quantization is not None and quantization.details is not None):
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
        factor = known_scales(x)[0] * known_scales(weights) / known_scales(output)[0]
    if factor.max() >= _LARGEST_FACTOR:
        return f"its sums are scaled by {factor.max():.3g}; XNNPACK supports less than 256"
    return None


def hybrid_obstacle(weights: TensorT) -> str | None:
    """Why int8 weights with float32 activations cannot be kept; None if they can."""
    factors, quantization = scales(weights), parameters(weights)
    if factors is None or quantization is None:
        return "its weights have an integer type but no scale"
    if not (np.isfinite(factors) & (factors >= np.finfo(np.float32).tiny)).all():
        return "a scale of its weights is not finite, not positive, or denormal"
    if (axis := quantization.quantizedDimension) != 0:
        return f"its weights have scales on axis {axis}; kernels use axis 0"
    if zero_points(weights).any():
        return "its int8 weights have a zero point, which kernels ignore"
    return None


def _of_weights(weights: TensorT) -> str | None:
    """The problem with the quantization parameters of the weights, if there is one."""
    quantization = parameters(weights)
    if quantization is None:
        return None
    if quantization.details is not None:
        return "its weights are quantized in blocks or on several axes"
    count, axis, factors = dimensions(weights)[0], quantization.quantizedDimension, scales(weights)
    lengths = [0 if factors is None else len(factors), len(zero_points(weights))]
    if max(lengths) > 1 and (axis != 0 or not set(lengths) <= {1, count}):
        return f"its weights have {lengths[0]} scales on axis {axis} for {count} output channels"
    if len(set(zero_points(weights).tolist())) > 1:
        return "its weights have several zero points"
    if _outside(weights):
        kind, point = type_name(weights), zero_points(weights)[0]
        return f"its weights have zero point {point}, out of range for {kind}"
    return None


def _outside(tensor: TensorT) -> bool:
    """Whether the type cannot represent the value zero, so that padding is impossible."""
    low, high = _RANGES[type_name(tensor)]
    return not low <= zero_points(tensor)[0] <= high

"""Express Keras models in operators that TensorFlow's converter can quantize entirely to int8.

The converter leaves ELU, SQUARE and NEG in float, between DEQUANTIZE and QUANTIZE (observed with
TensorFlow 2.21), and integer accelerators refuse these. ELU can be computed from an exponential,
and instance normalisation needs neither SQUARE nor NEG.
"""

from typing import Any

import keras
from keras import ops

from ...core.typing import Array


class ELU(keras.layers.ELU):
    """Keras' layer, computed with `elu`."""

    def call(self, inputs: Array) -> Array:
        """(..., channels) to the same shape."""
        return elu(inputs, self.alpha)


class GroupNormalization(keras.layers.GroupNormalization):
    """Keras' layer, computed with `instance_norm` if every channel is a group."""

    def call(self, inputs: Array) -> Array:
        """(batch, ..., channels) to the same shape."""
        if self.axis not in (-1, len(inputs.shape) - 1) or self.groups != inputs.shape[-1]:
            return super().call(inputs)
        return instance_norm(inputs, self.gamma, self.beta, self.epsilon)


_LAYERS = {keras.layers.ELU: ELU, keras.layers.GroupNormalization: GroupNormalization}


def quantizable(model: keras.Model) -> keras.Model:
    """Replace ELU activations and instance normalisation with operators that have int8 kernels.

    Args:
        model: a functional or sequential Keras model. Layers inside nested models are not changed.

    Returns:
        A model with the same layer names and weights; `model` itself if there is nothing to change.
    """
    if not any(type(layer) in _LAYERS or _is_elu(layer) for layer in model.layers):
        return model
    copy = keras.models.clone_model(model, clone_function=_clone)
    copy.set_weights(model.get_weights())
    return copy


def elu(x: Array, alpha: float = 1.0) -> Array:
    """ELU: x above 0, alpha (exp(x) - 1) elsewhere.

    See Clevert et al., arXiv 1511.07289, equation 15.

    Args:
        x: a tensor.
        alpha: the negative of the limit for x towards minus infinity.
    """
    # Avoid MINIMUM and NEG: the converter gives the operands of MINIMUM the scale of its result,
    # which clips values above 0, and it leaves NEG in float.
    below = ops.exp(0.0 - ops.relu(0.0 - x)) - 1
    return ops.relu(x) + (below if alpha == 1 else alpha * below)


def instance_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """Normalise each channel of each image to zero mean and unit variance.

    See Ulyanov et al., arXiv 1607.08022, equation 4.

    Args:
        x: (batch, ..., channels).
        gamma, beta: (channels,) scale and offset, or None.
        epsilon: added to the variance.
    """
    axes = tuple(range(1, len(x.shape) - 1))
    less = x - ops.mean(x, axis=axes, keepdims=True)
    normal = less * ops.rsqrt(ops.mean(less * less, axis=axes, keepdims=True) + epsilon)
    normal = normal if gamma is None else normal * gamma
    return normal if beta is None else normal + beta


def _clone(layer: keras.layers.Layer) -> keras.layers.Layer:
    kind: Any = _LAYERS.get(type(layer), type(layer))
    copy = kind.from_config(layer.get_config())
    if _is_elu(layer):
        copy.activation = elu
    return copy


def _is_elu(layer: keras.layers.Layer) -> bool:
    return getattr(layer, "activation", None) is keras.activations.elu

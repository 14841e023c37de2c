"""Layers with seeded weights, so that each network is a short list of them."""

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Any

import keras
import numpy as np

from ..core.typing import Array, NumpyArray, PerAxis
from ..errors import SplitDeconvError

NORMS: dict[str, Callable[[str], Any]] = {
    "batch": lambda name: keras.layers.BatchNormalization(name=name),
    "instance": lambda name: keras.layers.GroupNormalization(groups=-1, epsilon=1e-5, name=name),
}
RECTIFIERS = ("relu", "leaky_relu", "elu")


class Blocks:
    """Makes convolution, normalisation and activation in one call, deconvolutions in one form.

    Kernels are normal of variance g / fan-in, g = 2 before a rectifier and 1 elsewhere (He et al.,
    arXiv 1502.01852, equations 10 and 12), so activations keep their scale at any depth. Biases are
    drawn too, a twentieth as wide: at zero they would be missing from every comparison. Each layer
    has its own random stream, independent of the other layers' shapes.

    Args:
        deconv: "native", or a form of `SplitConv2DTranspose`.
        seed: of the weights; None leaves them zero.
    """

    def __init__(self, deconv: str = "split", seed: int | None = 0) -> None:
        self._deconv, self._seed, self._drawn = deconv, seed, 0

    def conv(
        self,
        x: Array,
        name: str,
        filters: int,
        kernel: PerAxis,
        strides: PerAxis = 1,
        padding: str = "same",
        norm: str | None = None,
        activation: str | None = None,
        use_bias: bool = True,
    ) -> Array:
        """A 2-D convolution, then `norm` ("batch", "instance" or None), then `activation`."""
        layer = keras.layers.Conv2D(
            filters, kernel, strides, padding, use_bias=use_bias, **_zeros(name)
        )
        fan_in = prod(layer.kernel_size) * x.shape[-1]
        return self._apply(layer, x, fan_in, norm, activation)

    def deconv(
        self,
        x: Array,
        name: str,
        filters: int,
        kernel: PerAxis,
        strides: PerAxis = 2,
        padding: str = "same",
        norm: str | None = None,
        activation: str | None = None,
        use_bias: bool = True,
        bilinear: bool = False,
    ) -> Array:
        """A 2-D transposed convolution, as `conv`; `bilinear` interpolates each channel."""
        arguments = (filters, kernel, strides, padding)
        if self._deconv == "native":
            layer = keras.layers.Conv2DTranspose(*arguments, use_bias=use_bias, **_zeros(name))
        else:
            from ..layers import SplitConv2DTranspose

            layer = SplitConv2DTranspose(
                *arguments, use_bias=use_bias, form=self._deconv, **_zeros(name)
            )
        # An output sees one input in `stride` along each axis, hence the division.
        fan_in = prod(layer.kernel_size) * x.shape[-1] / prod(layer.strides)
        return self._apply(layer, x, fan_in, norm, activation, bilinear)

    def dense(
        self,
        x: Array,
        name: str,
        units: int,
        norm: str | None = None,
        activation: str | None = None,
        use_bias: bool = True,
    ) -> Array:
        """A fully connected layer, as `conv`."""
        layer = keras.layers.Dense(units, use_bias=use_bias, **_zeros(name))
        return self._apply(layer, x, x.shape[-1], norm, activation)

    def _apply(
        self,
        layer: Any,
        x: Array,
        fan_in: float,
        norm: str | None,
        activation: str | None,
        bilinear: bool = False,
    ) -> Array:
        x = layer(x)
        if self._seed is not None:
            rng = np.random.default_rng([self._seed, self._drawn])
            gain = 2 if activation in RECTIFIERS else 1
            scale = sqrt(gain / fan_in)
            shape = layer.kernel.shape
            layer.kernel.assign(bilinear_kernel(shape) if bilinear else scale * _normal(rng, shape))
            if layer.use_bias:
                layer.bias.assign(_normal(rng, layer.bias.shape) / 20)
        self._drawn += 1
        if norm:
            x = NORMS[norm](f"{layer.name}_norm")(x)
        if activation:
            x = keras.layers.Activation(activation, name=f"{layer.name}_{activation}")(x)
        return x


def bilinear_kernel(shape: Sequence[int]) -> NumpyArray:
    """A kernel (k, k, channels, channels) that interpolates every channel by itself.

    A tap weighs one minus its distance from the kernel's centre, over half the kernel's length,
    along each axis (Long, Shelhamer and Darrell, CVPR 2015, section 3.3).
    """
    size, half = shape[0], (shape[0] + 1) // 2
    centre = half - 1 if size % 2 else half - 0.5
    tent = 1 - np.abs(np.arange(size) - centre) / half
    return np.einsum("i,j,oc->ijoc", tent, tent, np.eye(shape[2], shape[3]))


def image_size(size: int | Sequence[int], multiple: int = 1) -> tuple[int, int]:
    """Height and width from an int or a pair.

    Raises:
        SplitDeconvError: there are not two of them, or not multiples of `multiple`.
    """
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or any(length % multiple for length in pair):
        raise SplitDeconvError(
            "the image size does not fit the network",
            where="size",
            expected=f"an int or (height, width), multiples of {multiple}",
            got=repr(size),
        )
    height, width = pair
    return height, width


def _zeros(name: str) -> dict[str, Any]:
    return {"kernel_initializer": "zeros", "name": name}


def _normal(rng: np.random.Generator, shape: Sequence[int]) -> NumpyArray:
    return rng.standard_normal(tuple(shape), dtype=np.float32)

"""Keras layers made from a checkpoint's tensors, one after the other; every tensor must be used."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.approximations import METHODS, approximate
from ..core.plan import plan
from ..core.typing import Array, NumpyArray, Padding
from ..errors import SplitDeconvError
from ..extras import require

if TYPE_CHECKING:
    import keras
else:
    keras = require("keras", "tensorflow")

EPSILON = 1e-5  # of PyTorch's BatchNorm2d and InstanceNorm2d; Keras' default is 1e-3
#: A checkpoint's tensors under PyTorch's keys.
State = Mapping[str, NumpyArray]


def _approximated(
    x: Array, filters: NumpyArray, strides: int, padding: Padding, method: str
) -> tuple[NumpyArray, str, tuple[tuple[int, int], ...]]:
    """Filters, padding and crop with which Keras' own layer computes the conversion `method`."""
    exact = plan(tuple(x.shape[1:3]), filters.shape[:2], strides, padding)
    other, filters = approximate(exact, filters, method)
    # Of the whole output, (n - 1) * s + k long, crop the elements before p and after p + o.
    crop = tuple((axis.p, axis.k - axis.s - axis.p - axis.tail) for axis in other.axes)
    return filters, "valid", crop


def reflect(x: Array, width: int) -> Array:
    """Images padded by reflection, `width` pixels on each side."""
    return keras.ops.pad(x, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")


class Builder:
    """Makes layers named after the checkpoint's keys, loads their weights, tracks unused tensors.

    Args:
        state: the checkpoint's tensors.
        model: its name, in errors.
        dtype: of the layers.
    """

    def __init__(self, state: State, model: str, dtype: str) -> None:
        self._left, self._model, self._dtype = dict(state), model, dtype

    def conv(self, x: Array, key: str, strides: int = 1) -> Array:
        """A convolution without padding, with a bias."""
        kernel, bias = self._take(key, "weight", (2, 3, 1, 0)), self._take(key, "bias")
        options = {"filters": kernel.shape[3], "kernel_size": kernel.shape[:2], "strides": strides}
        return self._apply(keras.layers.Conv2D, key, x, [kernel, bias], **options)

    def deconv(
        self,
        x: Array,
        key: str,
        form: str,
        use_bias: bool,
        strides: int = 1,
        padding: str = "valid",
        crop: Sequence[tuple[int, int]] | None = None,
        kernel: int | None = None,
    ) -> Array:
        """A transposed convolution in a form; see `splitdeconv.pretrained.load`."""
        filters = self._take(key, "weight", (2, 3, 1, 0))
        if kernel:
            beyond = [(0, kernel - length) for length in filters.shape[:2]]
            filters = np.pad(filters, [*beyond, (0, 0), (0, 0)])
        if form in METHODS:
            if strides > 1:  # there is nothing to split where the stride is 1
                filters, padding, crop = _approximated(x, filters, strides, crop or padding, form)
            form = "native"
        arrays = [filters, self._take(key, "bias")] if use_bias else [filters]
        options = {"filters": filters.shape[2], "kernel_size": filters.shape[:2]}
        options |= {"use_bias": use_bias, "strides": strides, "padding": padding}
        if form == "native":
            x = self._apply(keras.layers.Conv2DTranspose, key, x, arrays, **options)
        else:
            from splitdeconv.layers import SplitConv2DTranspose

            x = self._apply(SplitConv2DTranspose, key, x, arrays, form=form, **options)
        if crop:
            name = f"{layer_name(key)}_crop"
            x = keras.layers.Cropping2D(crop, dtype=self._dtype, name=name)(x)
        return x

    def batch_norm(self, x: Array, key: str) -> Array:
        """Batch normalisation with its moving statistics."""
        parts = ("weight", "bias", "running_mean", "running_var")
        arrays = [self._take(key, part) for part in parts]
        return self._apply(keras.layers.BatchNormalization, key, x, arrays, epsilon=EPSILON)

    def instance_norm(self, x: Array, key: str) -> Array:
        """Instance normalisation with scale and offset."""
        arrays = [self._take(key, part) for part in ("weight", "bias")]
        options = {"groups": -1, "epsilon": EPSILON}
        return self._apply(keras.layers.GroupNormalization, key, x, arrays, **options)

    def finish(self, model: keras.Model) -> keras.Model:
        """The model, if every tensor was used; PyTorch's count of training batches is ignored."""
        left = [key for key in self._left if not key.endswith(".num_batches_tracked")]
        if left:
            expected = "tensors of this architecture only"
            raise misfit(self._model, expected, f"also {', '.join(left[:3])}")
        return model

    def _take(self, key: str, part: str, axes: tuple[int, ...] | None = None) -> NumpyArray:
        array = self._left.pop(f"{key}.{part}", None)
        if array is None or (axes and np.ndim(array) != len(axes)):
            got = "none" if array is None else f"rank {np.ndim(array)}"
            raise misfit(self._model, f"a tensor {key}.{part}", got)
        return np.transpose(array, axes) if axes else array

    def _apply(
        self, make: Any, key: str, x: Array, arrays: Sequence[NumpyArray], **options: Any
    ) -> Array:
        layer = make(name=layer_name(key), dtype=self._dtype, **options)
        y = layer(x)
        expected = [tuple(weight.shape) for weight in layer.weights]
        got = [np.shape(array) for array in arrays]
        if expected != got:
            raise misfit(f"{self._model}, {key}", f"shapes {expected}", f"{got}")
        layer.set_weights(arrays)
        return y


def layer_name(key: str) -> str:
    """The name of the layer that holds a checkpoint's tensors; Keras' names have no dots."""
    return key.replace(".", "_")


def misfit(where: str, expected: str, got: str) -> SplitDeconvError:
    """The error of a checkpoint of another architecture."""
    return SplitDeconvError(
        "the checkpoint does not fit the generator",
        where=where,
        expected=expected,
        got=got,
        fix="use the pinned checkpoint, splitdeconv.pretrained.fetch",
    )

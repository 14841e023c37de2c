"""Keras models and single layers, run eagerly, so that compiled functions have no effect."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...extras import require
from ..port import Input, RejectedError, Runner, number_type, rejected
from .model import input_names, inputs_of, natively

if TYPE_CHECKING:
    import keras

    from ...core.typing import NumpyArray
    from ..input_shapes import Shape
    from ..port import Arrays

#: A single layer and the shape of its input, as `cut` returns it.
Part: TypeAlias = "tuple[keras.Layer, Shape]"


def load(model: keras.Model | Part, native: bool = False) -> dict[str, Runner]:
    """The model under the name "", ready to run.

    Args:
        model: a `keras.Model`, or (a Keras layer, its input shape).
        native: compute split layers with Keras' own operator.

    Raises:
        RejectedError: the model does not declare its inputs.
    """
    entry = _Layer(model, native) if isinstance(model, tuple) else _Model(model, native)
    return {"": Runner(entry.inputs, entry)}


class _Model:
    """A whole model."""

    def __init__(self, model: keras.Model, native: bool) -> None:
        self._model, self._native, self._struct = model, native, inputs_of(model)
        if self._struct is None:
            raise RejectedError("it does not declare its inputs")
        tensors = require("keras", "tensorflow").tree.flatten(self._struct)
        named = zip(input_names(tensors), tensors, strict=True)
        self.inputs = tuple(Input(name, number_type(x.dtype), tuple(x.shape)) for name, x in named)

    def __call__(self, feed: Arrays) -> Arrays:
        keras = require("keras", "tensorflow")
        # Keras numbers the names of inputs: in a rebuilt model the same inputs have other names.
        arrays = [
            feed.get(port.name, value)
            for port, value in zip(self.inputs, feed.values(), strict=True)
        ]
        try:
            with natively(self._model) if self._native else nullcontext():
                y = self._model(keras.tree.pack_sequence_as(self._struct, arrays), training=False)
        except Exception as error:  # the code of a layer may raise anything
            raise rejected(error) from None
        parts = keras.tree.flatten_with_path(y)
        return {"/".join(map(str, path)) or "output": _numpy(value) for path, value in parts}


class _Layer:
    """One Keras layer, run in isolation."""

    def __init__(self, part: Part, native: bool) -> None:
        (self._layer, shape), self._native = part, native
        dtype = number_type(self._layer.compute_dtype) or np.dtype(np.float32)
        self.inputs = (Input("x", dtype, shape),)

    def __call__(self, feed: Arrays) -> Arrays:
        try:
            with natively(self._layer) if self._native else nullcontext():
                y = self._layer(feed["x"])
        except Exception as error:  # as above: TensorFlow has no kernel for some geometries
            raise rejected(error) from None
        return {"y": _numpy(y)}


def _numpy(tensor: Any) -> NumpyArray:
    """A tensor as a NumPy array; bfloat16, unknown to NumPy, is widened without loss."""
    values = np.asarray(require("keras", "tensorflow").ops.convert_to_numpy(tensor))
    return values.astype(np.float32) if values.dtype.kind == "V" else values

"""Keras files in Keras, on TensorFlow."""

import tempfile
from pathlib import Path

import keras
import numpy as np

import splitdeconv.layers  # noqa: F401 - the classes in converted files
from benchmarks.fuzz.program import FailedError, Port

FAMILIES = ("eager",)


class KerasProgram:
    """A model that Keras has loaded."""

    def __init__(self, data):
        try:
            with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
                path = Path(folder) / "model.keras"
                path.write_bytes(data)
                self._model = keras.saving.load_model(path, safe_mode=True, compile=False)
            tensors = keras.tree.flatten(self._model.inputs)
            self.ports = [
                Port(f"{i}", np.dtype(x.dtype), tuple(x.shape)) for i, x in enumerate(tensors)
            ]
            policies = {layer.compute_dtype for layer in self._model._flatten_layers()}
        except Exception as error:  # Keras tells in many ways that it cannot load a file
            raise FailedError(_short(error)) from None
        self.epsilon = 2.0**-7 if policies & {"float16", "bfloat16"} else 2.0**-18

    def __call__(self, feed):
        try:
            values = [feed[port.name] for port in self.ports]
            y = self._model(values[0] if len(values) == 1 else values, training=False)
            return {
                "/".join(map(str, path)) or "y": keras.ops.convert_to_numpy(value)
                for path, value in keras.tree.flatten_with_path(y)
            }
        except Exception as error:  # a layer's code may raise anything
            raise FailedError(_short(error)) from None

    def ties(self, feed):
        """Nothing is quantized."""
        return 0


def loader(folder):
    """A function that loads files; nothing lies beside them."""
    return lambda data, family: KerasProgram(data)


def _short(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]

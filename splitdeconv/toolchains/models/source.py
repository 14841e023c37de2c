"""What is exported: a benchmark network or a Keras model, checked, and typical inputs for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import networks
from ...convert.exchange import Inputs, is_keras
from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, check_choice
from ...extras import require
from . import benchmark, samples as typical

if TYPE_CHECKING:
    import keras

_COUNT = 4  # samples drawn where none are given


def model_of(
    given: str | os.PathLike[str] | keras.Model, seed: int, options: dict[str, Any]
) -> tuple[keras.Model, str]:
    """The Keras model with native transposed convolutions, and its name.

    Args:
        given: the name of a network, the path of a .keras file or a `keras.Model`.
        seed: seed of a network's weights.
        options: options of a network.

    Raises:
        SplitDeconvError: there is no such network or file, or the file cannot be loaded.
    """
    if isinstance(given, str) and given in networks.names():
        return networks.build(given, "native", seed=seed, **options), given
    if options:
        raise SplitDeconvError(
            "options are those of a benchmark network",
            where="options",
            expected="none for a Keras model",
            got=", ".join(options),
        )
    if is_keras(given):
        model: Any = given
        return model, model.name
    is_path = isinstance(given, str | os.PathLike)
    if not is_path or Path(given).suffix.lower() != ".keras":
        suffix = Path(given).suffix.lower() if is_path else ""
        if suffix in (".tflite", ".onnx"):
            raise SplitDeconvError(
                "export starts from a Keras model",
                where=str(given),
                expected=f"a network ({', '.join(networks.names())}) or a .keras file",
                got=f"a {suffix} file",
                fix="splitdeconv convert rewrites .tflite and .onnx files",
            )
        check_choice(
            given, networks.names(), "network", "model", other=", or the path of a .keras file"
        )
    if not os.path.isfile(given):
        raise SplitDeconvError(
            "the model cannot be read",
            where=str(given),
            expected="a .keras file",
            got="no such file" if not os.path.exists(given) else "not a regular file",
        )
    from ...formats.keras.file import load  # it needs Keras

    return load(Path(given), str(given)), Path(given).stem


def check(model: keras.Model, kind: str, batch: int) -> None:
    """Reject a model that cannot become a file of fixed shapes.

    Args:
        model: the Keras model.
        kind: "tflite" or "onnx".
        batch: images per run.

    Raises:
        SplitDeconvError: its inputs are unknown or open, or Keras has another backend than the
            format needs.
    """
    keras = require("keras", "tensorflow")
    try:
        inputs = list(model.inputs or ())
    except (AttributeError, ValueError):  # a model that is subclassed, or was never called
        inputs = []
    shapes = [tuple(x.shape) for x in inputs]
    if not shapes or any(None in shape[1:] or shape[0] not in (None, batch) for shape in shapes):
        raise SplitDeconvError(
            "invalid model: expected inputs of fixed shapes",
            where=model.name,
            expected=f"a functional or sequential model with inputs of fixed sizes, batch {batch}",
            got=", ".join(map(str, shapes)) or "a model without declared inputs",
            fix="build it from keras.Input((height, width, channels))",
        )
    if kind == "tflite" and keras.config.backend() != "tensorflow":
        raise SplitDeconvError(
            "a .tflite file is made by TensorFlow's converter",
            where="Keras' backend",
            expected="tensorflow",
            got=keras.config.backend(),
            fix="set KERAS_BACKEND=tensorflow before Keras is imported, or write a .onnx file",
        )


def inputs(
    name: str, model: keras.Model, given: Inputs | None, seed: int, *, quantized: bool
) -> list[NumpyArray]:
    """Typical inputs: the user's, the network's or, for floats, drawn ones.

    Args:
        name: the name of the model.
        model: the Keras model.
        given: the user's samples; see `samples.read`.
        seed: seed of what is drawn.
        quantized: whether they set the scales of a quantized file.

    Raises:
        SplitDeconvError: the samples do not fit, or are needed.
    """
    if given is not None:
        return typical.read(given, model)
    if name in networks.names():
        return benchmark.typical_inputs(name, model, _COUNT, seed)
    if quantized:
        raise SplitDeconvError(
            "quantization needs typical inputs, which set the scales",
            where=name,
            expected="samples for a model of one's own",
            got="none",
            fix="--samples images.npz (samples=...), an array by the name of each input: "
            f"{', '.join(x.name for x in model.inputs)}",
        )
    return typical.draw(model, _COUNT, seed)

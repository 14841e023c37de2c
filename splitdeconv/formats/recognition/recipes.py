"""What to do with files that contain no convertible model, as commands for a shell.

`filled` inserts the path of the file.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

from ...suggested import named

AGAIN = "download or export the model again, and check that its size matches the source"
TO_KERAS = (
    # Keras 1 and 2 write a "dtype" that the initializers of Keras 3 reject.
    'python -c "import keras, sys; keras.initializers.Initializer.from_config = '
    "classmethod(lambda c, k: c(**{n: k[n] for n in k if n != 'dtype'})); "
    "keras.models.load_model(sys.argv[1], compile=False).save('model.keras')\" {}, "
    "then splitdeconv convert model.keras -o split.keras"
)
TO_PT2 = (
    "in Python, with the model's own code: model.eval(); "
    "torch.export.save(torch.export.export(model, example_inputs), 'model.pt2'), "
    "then splitdeconv convert model.pt2 -o split.pt2"
)
OWN_CODE = f"build the model with its own code and load the weights into it; {TO_PT2}"
EXPORTED = (
    'python -c "import sys, torch; '
    "torch.export.save(torch.export.load(sys.argv[1]), 'model.pt2')\" {}, "
    "then splitdeconv convert model.pt2 -o split.pt2"
)
SCRIPTED = (
    "in Python, torch.onnx.export(torch.jit.load(PATH), example_inputs, 'model.onnx', "
    "dynamo=False), then splitdeconv convert model.onnx -o split.onnx"
)
_LITE = (
    "python -c \"import sys, tensorflow as tf; open('model.tflite', 'wb').write(%s.convert())\" "
    "{}, then splitdeconv convert model.tflite -o split.tflite"
)
TO_TFLITE = _LITE % "tf.lite.TFLiteConverter.from_saved_model(sys.argv[1])"
FROZEN = "with the names of the graph's inputs and outputs, " + (
    _LITE
    % "tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(sys.argv[1], ['INPUT'], ['OUTPUT'])"
)
_LEGACY_MODEL = "tf.keras.models.load_model(sys.argv[1], compile=False)"
LEGACY = "pip install tf_keras, then TF_USE_LEGACY_KERAS=1 " + (
    _LITE % f"tf.lite.TFLiteConverter.from_keras_model({_LEGACY_MODEL})"
)
SMALLER = (
    "export it with float16 or int8 weights, which take half or a quarter of the space, or convert "
    "the model it was made from (the .onnx or .keras file)"
)
# Keras infers the layout of a weights file from its name, which may not be the name it was given.
WEIGHTS = (
    "%sin Python, build the model with its own code; model.load_weights(%s); "
    "model.save('model.keras'), "
    "then splitdeconv convert model.keras -o split.keras"
)
MADE_FROM = "convert the model it was made from (.onnx, .tflite, .keras or an export), then "
CORE_ML = (
    "convert the model it was made from (an .onnx, .tflite or .keras file; splitdeconv.convert "
    "also accepts a keras.Model), and make the Core ML model from the result"
)
ORT = (
    "convert the .onnx file it was made from, then "
    "python -m onnxruntime.tools.convert_onnx_models_to_ort split.onnx"
)
OPENVINO = (
    "convert the .onnx or .tflite file it was made from, then ovc split.onnx (or split.tflite)"
)
COMPILED = f"{MADE_FROM}compile the result again with the same tool"
UNPACKED = (
    "python -c \"import keras, sys; keras.models.load_model(sys.argv[1]).save('model.keras')\" {}, "
    "then splitdeconv convert model.keras -o split.keras"
)


def recent_weights(path: str) -> str:
    """What to do with a Keras 3 weights file, which Keras only loads as .weights.h5."""
    return _weights(path, "renamed.weights.h5", path.endswith(".weights.h5"))


def older_weights(path: str) -> str:
    """What to do with a Keras 1 or 2 weights file, which Keras loads as .h5 but not .weights.h5."""
    fits = path.endswith((".h5", ".hdf5")) and not path.endswith(".weights.h5")
    return _weights(path, "renamed.h5", fits)


def _weights(path: str, other: str, fits: bool) -> str:
    if fits:
        return WEIGHTS % ("", repr(path))
    return WEIGHTS % (f"cp {shlex.quote(path)} {other}, then ", repr(other))


def filled(recipe: str | Callable[[str], str], path: str | Path) -> str:
    """A recipe with the path filled in: {} as a shell needs it, PATH as Python does, and {folder}.

    Args:
        recipe: a text, or a function that makes one from a path.
        path: of the file that was given.
    """
    path = str(path)
    name = "MODEL" if path == "the model" else named(path)  # bytes have no path
    if callable(recipe):
        return recipe(name)
    recipe = recipe.replace("{folder}", shlex.quote(str(Path(name).parent)))
    return recipe.replace("PATH", repr(name)).replace("{}", shlex.quote(name))

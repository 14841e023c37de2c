"""What to do with files that hold no model that can be converted: commands as a shell takes them.

`filled` puts in the path that was given.
"""

import shlex
from pathlib import Path

AGAIN = "fetch or export the model again, and compare the size of the two files"
TO_KERAS = (
    # Keras 1 and 2 write a "dtype" that the initializers of Keras 3 do not take.
    'python -c "import keras, sys; keras.initializers.Initializer.from_config = '
    "classmethod(lambda c, k: c(**{n: k[n] for n in k if n != 'dtype'})); "
    "keras.models.load_model(sys.argv[1], compile=False).save('model.keras')\" {}, "
    "then splitdeconv convert model.keras -o split.keras"
)
TO_ONNX = (
    "in Python, torch.onnx.export(model, example_inputs, 'model.onnx', dynamo=True), "
    "then splitdeconv convert model.onnx -o split.onnx"
)
OWN_CODE = f"build the model with its own code and load the weights into it; {TO_ONNX}"
EXPORTED = (
    'python -c "import sys, torch; '
    "torch.onnx.export(torch.export.load(sys.argv[1]), (), 'model.onnx', dynamo=True)\" {}, "
    "then splitdeconv convert model.onnx -o split.onnx"
)
SCRIPTED = (
    "in Python, torch.onnx.export(torch.jit.load(PATH), example_inputs, 'model.onnx', dynamo=False), "
    "then splitdeconv convert model.onnx -o split.onnx"
)
_LITE = (
    "python -c \"import sys, tensorflow as tf; open('model.tflite', 'wb').write(%s.convert())\" {}, "
    "then splitdeconv convert model.tflite -o split.tflite"
)
TO_TFLITE = _LITE % "tf.lite.TFLiteConverter.from_saved_model(sys.argv[1])"
FROZEN = "with the names of the graph's ends, " + (
    _LITE % "tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(sys.argv[1], ['INPUT'], ['OUTPUT'])"
)
LEGACY = "pip install tf_keras, then TF_USE_LEGACY_KERAS=1 " + (
    _LITE % ("tf.lite.TFLiteConverter.from_keras_model(tf.keras.models.load_model(sys.argv[1], compile=False))")
)
SMALLER = (
    "export it with float16 or int8 weights, which take half or a quarter of the room, or convert the model that it "
    "was made from (the .onnx or .keras file)"
)
WEIGHTS = (
    "build the model with its own code, then model.load_weights(PATH) in Python, "
    "and give the model to splitdeconv.convert"
)
MADE_FROM = (
    "convert the model that it was made from (the .onnx, .tflite or .keras file, or the program's export), then "
)
CORE_ML = (
    "convert the model that it was made from (an .onnx, .tflite or .keras file; splitdeconv.convert takes "
    "a keras.Model, too), and make the Core ML model from the result"
)
ORT = "convert the .onnx file it was made from, then python -m onnxruntime.tools.convert_onnx_models_to_ort split.onnx"
OPENVINO = "convert the .onnx or .tflite file it was made from, then ovc split.onnx (or split.tflite)"
COMPILED = f"{MADE_FROM}compile the result again with the same tool"
UNPACKED = (
    "python -c \"import keras, sys; keras.models.load_model(sys.argv[1]).save('model.keras')\" {}, "
    "then splitdeconv convert model.keras -o split.keras"
)


def filled(recipe: str, path: str | Path) -> str:
    """A recipe with the path in place of {}, as a shell takes it, of PATH, as Python does, and of {folder}."""
    path = str(path)
    named = "MODEL" if path == "the model" else path  # bytes have no path
    folder = shlex.quote(str(Path(named).parent))
    return recipe.replace("{folder}", folder).replace("PATH", repr(named)).replace("{}", shlex.quote(named))

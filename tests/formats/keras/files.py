"""Files of Keras with other members and configurations, to load."""

import io
import json
import zipfile

import keras

from splitdeconv.formats.keras.model import to_bytes

layers = keras.layers


def replaced(data, **parts):
    """The .keras file `data` with other members: "config" and "weights"."""
    names = {"config": "config.json", "weights": "model.weights.h5"}
    parts = {names[key]: value for key, value in parts.items()}
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, parts.get(name, source.read(name)))
    return target.getvalue()


def member(data, name):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def small():
    return to_bytes(
        keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2DTranspose(4, 3), layers.ReLU()])
    )


def with_lambda(**settings):
    """A file whose last layer is a Lambda of these settings."""
    data = small()
    config = json.loads(member(data, "config.json"))
    layer = config["config"]["layers"][-1]
    function = {
        "module": "builtins",
        "class_name": "function",
        "config": "relu",
        "registered_name": "function",
    }
    layer |= {"class_name": "Lambda", "module": "keras.layers"}
    layer["config"] = {
        "name": "last",
        "dtype": "float32",
        "function": function,
        "arguments": {},
    } | settings
    return replaced(data, config=json.dumps(config))


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def added(data, members):
    """The .keras file `data` with further members, of any names."""
    target = io.BytesIO(data)
    with zipfile.ZipFile(target, "a") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()

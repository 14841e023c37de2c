"""The transposed convolutions among the layers of Keras models."""

import json
import zipfile

import keras
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.formats.keras.model import KerasModel
from splitdeconv.layers import SplitConv2DTranspose
from tests.formats.keras.models import (
    filled,
    sequential,
)

layers = keras.layers

# Keras warns of deprecated NumPy calls of its own, and of unbuilt copies.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("here"),
]


def test_inspect_tells_the_geometry():
    frame = sd.inspect(sequential())
    assert frame["operator"].tolist() == ["Conv2DTranspose"] * 2
    plans = [sd.plan((6, 5), 5, 2), sd.plan((12, 10), 4, (2, 1), "VALID")]
    assert frame["geometry"].tolist() == [", ".join(map(str, plan.axes)) for plan in plans]
    assert frame["useful"].tolist() == [
        plans[0].macs(3, 8)["useful"],
        plans[1].macs(8, 2)["useful"],
    ]
    assert frame["batch"].isna().all()


def test_a_subclass_of_its_authors_is_refused():
    class Blurred(layers.Conv2DTranspose):
        def call(self, x):
            return super().call(x) / 2

    model = keras.Sequential([keras.Input((4, 4, 2)), Blurred(3, 3), layers.Conv2DTranspose(2, 3)])
    frame = sd.inspect(model)
    assert frame["verdict"].tolist() == ["refuse", "convert"]
    assert "Blurred is a custom class" in frame["reason"][0]
    new = sd.convert(filled(model)).model
    assert [type(layer) for layer in new.layers] == [Blurred, SplitConv2DTranspose]


def test_what_is_split_already_is_no_site():
    once = sd.convert(sequential()).model
    again = sd.convert(once)
    assert again.model is once
    assert len(sd.inspect(once)) == 0
    assert KerasModel.parse(once).operators()[1] == ("SplitConv2DTranspose", 1)


def built_for(path, shape):
    """A model in which the layer inside a wrapper says that it was built for `shape`."""
    x = keras.Input((3, 5, 2))
    up = layers.Conv1DTranspose(3, 4, strides=2)
    model = filled(keras.Model(x, layers.TimeDistributed(up)(x)))
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1]["config"]["layer"]["build_config"]["input_shape"] = shape
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return model


@pytest.mark.parametrize(
    "shape",
    [[[], 5, 2], [None, 7.5, 2], [None, True, 2], [None, -1, 2], [None, 10**30, 2], [2], [1] * 7],
    ids=str,
)
def test_what_cannot_be_a_shape_is_unknown(shape, tmp_path):
    """Keras reads only the channels of what a file says that a wrapped layer was built for."""
    path = tmp_path / "model.keras"
    shape = [*shape[:-1], 2]
    model = built_for(path, shape)
    frame = sd.inspect(path)
    assert frame["verdict"].tolist() == ["convert"]
    assert (frame["in_channels"][0], frame["out_channels"][0]) == (2, 3)
    new = sd.convert(path)
    assert new.report.verification
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 2)).astype("f4")
    np.testing.assert_allclose(new.model(x), model(x), rtol=0, atol=1e-5)


def test_a_float64_model_with_float32_inputs_is_compared_in_double_precision(tmp_path):
    """Amplified rounding is measured with inputs that float32 can hold."""
    x = keras.Input((6, 9, 3))
    up = layers.Conv2DTranspose(2, 3, strides=2, padding="same", dtype="float64")(x)
    y = layers.LayerNormalization(axis=-1, dtype="float64")(up)
    y = layers.Conv2DTranspose(3, 4, strides=2, padding="same", dtype="float64")(y)
    model = filled(keras.Model(x, y))
    path = tmp_path / "model.keras"
    model.save(path)
    (output,) = sd.convert(path).report.verification.outputs
    assert output.dtype == "float64"
    assert 0 < output.tolerance < 1e-8

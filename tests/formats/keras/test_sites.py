"""The transposed convolutions among the layers of Keras models."""

import keras
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

"""Keras models in files: what comes back, what is refused, and that nothing in them is executed."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.formats.keras.model import to_bytes, write
from splitdeconv.layers import SplitConv2DTranspose
from tests.formats.keras.models import assert_alike, sequential, split_layers
from tests.refusals import refused

layers = keras.layers
# Keras warns of deprecated NumPy calls of its own, and of unbuilt copies.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("here"),
]


@pytest.mark.slow
def test_the_way_of_loading_that_is_told_works_in_a_new_process(tmp_path):
    result = sd.convert(sequential(), verify=False)
    result.save(tmp_path / "out.keras")
    told = result.report.notes[0].partition(" before ")[0]
    loading = f"import keras; keras.saving.load_model({str(tmp_path / 'out.keras')!r})"
    codes = [
        subprocess.run([sys.executable, "-c", code], capture_output=True)
        for code in (f"{told}; {loading}", loading)
    ]
    assert [code.returncode for code in codes] == [0, 1]
    assert b"SplitConv2DTranspose" in codes[1].stderr


@pytest.mark.slow
def test_a_file_comes_back_as_a_file(tmp_path):
    model = sequential(optimizer="adam", loss="mse")
    model.save(tmp_path / "in.keras")
    result = sd.convert(tmp_path / "in.keras", form="rows")
    result.save(tmp_path / "out.keras")
    new = keras.saving.load_model(tmp_path / "out.keras")
    assert [layer.form for layer in split_layers(new)] == ["rows", "rows"]
    assert new.compiled
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 3)).astype("f4")
    assert_alike(keras.ops.convert_to_numpy(model(x)), keras.ops.convert_to_numpy(new(x)))
    assert_alike(keras.ops.convert_to_numpy(model(x)), keras.ops.convert_to_numpy(result.model(x)))
    assert sd.convert(tmp_path / "in.keras", form="rows", verify=False).content == result.content
    assert sd.verify(tmp_path / "in.keras", tmp_path / "out.keras", samples=1)


def test_a_model_in_memory_is_saved(tmp_path):
    result = sd.convert(sequential())
    result.save(tmp_path / "out.keras")
    assert type(keras.saving.load_model(tmp_path / "out.keras").layers[0]) is SplitConv2DTranspose
    assert [p.name for p in tmp_path.iterdir()] == ["out.keras"]


def test_code_in_a_file_is_not_executed(tmp_path):
    model = keras.Sequential(
        [keras.Input((4, 4, 2)), layers.Lambda(lambda x: 2 * x), layers.Conv2DTranspose(3, 3)]
    )
    model.save(tmp_path / "in.keras")
    with refused("Keras cannot load the model") as caught:
        sd.convert(tmp_path / "in.keras")
    assert "lambda" in caught.value.got.lower()
    assert "custom_objects" in caught.value.fix


def test_a_file_that_needs_its_authors_classes_is_refused(tmp_path):
    class Alien(layers.Layer):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((4, 4, 2)), Alien(), layers.Conv2DTranspose(3, 3)])
    model.save(tmp_path / "in.keras")
    known = keras.saving.get_custom_objects()
    registered = dict(known)
    known.clear()
    try:
        with refused("Keras cannot load the model") as caught:
            sd.inspect(tmp_path / "in.keras")
    finally:
        known.update(registered)
    assert "Alien" in caught.value.got


@pytest.mark.parametrize("length", [30, 200, 4000, -1])
def test_a_damaged_file_is_refused(length):
    data = to_bytes(sequential())
    with refused("unsupported model format|Keras cannot load the model"):
        sd.convert(data[:length])


def test_a_file_is_written_as_bytes_are(tmp_path):
    model = sequential()
    write(model, tmp_path / "a.keras")
    assert (tmp_path / "a.keras").read_bytes() == to_bytes(model) == to_bytes(model)

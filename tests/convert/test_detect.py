"""Formats are told by content; for every other kind of file the next command."""

import re
from pathlib import Path

import pytest

from splitdeconv.convert.detect import detect, read_model
from tests.convert import files
from tests.refusals import refused


def test_the_three_formats():
    assert detect(b"\x1c\x00\x00\x00TFL3" + bytes(100)) == "tflite"
    assert detect(files.zipped(config_json=b"{}", metadata_json=b"{}")) == "keras"
    graph = files.field(1, b"node")
    assert detect(files.field(1, 8) + files.field(2, b"pytorch") + files.field(7, graph)) == "onnx"
    # Writers may order fields as they like.
    assert detect(files.field(7, graph) + files.field(8, b"\x10\x0d") + files.field(1, 8)) == "onnx"
    # A truncated model is one: its parser knows best what is missing.
    assert detect((files.field(1, 8) + files.field(7, graph * 10))[:20]) == "onnx"


@pytest.mark.parametrize("name", files.ODD)
def test_everything_else_is_refused_with_what_it_is(name):
    content, what, fix = files.ODD[name]
    with refused("this is no model that can be converted") as caught:
        detect(content, "folder/some.model")
    assert caught.value.got.startswith(what)
    assert caught.value.where == "folder/some.model"
    assert caught.value.fix is None if fix is None else fix in caught.value.fix


@pytest.mark.parametrize("number", [n for n in range(1, 16) if n != 7])
def test_a_protobuf_without_a_graph_is_no_onnx(number):
    with refused("no model"):
        detect(files.field(number, b"text") + files.field(2, b"text"))


def test_models_are_read_from_paths_and_bytes(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"abc")
    assert read_model(path) == read_model(str(path)) == (b"abc", str(path))
    assert read_model(b"abc") == read_model(bytearray(b"abc")) == (b"abc", None)


def test_what_cannot_be_read_is_refused(tmp_path):
    with refused("the model cannot be read") as caught:
        read_model(tmp_path / "missing.tflite")
    assert caught.value.got == "No such file or directory"
    with refused("this is no model that can be converted") as caught:
        read_model(tmp_path)
    assert caught.value.got == "a directory"
    with refused("this is no model$|this is no model\n"):
        read_model(5)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with refused("this is no model that can be converted") as caught:
        read_model(tmp_path)
    assert caught.value.got == "a SavedModel folder"
    assert "from_saved_model" in caught.value.fix


def test_an_unreadable_file_is_refused(tmp_path):
    # Permissions do not stop root; a link to itself stops everyone.
    path = tmp_path / "model.tflite"
    path.symlink_to(path)
    with refused("the model cannot be read") as caught:
        read_model(path)
    assert "symbolic links" in caught.value.got


@pytest.fixture
def keras_model(tmp_path, monkeypatch):
    import keras

    monkeypatch.chdir(tmp_path)
    return keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2DTranspose(3, 3, 2)])


def follow(text):
    """Run the Python of a recipe's `python -c "..."`."""
    exec(re.search(r'python -c "(.*?)"', text, re.DOTALL).group(1))


# The libraries' own warnings, about old formats and old interpreters, are not under test.
@pytest.mark.filterwarnings("ignore")
def test_the_recipe_for_an_h5_file_works(keras_model):
    keras_model.save("old.h5")
    with refused("no model that can be converted") as caught:
        detect(Path("old.h5").read_bytes(), "old.h5")
    follow(caught.value.fix)
    assert detect(Path("model.keras").read_bytes()) == "keras"


@pytest.mark.filterwarnings("ignore")
def test_the_recipe_for_a_saved_model_works(keras_model):
    keras_model.export("saved", verbose=False)
    with refused("no model that can be converted") as caught:
        read_model("saved")
    follow(caught.value.fix)
    assert detect(Path("model.tflite").read_bytes()) == "tflite"

"""Stored tensors: typed fields, raw bytes, and values in other files inside the folder."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from splitdeconv.formats.onnx import model as module, tensors
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import convert, model, problem, run, single, value
from tests.refusals import refused

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1, 3, 5, 4)).astype("f")
W = RNG.standard_normal((3, 2, 3, 3)).astype("f")
BIAS = RNG.standard_normal(2).astype("f")
UP = {"strides": [2, 2]}


def _source(**how):
    return single(X, W, BIAS, **UP, **how)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u8", "i1", "f2", "?", "c8"])
def test_tensors_in_typed_fields(dtype):
    """Old writers store numbers in typed fields, not as raw bytes."""
    array = np.array([[1, 0], [1, 1]], dtype)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    typed = helper.make_tensor("t", kind, array.shape, array.reshape(-1))
    assert not typed.HasField("raw_data")
    source = _source()
    source.graph.initializer.append(typed)
    parsed = OnnxModel.parse(source)
    np.testing.assert_array_equal(tensors.array(typed, None), array)
    assert parsed.sites()[0].problem is None
    source.graph.initializer[-1].dims[0] = 3
    with refused("stored values do not match the shape"):
        OnnxModel.parse(source)


def test_weights_of_another_stored_form():
    """Typed fields are cut as raw bytes are."""
    source = _source()
    source.graph.initializer[0].CopyFrom(
        helper.make_tensor("w", TensorProto.FLOAT, W.shape, W.reshape(-1))
    )
    np.testing.assert_allclose(
        run(convert(source), {"x": X})[0], run(source, {"x": X})[0], rtol=1e-5, atol=1e-6
    )


@pytest.fixture
def outside(tmp_path):
    """A model in a folder of its own whose filters and other weights are in a file beside it."""
    folder = tmp_path / "model"
    folder.mkdir()
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["u"], name="up", **UP),
        helper.make_node("Add", ["u", "other"], ["y"]),
    ]
    weights = {"w": W, "b": BIAS, "other": RNG.standard_normal((1, 2, 11, 9)).astype("f")}
    source = model(nodes, [value("x", "f", X.shape)], [value("y", "f", [None] * 4)], weights)
    whole = source.SerializeToString()
    path = folder / "model.onnx"
    onnx.save_model(
        source, path, save_as_external_data=True, location="weights.bin", size_threshold=100
    )
    stored = onnx.load(path, load_external_data=False).graph.initializer
    places = {tensor.name: tensor.data_location for tensor in stored}
    external, inside = TensorProto.EXTERNAL, TensorProto.DEFAULT
    assert places == {"w": external, "b": inside, "other": external}
    return path, whole


@pytest.mark.parametrize("form", ["split", "stacked"])
def test_external_data_is_read_and_put_inside(outside, form):
    path, whole = outside
    before = sorted(os.listdir(path.parent))
    converted = convert(path.read_bytes(), form, path=path)
    assert all(t.data_location == TensorProto.DEFAULT for t in converted.graph.initializer)
    np.testing.assert_allclose(
        run(converted, {"x": X})[0], run(whole, {"x": X})[0], rtol=1e-5, atol=1e-6
    )
    assert sorted(os.listdir(path.parent)) == before


def test_external_data_without_a_path_is_a_problem(outside):
    path, _ = outside
    data = path.read_bytes()
    assert "whose location is unknown" in problem(data)
    with refused("whose location is unknown"):
        OnnxModel.parse(data).serialize()


def _relocate(path, **entries):
    source = onnx.load(path, load_external_data=False)
    tensor = source.graph.initializer[0]
    for entry in tensor.external_data:
        entry.value = str(entries.get(entry.key, entry.value))
    return source.SerializeToString()


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/hostname", "", ".", "weights.bin/../../secret.bin", "link.bin", "a\0b"],
)
def test_files_outside_the_folder_are_not_read(outside, location):
    path, _ = outside
    secret = path.parent.parent / "secret.bin"
    secret.write_bytes(W.tobytes())
    (path.parent / "link.bin").symlink_to(secret)
    data = _relocate(path, location=location, offset=0)
    assert "a file outside its folder" in problem(data, path=path)
    with refused("a file outside its folder"):
        OnnxModel.parse(data, path=path).serialize()


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "missing.bin"},
        {"offset": -1},
        {"offset": 10**9},
        {"offset": "zero"},
        {"length": 4},
        {"length": 10**12},
        {"location": "folder"},
    ],
    ids=str,
)
def test_external_data_that_is_not_there(outside, entries):
    path, _ = outside
    (path.parent / "folder").mkdir()
    data = _relocate(path, **entries)
    assert "a tensor cannot be read from its external file" in problem(data, path=path)
    with refused("a tensor cannot be read from its external file"):
        OnnxModel.parse(data, path=path).serialize()


def test_external_data_that_goes_away_between_looking_and_reading(outside, monkeypatch):
    path, _ = outside
    filters = onnx.load(path, load_external_data=False).graph.initializer[0]
    place = tensors.locate(filters, path.parent)
    monkeypatch.setattr(tensors, "locate", lambda *_: place)
    (path.parent / "weights.bin").unlink()
    with refused("a tensor cannot be read from its external file"):
        OnnxModel.parse(path.read_bytes(), path=path).serialize()


def test_more_than_one_file_can_hold_is_refused(outside, monkeypatch):
    path, _ = outside
    monkeypatch.setattr(module, "LARGEST", 500)
    with refused("the model is too large for one file"):
        OnnxModel.parse(path.read_bytes(), path=path).serialize()

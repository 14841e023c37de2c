"""Files that are no ONNX models, or lie about themselves; and tensors kept in files of their own."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from splitdeconv import SplitDeconvError
from splitdeconv.formats.onnx import model as module, parse as onnx_parse
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import convert, model, problem, run, single, tensor, value
from tests.refusals import refused

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1, 3, 5, 4)).astype("f")
W = RNG.standard_normal((3, 2, 3, 3)).astype("f")
BIAS = RNG.standard_normal(2).astype("f")
UP = {"strides": [2, 2]}


def _source(**how):
    return single(X, W, BIAS, **UP, **how)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "invalid size"),
        (b"hello, this is a text file", "not a complete protocol buffer"),
        (b"\x00" * 64, "not a complete protocol buffer"),
        (b"\x1c\x00\x00\x00TFL3" + b"\x00" * 64, "not a complete protocol buffer"),
        (b"PK\x03\x04" + b"\x00" * 64, "not a complete protocol buffer"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "parts are missing"),
        (b"\x08\x08", "parts are missing"),
    ],
    ids=range(7),
)
def test_what_is_no_model(data, match):
    with refused(match):
        OnnxModel.parse(data)


def test_the_path_is_named():
    with refused("invalid ONNX model") as caught:
        OnnxModel.parse(b"", path="some/model.onnx")
    assert caught.value.where == "some/model.onnx"


def test_a_size_beyond_protobuf_is_refused_before_parsing(monkeypatch):
    monkeypatch.setattr(onnx_parse, "LARGEST", 100)
    with refused("invalid size"):
        OnnxModel.parse(_source().SerializeToString())


def test_truncated_at_every_byte():
    """A prefix is refused, unless it ends between two fields and is a model of its own."""
    data = _source().SerializeToString()
    whole = 0
    for length in range(len(data)):
        try:
            parsed = OnnxModel.parse(data[:length])
        except SplitDeconvError:
            continue
        whole += 1
        assert parsed.sites()
    assert whole < 3


def test_random_damage_is_refused_or_harmless():
    """Parsing raises one kind of error and nothing else, whatever the bytes are."""
    rng = np.random.default_rng(0)
    data = np.frombuffer(_source().SerializeToString(), "u1")
    sound = 0
    for _ in range(1500):
        damaged = data.copy()
        places = rng.integers(len(data), size=rng.choice([1, 1, 2, 5]))
        damaged[places] = rng.integers(256, size=len(places))
        try:
            OnnxModel.parse(damaged.tobytes())
            sound += 1
        except SplitDeconvError:
            continue
    # Most bytes are numbers of the weights.
    assert 200 < sound < 1500


def _changed(change):
    source = _source()
    change(source)
    return source.SerializeToString()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: m.graph.node[0].input.append("nowhere"), "undefined value"),
        (lambda m: m.graph.output.append(value("nowhere", "f", [1])), "undefined value"),
        (lambda m: m.graph.node.append(m.graph.node[0]), "duplicate name"),
        (lambda m: m.graph.node[0].output.__setitem__(0, "w"), "duplicate name"),
        (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "duplicate name"),
        (lambda m: m.graph.input.append(m.graph.input[0]), "duplicate name"),
        (
            lambda m: m.graph.sparse_initializer.add().values.CopyFrom(m.graph.initializer[0]),
            "duplicate name",
        ),
        (lambda m: m.opset_import.add(domain="ai.onnx", version=9), "duplicate operator set"),
        (lambda m: m.graph.initializer[0].dims.append(2), "stored values do not match the shape"),
        (
            lambda m: m.graph.initializer[0].dims.__setitem__(0, 2**62),
            "stored values do not match the shape",
        ),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, -3), "negative length in a tensor"),
        (
            lambda m: m.graph.initializer[0].ClearField("raw_data"),
            "stored values do not match the shape",
        ),
        (lambda m: m.ClearField("opset_import"), "parts are missing"),
    ],
    ids=range(13),
)
def test_models_that_contradict_themselves(change, match):
    with refused(match):
        OnnxModel.parse(_changed(change))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m.graph.node[0], "name", "abcd"),
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", "abcd"),
        lambda m: m.graph.value_info.add(name="abcd"),
    ],
)
def test_names_that_are_no_text(change):
    with refused("a name is not valid UTF-8"):
        OnnxModel.parse(_changed(change).replace(b"abcd", b"\xff\xfe\xfd\xfc"))


@pytest.mark.parametrize("field", ["doc_string", "producer_name", "domain"])
def test_other_texts_may_be_anything(field):
    data = _changed(lambda m: setattr(m, field, "abcd")).replace(b"abcd", b"\xff\xfe\xfd\xfc")
    assert OnnxModel.parse(data).sites()[0].problem is None


def test_an_attribute_of_another_type():
    """Numbers under a name that stands for text."""
    changed = _changed(
        lambda m: m.graph.node[0].attribute.append(helper.make_attribute("auto_pad", [1, 2]))
    )
    assert OnnxModel.parse(changed).sites()[0].problem


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
    np.testing.assert_array_equal(onnx_parse.array(typed, None), array)
    assert parsed.sites()[0].problem is None
    source.graph.initializer[-1].dims[0] = 3
    with refused("stored values do not match the shape"):
        OnnxModel.parse(source)


def test_packed_and_unknown_types_are_not_counted():
    source = _source()
    source.graph.initializer.append(
        TensorProto(name="four", data_type=TensorProto.INT4, dims=[3], int32_data=[1, 2])
    )
    source.graph.initializer.append(TensorProto(name="new", data_type=99, dims=[3], raw_data=b"1"))
    source.graph.initializer.append(
        helper.make_tensor("text", TensorProto.STRING, [2], [b"a", b"b"])
    )
    assert OnnxModel.parse(source).sites()[0].problem is None


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
    """A model in a folder of its own that keeps its filters, and other weights, in a file beside
    it.
    """
    folder = tmp_path / "model"
    folder.mkdir()
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["u"], name="up", **UP),
        helper.make_node("Add", ["u", "other"], ["y"]),
    ]
    stored = {"w": W, "b": BIAS, "other": RNG.standard_normal((1, 2, 11, 9)).astype("f")}
    source = model(nodes, [value("x", "f", X.shape)], [value("y", "f", [None] * 4)], stored)
    whole = source.SerializeToString()
    path = folder / "model.onnx"
    onnx.save_model(
        source, path, save_as_external_data=True, location="weights.bin", size_threshold=100
    )
    held = {
        t.name: t.data_location for t in onnx.load(path, load_external_data=False).graph.initializer
    }
    assert held == {
        "w": TensorProto.EXTERNAL,
        "b": TensorProto.DEFAULT,
        "other": TensorProto.EXTERNAL,
    }
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
    found = onnx_parse.locate(
        onnx.load(path, load_external_data=False).graph.initializer[0], path.parent
    )
    monkeypatch.setattr(onnx_parse, "locate", lambda *_: found)
    (path.parent / "weights.bin").unlink()
    with refused("a tensor cannot be read from its external file"):
        OnnxModel.parse(path.read_bytes(), path=path).serialize()


def test_more_than_one_file_can_hold_is_refused(outside, monkeypatch):
    path, _ = outside
    monkeypatch.setattr(module, "LARGEST", 500)
    with refused("the model is too large for one file"):
        OnnxModel.parse(path.read_bytes(), path=path).serialize()


def test_sparse_initializers_are_no_reason_to_refuse_the_rest():
    source = _source()
    sparse = source.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(tensor("thin", np.array([1.0], "f")))
    sparse.indices.CopyFrom(tensor("thin_indices", np.array([2])))
    source.graph.node.append(helper.make_node("Neg", ["thin"], ["z"]))
    assert OnnxModel.parse(source).sites()[0].problem is None
    source.graph.node[0].input[1] = "thin"
    assert "the shape of its filters is unknown" in problem(source)

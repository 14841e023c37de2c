"""Files that are not ONNX models, or contradict themselves."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from splitdeconv import SplitDeconvError
from splitdeconv.formats.onnx import parse as onnx_parse
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import problem, single, tensor, value
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


def test_sparse_initializers_are_no_reason_to_refuse_the_rest():
    source = _source()
    sparse = source.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(tensor("thin", np.array([1.0], "f")))
    sparse.indices.CopyFrom(tensor("thin_indices", np.array([2])))
    source.graph.node.append(helper.make_node("Neg", ["thin"], ["z"]))
    assert OnnxModel.parse(source).sites()[0].problem is None
    source.graph.node[0].input[1] = "thin"
    assert "the shape of the filters is unknown" in problem(source)

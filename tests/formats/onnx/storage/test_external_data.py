"""What a report says of a model that keeps its tensors in other files: their bytes count."""

import numpy as np
import onnx
import onnxruntime
import pytest

import splitdeconv as sd
from splitdeconv.convert import rewrite
from splitdeconv.formats.onnx import model as parsed
from tests.formats.onnx.models import arrays, model, node, single, value
from tests.refusals import refused


def kept_outside(source, folder):
    """The model's path, its tensors in a file beside it."""
    path = folder / "model.onnx"
    onnx.save_model(
        source, path, save_as_external_data=True, location="model.data", size_threshold=0
    )
    return path


@pytest.fixture
def path(tmp_path):
    x, w, b = arrays(1, (5, 4), (4, 3), 1, (30, 20))
    return kept_outside(single(x, w, b, strides=[2, 2]), tmp_path)


def convert(path):
    return rewrite.rewrite("onnx", path.read_bytes(), path=str(path))


def test_bytes_before_count_all_files(path):
    data, report = convert(path)
    files = path.stat().st_size + path.with_name("model.data").stat().st_size
    # Filters and bias of float32; what is between them in the file is nobody's.
    assert report.bytes_before == path.stat().st_size + 4 * (30 * 20 * 4 * 3 + 20)
    assert report.bytes_before <= files
    assert report.bytes_after == len(data) > report.bytes_before
    assert report.notes == ("data from the model's other files is now inside it",)


@pytest.fixture
def plain(tmp_path):
    """A model without a transposed convolution: its path, its output, and its parts."""
    w = np.arange(12, dtype="f4").reshape(3, 4)
    source = model(
        [node("MatMul", "xw", "y")],
        [value("x", "f4", [2, 3])],
        [value("y", "f4", [2, 4])],
        {"w": w},
    )
    return kept_outside(source, tmp_path), w


def test_a_model_with_nothing_to_convert_loads_from_wherever_it_is_written(plain, tmp_path):
    path, w = plain
    (tmp_path / "elsewhere").mkdir()
    result = sd.convert(path)
    out = result.save(tmp_path / "elsewhere" / "out.onnx")
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    x = np.arange(6, dtype="f4").reshape(2, 3)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x @ w)
    assert result.report.bytes_after == out.stat().st_size
    assert result.report.bytes_before == path.stat().st_size + w.nbytes
    assert result.report.notes[-1] == "data from the model's other files is now inside it"
    assert result.report.verification is None


def test_what_cannot_be_put_into_one_file_is_refused(plain, monkeypatch):
    path, _ = plain
    monkeypatch.setattr(parsed, "LARGEST", 100)
    with refused("the model is too large for one file") as caught:
        convert(path)
    assert caught.value.fix == "there is nothing to convert in it: use it as it is"
    path.with_name("model.data").unlink()
    with refused("a tensor cannot be read from its external file"):
        convert(path)


def test_a_model_given_as_bytes_cannot_be_completed(plain):
    with refused("whose location is unknown"):
        sd.convert(plain[0].read_bytes())


def test_tensors_in_one_place_count_once(tmp_path):
    x, w, _ = arrays(1, (5, 4), (4, 3), 1, (3, 2))
    names = ("a", "b")
    nodes = [node("ConvTranspose", ["x", name], f"{name}_up") for name in names]
    outputs = [value(f"{name}_up", "f4", [None] * 4) for name in names]
    path = kept_outside(
        model(nodes, [value("x", "f4", x.shape)], outputs, dict.fromkeys(names, w)), tmp_path
    )
    shared = onnx.load_model(path, load_external_data=False)
    for kept, of in zip(
        shared.graph.initializer[1].external_data,
        shared.graph.initializer[0].external_data,
        strict=True,
    ):
        kept.CopyFrom(of)
    path.write_bytes(shared.SerializeToString())
    assert convert(path)[1].bytes_before == path.stat().st_size + w.nbytes


def test_files_that_cannot_be_read_do_not_count(path):
    path.with_name("model.data").unlink()
    (row,) = sd.inspect(path).to_dict("records")
    assert row["verdict"] == "refuse"
    assert (
        rewrite.examine("onnx", path.read_bytes(), str(path))[1].bytes_before == path.stat().st_size
    )


def kept_sparse(folder, where, location):
    """A model whose bias is sparse, its numbers in a file beside it; and these numbers.

    Args:
        folder: of the model.
        where: "initializer", "node", or "training", where it is a dense one that training
            begins with.
        location: of the file, as the model names it.
    """
    x, w, _ = arrays(1, (5, 4), (4, 3), 1, (3, 2))
    numbers = np.arange(1, 3, dtype="f4")
    numbers.tofile(folder / "model.data")
    values = onnx.TensorProto(
        name="b", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL
    )
    for key, text in (("location", location), ("offset", "0"), ("length", "8")):
        values.external_data.add(key=key, value=text)
    indices = onnx.numpy_helper.from_array(np.arange(2), "indices")
    sparse = onnx.SparseTensorProto(values=values, indices=indices, dims=[2, 1, 1])
    nodes = [node("ConvTranspose", "xw", "t", strides=[2, 2]), node("Add", "tb", "y")]
    constants = {"w": w} | ({"b": numbers.reshape(2, 1, 1)} if where == "training" else {})
    if where == "node":
        values.name = ""
        nodes.insert(0, onnx.NodeProto(op_type="Constant", output=["b"]))
        kind = onnx.AttributeProto.SPARSE_TENSOR
        nodes[0].attribute.add(name="sparse_value", type=kind, sparse_tensor=sparse)
    source = model(nodes, [value("x", "f4", x.shape)], [value("y", "f4", [None] * 4)], constants)
    if where == "initializer":
        source.graph.sparse_initializer.append(sparse)
    if where == "training":
        source.training_info.add().initialization.initializer.append(values)
    (folder / "model.onnx").write_bytes(source.SerializeToString())
    return folder / "model.onnx"


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("where", ["initializer", "node", "training"])
def test_no_tensor_stays_outside(tmp_path, where):
    (tmp_path / "in").mkdir()
    path = kept_sparse(tmp_path / "in", where, "model.data")
    result = sd.convert(path)
    assert result.report.verification.method == "model"
    runs = [
        onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
        for source in (path, result.save(tmp_path / "out.onnx"))
    ]
    x = np.zeros(runs[0].get_inputs()[0].shape, "f4")
    ours, theirs = (run.run(None, {"x": x})[0] for run in runs)
    np.testing.assert_array_equal(theirs, ours)
    np.testing.assert_array_equal(theirs[0, :, 0, 0], [1, 2])
    assert b"model.data" not in result.content


@pytest.mark.parametrize("where", ["initializer", "node", "training"])
def test_no_tensor_is_taken_from_another_folder(tmp_path, where):
    (tmp_path / "in").mkdir()
    path = kept_sparse(tmp_path / "in", where, "../model.data")
    with refused("refers to a file outside its folder"):
        convert(path)

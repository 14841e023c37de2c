"""On request, large tensors go to a file beside the model; both files load, or none is written."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

import splitdeconv as sd
from splitdeconv.formats.onnx.storage import saving
from splitdeconv.formats.onnx.storage.external_data import SMALL
from tests.formats.onnx.models import model, node, value
from tests.formats.onnx.storage.test_kept import network, outside, run
from tests.refusals import refused


def stored_inside(folder):
    """As `network`, with everything in one file; typed fields and raw bytes, a table of text."""
    rng = np.random.default_rng(3)
    table = rng.standard_normal((50, 24), np.float32)
    w, b = rng.standard_normal((24, 17, 5), np.float32), rng.standard_normal(17, np.float32)
    nodes = [
        node("Gather", ["table", "ids"], "e"),
        node("Transpose", "e", "t", perm=[0, 2, 1]),
        node("ConvTranspose", ["t", "w", "b"], "y", strides=[3]),
    ]
    made = model(
        nodes, [value("ids", "i8", [2, 9])], [value("y", "f4", [2, 17, None])], {"w": w, "b": b}
    )
    kind = onnx.TensorProto
    words = [b"word"] * 600
    made.graph.initializer.extend(
        [
            onnx.helper.make_tensor("table", kind.FLOAT, table.shape, table.ravel()),
            onnx.helper.make_tensor("words", kind.STRING, [600], words),
        ]
    )
    assert made.graph.initializer[2].float_data
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return SimpleNamespace(path=path, ids=rng.integers(0, 50, (2, 9)), table=table)


@pytest.fixture
def whole(tmp_path):
    (tmp_path / "in").mkdir()
    return stored_inside(tmp_path / "in")


@pytest.mark.parametrize("as_bytes", [True, False])
def test_large_tensors_go_outside_on_request(whole, tmp_path, as_bytes):
    result = sd.convert(whole.path.read_bytes() if as_bytes else whole.path)
    out = result.save(tmp_path / "split.onnx", external_data=True)
    data = tmp_path / "split.onnx.data"
    places = outside(out)
    assert {location for location, *_ in places.values()} == {data.name}
    assert "table" in places
    assert len(places) >= 2  # the filters of the convolutions are large as well
    spans = sorted((offset, offset + length) for _, offset, length in places.values())
    assert all(start % 4096 == 0 for start, _ in spans)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    assert data.stat().st_size == spans[-1][1]
    stored = onnx.load_model(out, load_external_data=False).graph.initializer
    assert all(tensor.ByteSize() <= SMALL for tensor in stored if tensor.name != "words")
    onnx.checker.check_model(out)
    inside = run(result.save(tmp_path / "inside.onnx"), whole.ids)
    np.testing.assert_array_equal(run(out, whole.ids), inside)
    assert bool(sd.verify(whole.path, out))
    assert not [layer for layer in sd.inspect(out)["verdict"] if layer == "convert"]


def test_tensors_inside_and_outside_share_the_file(tmp_path):
    """Those that are outside are copied; those that the conversion has made join them."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    kept = network(tmp_path / "in")
    result = sd.convert(kept.path)
    out = result.save(tmp_path / "out/split.onnx", external_data=True)
    assert {location for location, *_ in outside(out).values()} == {"split.onnx.data"}
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(run(out, kept.ids), y, rtol=0, atol=1e-5 * np.abs(y).max())
    beside = result.save(kept.path.with_name("split.onnx"), external_data=True)
    assert {location for location, *_ in outside(beside).values()} <= {
        "split.onnx.data",
        "weights.bin",
        "data/embeddings/table.bin",
    }
    np.testing.assert_array_equal(run(beside, kept.ids), run(out, kept.ids))


def test_no_file_is_replaced_unasked_and_none_that_is_read(whole, tmp_path):
    result = sd.convert(whole.path)
    out, data = tmp_path / "split.onnx", tmp_path / "split.onnx.data"
    data.write_bytes(b"precious")
    with refused("the output cannot be written"):
        result.save(out, external_data=True)
    assert not out.exists()
    assert data.read_bytes() == b"precious"
    result.save(out, overwrite=True, external_data=True)
    again = sd.convert(out)  # which reads split.onnx.data
    with refused("the output cannot be written") as caught:
        again.save(out, overwrite=True, external_data=True)
    assert caught.value.expected == "a file that the model itself does not read"
    np.testing.assert_array_equal(
        run(out, whole.ids), run(again.save(tmp_path / "b.onnx"), whole.ids)
    )


def test_a_model_that_cannot_be_written_leaves_no_data_behind(whole, tmp_path, monkeypatch):
    result = sd.convert(whole.path)
    (tmp_path / "split.onnx").mkdir()
    with refused("the output cannot be written"):
        result.save(tmp_path / "split.onnx", external_data=True)
    write, calls = saving.output.write, []

    def full(path, *rest):
        calls.append(path)
        if len(calls) == 2:
            raise sd.SplitDeconvError(
                "the output cannot be written", where="here", expected="room", got="none"
            )
        return write(path, *rest)

    monkeypatch.setattr(saving.output, "write", full)
    with refused("the output cannot be written"):
        result.save(tmp_path / "other.onnx", external_data=True)
    assert not list(tmp_path.glob("other*"))

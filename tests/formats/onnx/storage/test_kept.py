"""Large tensors in other files stay there, and a written model loads where it lies."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

import splitdeconv as sd
from splitdeconv.formats.onnx.storage import saving
from splitdeconv.formats.onnx.storage.external_data import SMALL, staying
from splitdeconv.formats.onnx.storage.saving import completed
from tests.formats.onnx.models import model, node, value
from tests.refusals import refused


def keep(folder, name, values, location, offset=0):
    """A tensor whose values lie in a file of the folder, from an offset on."""
    path = folder / location
    path.parent.mkdir(exist_ok=True, parents=True)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(offset)
        file.write(values.tobytes())
    return refer(name, values.shape, location, offset, values.nbytes)


def refer(name, shape, location, offset, length):
    kind = onnx.TensorProto
    tensor = kind(name=name, data_type=kind.FLOAT, dims=shape, data_location=kind.EXTERNAL)
    for key, text in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def network(folder, seed=0):
    """A model with tensors in three files, two of them in folders: its path, a run, an input."""
    rng = np.random.default_rng(seed)
    table, dense = (
        rng.standard_normal((50, 24), np.float32),
        rng.standard_normal((24, 12), np.float32),
    )
    w, b = rng.standard_normal((12, 7, 5), np.float32), rng.standard_normal(7, np.float32)
    nodes = [
        node("Gather", ["table", "ids"], "e"),
        node("MatMul", ["e", "dense"], "d"),
        node("Transpose", "d", "t", perm=[0, 2, 1]),
        node("ConvTranspose", ["t", "w", "b"], "y", strides=[3]),
    ]
    made = model(nodes, [value("ids", "i8", [2, 9])], [value("y", "f4", [2, 7, None])], {})
    made.graph.initializer.extend(
        [
            keep(folder, "table", table, "data/embeddings/table.bin", 4096),
            keep(folder, "dense", dense, "weights.bin", 64),
            keep(folder, "w", w, "weights.bin", 64 + dense.nbytes),
            keep(folder, "b", b, "data/bias.bin", 3 * 4),
        ]
    )
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    ids = rng.integers(0, 50, (2, 9))
    return SimpleNamespace(path=path, ids=ids, table=table, dense=dense)


def run(path, ids):
    """The output of the file as a runtime loads it from where it lies."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": ids})[0]


def outside(path):
    """(location, offset, length) by the names of the tensors that a file keeps elsewhere."""
    stored = onnx.load_model(path, load_external_data=False).graph.initializer
    entries = {t.name: {e.key: e.value for e in t.external_data} for t in stored if t.external_data}
    return {
        name: (e["location"], int(e["offset"]), int(e["length"])) for name, e in entries.items()
    }


@pytest.fixture
def kept(tmp_path):
    (tmp_path / "in").mkdir()
    return network(tmp_path / "in")


def test_in_the_same_folder_nothing_is_copied(kept):
    files = sorted(kept.path.parent.rglob("*"))
    result = sd.convert(kept.path)
    out = result.save(kept.path.with_name("split.onnx"))
    assert sorted(kept.path.parent.rglob("*")) == sorted([*files, out])
    assert outside(out) == {
        "table": ("data/embeddings/table.bin", 4096, kept.table.nbytes),
        "dense": ("weights.bin", 64, kept.dense.nbytes),
    }
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(run(out, kept.ids), y, rtol=0, atol=1e-5 * np.abs(y).max())
    assert np.abs(y).std() > 0.1
    report = result.report
    assert report.verification.passed
    assert report.verification.method == "model"
    assert report.bytes_after == out.stat().st_size + kept.table.nbytes + kept.dense.nbytes
    assert report.notes[-1].startswith(
        f"{kept.table.nbytes + kept.dense.nbytes:,} bytes stay in other files "
        "(data/embeddings/table.bin, weights.bin)"
    )
    assert bool(sd.verify(kept.path, out))


@pytest.mark.parametrize("name", ["elsewhere/split.onnx", "in/data/split.onnx"])
def test_elsewhere_what_is_needed_is_copied_into_one_file(kept, tmp_path, name):
    out = tmp_path / name
    out.parent.mkdir(exist_ok=True)
    result = sd.convert(kept.path)
    held = set(out.parent.rglob("*"))
    result.save(out)
    data = out.with_name("split.onnx.data")
    below = (
        out.parent / "embeddings" / "table.bin"
    )  # seen from the second folder, one of the files lies below it
    assert set(out.parent.rglob("*")) - held == {out, data}
    found = outside(out)
    assert found["dense"][0] == data.name
    assert found["table"][0] == ("embeddings/table.bin" if below.exists() else data.name)
    copied = [kept.dense] if below.exists() else [kept.dense, kept.table]
    assert (
        sum(part.nbytes for part in copied)
        <= data.stat().st_size
        < sum(part.nbytes + 4096 for part in copied)
    )
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(run(out, kept.ids), y, rtol=0, atol=1e-5 * np.abs(y).max())


def test_a_file_of_that_name_is_replaced_only_if_asked(kept, tmp_path):
    (tmp_path / "b").mkdir()
    out, data = tmp_path / "b" / "split.onnx", tmp_path / "b" / "split.onnx.data"
    data.write_bytes(b"mine")
    result = sd.convert(kept.path)
    with refused("the output cannot be written") as caught:
        result.save(out)
    assert caught.value.where == str(data)
    assert (data.read_bytes(), out.exists()) == (b"mine", False)
    result.save(out, overwrite=True)
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(run(out, kept.ids), y, rtol=0, atol=1e-5 * np.abs(y).max())


def test_a_link_to_a_file_that_the_model_reads_is_not_written_through(kept, tmp_path):
    (tmp_path / "b").mkdir()
    source = kept.path.with_name("weights.bin")
    before = source.read_bytes()
    (tmp_path / "b" / "split.onnx.data").symlink_to(source)
    with refused("the output cannot be written") as caught:
        sd.convert(kept.path).save(tmp_path / "b" / "split.onnx", overwrite=True)
    assert "itself does not read" in caught.value.expected
    assert source.read_bytes() == before


def test_a_folder_above_refers_downwards(kept, tmp_path):
    out = sd.convert(kept.path).save(tmp_path / "split.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "split.onnx"]
    assert {location for location, *_ in outside(out).values()} == {
        "in/data/embeddings/table.bin",
        "in/weights.bin",
    }
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(run(out, kept.ids), y, rtol=0, atol=1e-5 * np.abs(y).max())


def test_the_model_in_memory_holds_everything(kept):
    result = sd.convert(kept.path)
    session = onnxruntime.InferenceSession(result.model, providers=["CPUExecutionProvider"])
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(
        session.run(None, {"ids": kept.ids})[0], y, rtol=0, atol=1e-5 * np.abs(y).max()
    )
    assert bool(sd.verify(kept.path, result.model))
    assert completed(result.model, kept.path.parent) == result.model


def test_a_model_that_is_too_large_for_one_piece_is_to_be_saved(kept, monkeypatch):
    result = sd.convert(kept.path)
    monkeypatch.setattr(
        saving, "LARGEST", len(result.content) + kept.table.nbytes + kept.dense.nbytes - 1
    )
    with refused("the model is too large for one file in memory") as caught:
        _ = result.model
    assert "save it in the folder of the original" in caught.value.fix
    monkeypatch.undo()
    assert len(result.model) > kept.table.nbytes + kept.dense.nbytes


def test_a_model_without_anything_to_convert_keeps_its_files(kept, tmp_path):
    plain = onnx.load_model(kept.path, load_external_data=False)
    del plain.graph.node[3], plain.graph.initializer[2:]
    plain.graph.output[0].CopyFrom(value("t", "f4", [2, 12, 9]))
    kept.path.write_bytes(plain.SerializeToString())
    for out in (kept.path.with_name("out.onnx"), tmp_path / "out.onnx"):
        sd.convert(kept.path).save(out)
        assert outside(out).keys() == {"table", "dense"}
        np.testing.assert_array_equal(run(out, kept.ids), run(kept.path, kept.ids))


def test_tensors_in_one_place_are_copied_once(kept, tmp_path):
    source = onnx.load_model(kept.path, load_external_data=False)
    again = source.graph.initializer.add()
    again.CopyFrom(source.graph.initializer[0])
    again.name = "table2"
    source.graph.node.add().CopyFrom(node("Gather", ["table2", "ids"], "e2"))
    source.graph.output.add().CopyFrom(value("e2", "f4", [2, 9, 24]))
    kept.path.write_bytes(source.SerializeToString())
    (tmp_path / "b").mkdir()
    out = sd.convert(kept.path).save(tmp_path / "b" / "out.onnx")
    found = outside(out)
    assert found["table"] == found["table2"]
    assert (
        out.with_name("out.onnx.data").stat().st_size < kept.table.nbytes + kept.dense.nbytes + 4096
    )


@pytest.mark.parametrize("size", [SMALL // 4, SMALL // 4 + 1])
def test_only_large_tensors_stay(tmp_path, size):
    tensor = keep(tmp_path, "t", np.zeros(size, "f4"), "t.bin")
    source = model([node("Identity", "t", "y")], [], [value("y", "f4", [size])], {})
    source.graph.initializer.append(tensor)
    assert len(staying(source, tmp_path)) == (size > SMALL // 4)


def test_files_that_changed_meanwhile_are_refused(kept, tmp_path):
    result = sd.convert(kept.path)
    os.truncate(kept.path.with_name("weights.bin"), 100)
    (tmp_path / "b").mkdir()
    with refused("a tensor cannot be read from its external file"):
        result.save(tmp_path / "b" / "out.onnx")
    assert not list((tmp_path / "b").iterdir())


@pytest.mark.slow
def test_the_command_converts_and_times_it(kept, tmp_path):
    from typer.testing import CliRunner

    from splitdeconv.cli import app

    out = tmp_path / "out.onnx"
    arguments = ["bench", str(kept.path), "--threads", "1", "--turns", "2", "--json"]
    for command in (["convert", str(kept.path), "-o", str(out)], arguments):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert ("stay in other files" in done.output) == (command[0] == "convert")


SCRIPT = """
import resource, sys
from pathlib import Path
import splitdeconv as sd
result = sd.convert(sys.argv[1])
assert result.report.verification.passed
result.save(sys.argv[2])
# A process inherits ru_maxrss from the one that started it; VmHWM is its own.
status = Path("/proc/self/status").read_text().splitlines()
own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(result.report.bytes_after, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in/split.onnx", "elsewhere/split.onnx"])
def test_three_gigabytes_outside_are_not_held(tmp_path, name):
    folder, size = tmp_path / "in", 3 << 30
    folder.mkdir()
    kept = network(folder)
    source = onnx.load_model(kept.path, load_external_data=False)
    rows = size // kept.table[0].nbytes
    table = folder / "data" / "embeddings" / "table.bin"
    os.truncate(table, 4096 + size)  # holes, which take no room
    source.graph.initializer[0].CopyFrom(
        refer("table", [rows, 24], "data/embeddings/table.bin", 4096, rows * kept.table[0].nbytes)
    )
    kept.path.write_bytes(source.SerializeToString())
    out = tmp_path / name
    out.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-c", SCRIPT, str(kept.path), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after, *peaks = map(int, done.stdout.split())
    assert after > size - 100
    assert max(peaks) < 600_000  # KiB
    assert out.stat().st_size < 100_000
    assert (
        sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*") if path.is_file()) < 1 << 20
    )
    y = run(kept.path, kept.ids)
    np.testing.assert_allclose(run(out, kept.ids), y, rtol=0, atol=1e-5 * np.abs(y).max())
    assert np.abs(y).std() > 0.1

"""Sweeps in a folder: the values of those in memory, or no folder at all."""

import json
import os

import numpy as np
import pytest
import xarray

from splitdeconv import SplitDeconvError
from splitdeconv.dlp import open_sweep, sweep
from splitdeconv.dlp.design_space import store
from splitdeconv.dlp.design_space.jobs import VARIABLES, Job
from tests.dlp.design_space.spaces import AXES, HOW, TABLES
from tests.refusals import refused


@pytest.fixture(scope="module")
def whole():
    return sweep(TABLES, axes=AXES, **HOW)


@pytest.mark.parametrize("chunk", [5, 24, 10**6])
def test_it_holds_the_values_of_one_in_memory(whole, chunk, tmp_path):
    path = tmp_path / "all.zarr"
    found = sweep(TABLES, axes=AXES, to=path, chunk=chunk, **HOW)
    # Nothing is read before it is used.
    assert all(found[name].chunks is not None for name in VARIABLES)
    xarray.testing.assert_identical(found.compute(), whole)
    xarray.testing.assert_identical(open_sweep(str(path)).compute(), whole)
    assert [entry.name for entry in tmp_path.iterdir()] == ["all.zarr"]
    hidden = {".zgroup", ".zattrs", ".zmetadata"}
    assert {entry.name for entry in path.iterdir()} == {*VARIABLES, *whole.dims, *hidden}


def test_it_is_the_format_that_others_read(whole, tmp_path):
    """What the specification of Zarr 2 says of arrays without compression, read by hand."""
    path = tmp_path / "all.zarr"
    sweep(TABLES, axes=AXES, to=path, chunk=7, variables=["dram_bytes"], **HOW)
    assert json.loads((path / ".zgroup").read_text()) == {"zarr_format": 2}
    record = json.loads((path / "dram_bytes/.zarray").read_text())
    about = json.loads((path / "dram_bytes/.zattrs").read_text())
    assert about == {"_ARRAY_DIMENSIONS": list(whole.dram_bytes.dims), "units": "B"}
    assert (record["order"], record["compressor"], record["filters"]) == ("C", None, None)
    assert (record["fill_value"], record["dtype"]) == (None, "<f8")
    assert record["shape"] == list(whole.dram_bytes.shape)
    read = np.full(whole.dram_bytes.shape, np.nan)
    for entry in sorted((path / "dram_bytes").glob("[0-9]*")):
        numbers = np.frombuffer(entry.read_bytes(), "<f8").reshape(record["chunks"])
        starts = [int(n) * c for n, c in zip(entry.name.split("."), record["chunks"], strict=True)]
        inside = tuple(
            slice(start, start + c) for start, c in zip(starts, record["chunks"], strict=True)
        )
        part = read[inside]
        part[...] = numbers[tuple(map(slice, part.shape))]
    assert read.tobytes() == whole.dram_bytes.values.tobytes()
    together = json.loads((path / ".zmetadata").read_text())
    assert together["zarr_consolidated_format"] == 1
    for name, content in together["metadata"].items():
        assert json.loads((path / name).read_text()) == content


def test_without_axes_there_is_one_block(tmp_path):
    found = sweep(TABLES, axes={}, to=tmp_path / "one.zarr", **HOW)
    xarray.testing.assert_identical(found.compute(), sweep(TABLES, axes={}, **HOW))


def test_labels_of_every_type_come_back(tmp_path):
    axes = {
        "strided_writes": [True, False],
        "technology": ["cacti_40nm", "horowitz_45nm"],
        "dram_gb_s": [1, 2.5],
        "mixed": {"ä": {}, 2: {"rows": 2}},
        "large": {2**70: {}, 1: {"cols": 2}},
    }
    found = sweep(TABLES, axes=axes, to=tmp_path / "all.zarr", variables=["energy_pj"], **HOW)
    expected = sweep(TABLES, axes=axes, variables=["energy_pj"], **HOW)
    assert (found.energy_pj.compute().values == expected.energy_pj.values).all()
    for name in axes:
        assert found[name].values.tolist() == expected[name].values.tolist()


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_what_is_there_is_kept(kind, tmp_path, monkeypatch):
    path = tmp_path / "all.zarr"
    if kind == "file":
        path.write_text("mine")
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
        if kind == "folder":
            (path / "mine").write_text("mine")
    monkeypatch.setattr(Job, "__call__", lambda *_: pytest.fail("a block was computed"))
    with refused("the output cannot be written"):
        sweep(TABLES, axes=AXES, to=path, **HOW)
    assert os.path.lexists(path)
    assert len(list(tmp_path.iterdir())) == 1
    assert kind != "folder" or (path / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("all.parquet", "invalid output of a sweep"),
        ("all", "invalid output of a sweep"),
        ("none/all.zarr", "the output cannot be written"),
    ],
)
def test_names_that_do_not_fit(name, match, tmp_path):
    with refused(match):
        sweep(TABLES, axes=AXES, to=tmp_path / name, **HOW)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", ["computing", "no room", "telling", "name taken"])
def test_after_a_failure_there_is_nothing(failure, tmp_path, monkeypatch):
    path = tmp_path / "all.zarr"
    call, write, told = Job.__call__, store.Write.write, []

    def fail(done, total):
        told.append((done, total))
        if failure == "telling" and done == 3:
            raise KeyboardInterrupt
        if failure == "name taken" and done == total:
            path.mkdir()
            (path / "mine").write_text("mine")

    def compute(self, start, *more):
        if failure == "computing" and any(start):
            raise ZeroDivisionError
        return call(self, start, *more)

    def full(self, block, values):
        if failure == "no room" and block.job == 5:
            monkeypatch.setattr(os, "replace", no_room)
        write(self, block, values)

    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Job, "__call__", compute)
    monkeypatch.setattr(store.Write, "write", full)
    expected = {"computing": ZeroDivisionError, "telling": KeyboardInterrupt}
    with pytest.raises(expected.get(failure, SplitDeconvError)) as caught:
        sweep(TABLES, axes=AXES, to=path, chunk=8, progress=fail, **HOW)
    if failure == "no room":
        assert "No space left on device" in str(caught.value)
    if failure == "name taken":
        assert "appeared meanwhile" in str(caught.value)
        assert (path / "mine").read_text() == "mine"
    left = [entry.name for entry in tmp_path.iterdir()]
    assert left == (["all.zarr"] if failure == "name taken" else [])


def test_blocks_that_are_not_written_where_they_were_computed_are_written_here(
    whole, tmp_path, monkeypatch
):
    """As on workers of another machine, which cannot see the folder."""
    seen = []
    monkeypatch.setattr(store.os.path, "isdir", lambda path: seen.append(path))
    path = tmp_path / "all.zarr"
    with monkeypatch.context() as patched:
        patched.setattr(store.output, "check", lambda path: path)
        found = sweep(TABLES, axes=AXES, to=path, chunk=24, **HOW)
    assert seen
    xarray.testing.assert_identical(found.compute(), whole)


def test_what_is_not_a_sweep_is_refused(tmp_path):
    with refused("not the output of a sweep"):
        open_sweep(tmp_path / "none.zarr")
    path = tmp_path / "all.zarr"
    found = sweep(TABLES, axes=AXES, to=path, variables=["cycles"], **HOW)
    some = next((path / "cycles").glob("[0-9]*"))
    some.write_bytes(some.read_bytes()[:-8])
    with refused("a block of the sweep cannot be read"):
        found.compute()
    some.unlink()
    with refused("a block of the sweep cannot be read"):
        open_sweep(path).compute()
    described = json.loads((path / ".zmetadata").read_text())
    described["metadata"]["cycles/.zarray"]["dtype"] = "|O"
    (path / ".zmetadata").write_text(json.dumps(described))
    with refused("not the output of a sweep|cannot be read"):
        open_sweep(path).compute()
    (path / ".zmetadata").write_text("[]")
    with refused("not the output of a sweep"):
        open_sweep(path)

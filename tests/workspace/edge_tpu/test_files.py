"""make edge-tpu: what is written, left out, kept and made again."""

import json
import re

import pytest

from splitdeconv import networks
from splitdeconv.toolchains import edgetpu
from splitdeconv.toolchains.models import benchmark
from tests.formats.tflite.models import operators
from tools.edge_tpu import __main__ as files

OPTIONS = {"fst": {"size": 16}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build") / "edge_tpu"
    files.main(folder, ["fst"], OPTIONS)
    return folder


def test_every_form_is_written_with_its_proof(folder):
    held = json.loads((folder / "files.json").read_text())
    assert [entry["form"] for entry in held.values()] == list(files.FORMS)
    for file, entry in held.items():
        assert (entry["network"], entry["options"], entry["skipped"]) == ("fst", {"size": 16}, "")
        data = (folder / file).read_bytes()
        assert entry["bytes"] == len(data)
        assert ("TRANSPOSE_CONV" in operators(data)) == (entry["form"] == "native")
        if entry["form"] != "native":
            assert entry["finding"] == "identical"
            # The target's rules choose an interleave that the compiler takes.
            assert not (edgetpu.check(data)["verdict"] == "refused").any()


def test_the_readme_lists_the_files_and_names_the_trap(folder):
    text = (folder / "README.md").read_text()
    assert "{files}" not in text
    listed = re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE)
    assert listed == [f"fst_{form}.tflite" for form in files.FORMS]
    for words in ("edgetpu-compiler", "edgetpu#731", "libedgetpu#70", "same version", "--cpu"):
        assert words in text
    assert (folder / "run_edge_tpu.py").read_text() == (files.HERE / "run_edge_tpu.py").read_text()


def test_good_files_stay_and_damaged_ones_are_made_again(folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tflite")}
    damaged = folder / "fst_rows.tflite"
    damaged.write_bytes(b"cut off")
    files.main(folder, ["fst"], OPTIONS)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after == before
    for name, time in times.items():
        changed = (folder / name).stat().st_mtime_ns != time
        assert changed == (name == damaged.name)
    assert "4 files in" in capsys.readouterr().out


def test_what_cannot_be_made_is_left_out_with_a_sentence(tmp_path, monkeypatch, capsys):
    assert "1,024 times" in files.reason("fcn32s", "nzp")
    assert "256 times" in files.reason("fcn16s", "nzp")
    assert not files.reason("fcn8s", "nzp")
    assert not files.reason("fcn32s", "rows")
    # Too small an image for the network: the native file cannot be made, so no form can.
    files.main(tmp_path, ["mde"], {"mde": {"size": 3}})
    printed = capsys.readouterr().out
    assert printed.count("is left out") == 4
    assert "0 files in" in printed
    assert (tmp_path / "README.md").read_text().count("is left out") == 4
    assert not list(tmp_path.glob("*.tflite"))


def test_the_large_networks_are_reduced_as_where_they_are_timed():
    assert set(benchmark.REDUCED) == {name for name in networks.names() if name.startswith("fcn")}
    assert all(options["width"] < 4096 for options in benchmark.REDUCED.values())


def test_an_unknown_network_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no network is called dcgam"):
        files.main(tmp_path, ["dcgam"])


def test_a_list_that_is_damaged_is_made_again(tmp_path):
    (tmp_path / "files.json").write_text('{"fst_native.tflite": ')
    assert files.read(tmp_path) == {}
    (tmp_path / "files.json").write_text("[]")
    assert files.read(tmp_path) == {}

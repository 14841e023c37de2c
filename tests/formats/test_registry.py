"""A format that another package brings is found, converted and proved like those of this one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from splitdeconv.formats.format import Format
from splitdeconv.formats.registry import format_of, names
from tests.formats import toy_format

ROOT = Path(__file__).resolve().parents[2]


def toy(**changes):
    filters = np.random.default_rng(0).standard_normal((4, 3, 2, 5)).astype("f4")
    held = {"size": [6, 7], "strides": [2, 3], "padding": "SAME", "filters": filters.tolist()}
    return toy_format.MAGIC + json.dumps(held | changes).encode()


@pytest.fixture
def run(tmp_path):
    """Run the command line with a package that brings the format; returns what it printed."""
    info = tmp_path / "site" / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[splitdeconv.formats]\ntoy = tests.formats.toy_format:FORMAT\n"
    )

    def run(*arguments):
        command = [sys.executable, "-m", "splitdeconv", *arguments]
        paths = f"{tmp_path / 'site'}:{ROOT}"
        environment = {"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": paths}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment
        )

    return run


def test_a_format_of_another_package_is_converted_and_proved(run, tmp_path):
    (tmp_path / "a.toy").write_bytes(toy())
    done = run("convert", "a.toy", "-o", "b.toy", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["format"], report["verification"]["passed"]) == ("toy", True)
    assert report["operators_after"] == {"SplitDeconv": 1}
    written = (tmp_path / "b.toy").read_bytes()
    x = np.random.default_rng(1).standard_normal((1, 6, 7, 5)).astype("f4")
    ours, theirs = (toy_format.FORMAT.load(data)[""]({"x": x})["y"] for data in (toy(), written))
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


def test_a_format_whose_result_differs_is_not_written(run, tmp_path):
    """Negative control: other filters in the original than in what was converted."""
    (tmp_path / "a.toy").write_bytes(toy())
    (tmp_path / "b.toy").write_bytes(toy(form="split", filters=np.ones((4, 3, 2, 5)).tolist()))
    assert run("verify", "a.toy", "b.toy").returncode == 1


def test_the_formats_of_this_package_are_its_folders():
    assert {"keras", "onnx", "tflite"} <= set(names())
    assert [format_of(name).name for name in names()] == names()
    with pytest.raises(KeyError):
        format_of("none")


def test_what_a_format_leaves_out_is_refused_with_the_reason(run, tmp_path):
    (tmp_path / "a.toy").write_bytes(toy())
    for command, problem in (
        (["simulate", "a.toy", "--processor", "pe_array_32x7"], "layers of this format cannot be"),
        (["convert", "a.toy", "-o", "b.toy", "--static-batch", "3"], "the batch is already fixed"),
        (["convert", "a.toy", "-o", "b.toy", "--input-shape", "x=1x9x4x5"], "fixed in the file"),
    ):
        done = run(*command)
        assert done.returncode == 1
        assert problem in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "b.toy").exists()


def test_a_format_that_lacks_a_method_names_it():
    class Half(Format):
        name = "half"

        def begins(self, head):
            return False

    with pytest.raises(TypeError, match=r"abstract methods '?load'?, '?parse"):
        Half()

"""bench on the command line: what is timed, printed and refused; no speed is asserted."""

import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from splitdeconv.convert import api as front, timing as measure
from splitdeconv.convert.verify.run import load
from splitdeconv.formats.registry import format_of
from tests.cli.files import MODELS
from tests.convert.test_api import no_deconv


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_timed_beside_what_becomes_of_it(run, tmp_path, kind):
    (tmp_path / "in").write_bytes(MODELS[kind])
    code, out, err = run("bench", "in", "--threads", 1, "--turns", 3, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["schema_version"] == 1
    assert [(row["form"], row["threads"]) for row in told["times"]] == [
        ("original", 1),
        ("converted", 1),
    ]
    assert all(row["seconds"] > 0 and row["turns"] == 3 for row in told["times"])
    assert told["device"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_two_files_are_timed_and_printed(run, tmp_path, model):
    assert run("convert", model, "-o", "split.tflite")[0] == 0
    code, out, err = run("bench", model, "split.tflite", "--turns", 3)
    assert (code, err) == (0, "")
    lines = [
        line.split()
        for line in out.splitlines()
        if line.strip().startswith(("original", "converted"))
    ]
    assert [(line[0], line[1]) for line in lines] == [
        ("original", "1"),
        ("converted", "1"),
        ("original", "2"),
        ("converted", "2"),
    ]
    assert float(lines[0][2]) > 0
    low, high = (float(lines[1][place].strip("()")) for place in (4, 6))
    assert low <= float(lines[1][3]) <= high


def test_inputs_of_ones_own_are_used(run, tmp_path, model, monkeypatch):
    timed, seen = measure.bench.interleaved, []

    def interleaved(functions, **options):
        seen.extend(function.args[0] for function in functions.values())
        return timed(functions, **options)

    monkeypatch.setattr(measure.bench, "interleaved", interleaved)
    np.savez(tmp_path / "given.npz", small=np.full((2, 1, 6, 5, 5), 7, "float32"))
    code, _, err = run("bench", model, model, "--inputs", "given.npz", "--threads", 1, "--turns", 1)
    assert code == 1
    assert "small" in err
    assert not seen
    name = load(format_of("tflite"), model.read_bytes())[""].inputs[0].name
    np.savez(tmp_path / "given.npz", **{name: np.full((2, 1, 6, 5, 5), 7, "float32")})
    assert run("bench", model, model, "--inputs", "given.npz", "--threads", 1, "--turns", 1)[0] == 0
    assert [(values[name].shape, values[name].min()) for values in seen] == [((1, 6, 5, 5), 7)] * 2


def test_what_cannot_be_timed_is_refused(run, tmp_path, model):
    (tmp_path / "other.onnx").write_bytes(MODELS["onnx"])
    (tmp_path / "none.tflite").write_bytes(no_deconv())
    for arguments, message in (
        (("missing.tflite",), "missing.tflite"),
        ((model, "other.onnx"), "the models are of different formats"),
        (("none.tflite",), "nothing to time"),
    ):
        code, out, err = run("bench", *arguments, "--turns", 2)
        assert (code, out) == (1, "")
        assert message in err
    assert run("bench", model, "--turns", 0)[0] == 2
    code, _, err = run("bench", model, "--threads", max(2, os.cpu_count()) + 1)
    assert code == 2
    assert "--threads" in err


def test_the_command_that_gives_the_reasons_takes_names_for_names(run, tmp_path):
    (tmp_path / "-x.tflite").write_bytes(no_deconv())
    code, _, err = run("bench", "--turns", 2, "--", "-x.tflite")
    assert code == 1
    assert "what to do: splitdeconv inspect ./-x.tflite --target generic gives the reasons" in err
    assert run("inspect", "./-x.tflite", "--target", "generic")[0] == 0


def test_a_model_of_no_runtime_is_refused_before_it_is_converted(run, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", "{}")
    monkeypatch.setattr(front, "convert", lambda *_, **__: pytest.fail("it was converted"))
    code, out, err = run("bench", "a.keras")
    assert (code, out) == (1, "")
    assert "only .tflite, .onnx and .pt2 models can be timed" in err
    assert "a.keras" in err


def test_what_was_timed_is_said(run, tmp_path, monkeypatch):
    (tmp_path / "in").write_bytes(MODELS["tflite"])
    times = [
        ("original", 1, 9, 1.0),
        ("converted", 1, 9, 2.0),
        ("original", 2, 5, 1.0),
        ("converted", 2, 5, 0.5),
    ]
    rows = [
        {"form": form, "threads": count, "turns": turns, "speedup": gain, "low": gain, "high": gain}
        for form, count, turns, gain in times
    ]
    table = pd.DataFrame(rows).assign(seconds=1e-3, inputs="x 2x8x64x64")
    monkeypatch.setattr(measure, "time_files", lambda *_, **__: table)
    code, out, _ = run("bench", "in", "in")
    assert code == 0
    assert "median of 5 to 9 turns" in out
    assert "on x 2x8x64x64" in out
    assert "0.50 (0.50 to 0.50)" in out

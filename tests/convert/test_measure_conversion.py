"""The script that records what converting a large file costs."""

import runpy
from pathlib import Path

import pytest

import splitdeconv as sd
from splitdeconv.study import measured

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "measure_conversion.py"


@pytest.fixture
def script():
    return runpy.run_path(str(SCRIPT), run_name="measure_conversion")


def test_a_row_holds_times_memory_and_what_they_are_set_against(script, tmp_path, monkeypatch):
    for name in ("UP", "CHANNELS"):  # a small network of the same kind
        monkeypatch.setitem(
            script["write"].__globals__, name, {"UP": ((8, 4), (4, 3))}.get(name, 8)
        )
    path = script["write"](tmp_path / "model.onnx", 1, channels=8)
    assert sd.inspect(path)["verdict"].tolist() == ["convert", "convert"]
    row = script["measure"](path, turns=1)
    assert row["megabytes"] == path.stat().st_size / 1e6
    allowed = 1.5 * row["seconds_two_loads"] + row["seconds_verification"]
    assert row["of_loads_and_verification"] == pytest.approx(row["seconds"] / allowed)
    assert row["peak_over_file"] == pytest.approx(row["peak_megabytes"] / row["megabytes"])
    assert row["peak_megabytes"] > 1  # a child process was seen


def test_files_are_about_as_large_as_asked(script):
    count, size = script["_count"], script["_CONVOLUTION"]
    for megabytes in script["SIZES"]:
        assert count(megabytes) * size + script["_UP"] == pytest.approx(megabytes, abs=size / 2)


def test_the_readme_says_what_was_measured():
    row = measured.read("conversion").iloc[-1]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"A file of {row.megabytes:.0f} MB was converted in {row.seconds:.0f} s, "
        f"{row.seconds_verification:.0f} s of them for the verification, and with "
        f"{row.peak_over_file:.1f} times its size in memory"
    ) in text

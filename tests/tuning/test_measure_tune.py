"""The script that records what tuning gains: keys and rows."""

import runpy
import sys
from pathlib import Path

import pytest

from splitdeconv.tuning import api
from tests.tuning.models import Told, branches

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return runpy.run_path(str(FOLDER / "measure_tune.py"), run_name="measure_tune")


def test_every_layer_of_a_network_is_a_subject_of_its_own(script):
    keys = [key for key, _, _ in script["models"]("layers", "sngan", "litert", "int8")]
    assert keys == [["sngan", f"deconv{i}", "litert", "int8"] for i in (1, 2, 3)]
    ((key, _, options),) = script["models"](
        "files", "ppocr_detector", "onnxruntime", (1, 3, 320, 320)
    )
    assert key == ["ppocr_detector", "whole network", "onnxruntime", "as given"]
    assert options == {"input_shape": (1, 3, 320, 320)}


def test_a_row_holds_a_time_other_than_that_of_the_choice(script, tmp_path, monkeypatch):
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path))
    told = Told({"native": 100, "split concat": 50}, wholes=[1.3, 1.2])
    monkeypatch.setattr(api, "oracle", lambda *_, **__: told)
    monkeypatch.setattr("splitdeconv.tuning.oracles.oracle", lambda *_, **__: told)
    row = script["tuned"](branches(), "litert", 1, {})
    assert (row["changed"], row["gain"], row["chosen"]) == (3, 1.2, "split 3")

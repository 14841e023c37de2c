"""The script that records what tuning gains: keys, rows and the account of losses."""

import runpy
import sys
from pathlib import Path

import pandas as pd
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


def test_losses_are_counted(script, capsys):
    rows = [("deconv1", 2.0, 2.0), ("deconv2", 0.5, 0.8), ("whole network", 0.97, float("nan"))]
    table = pd.DataFrame(rows, columns=["layer", "gain", "best_gain"])
    script["report"](table.assign(runtime="litert", dtype="int8", threads=2))
    out = capsys.readouterr().out
    assert "litert int8 2: least 0.50, 2 of 3 below 0.98" in out
    assert "2 layers: mean 1.00, with the best form of each 1.41" in out

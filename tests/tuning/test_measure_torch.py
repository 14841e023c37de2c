"""The script that records what tuning gains in PyTorch: what it measures, and its rows."""

import runpy
from pathlib import Path

import pytest

from splitdeconv.limits import sandbox
from splitdeconv.toolchains.models import torch as models
from splitdeconv.tuning import api
from tests import jobs
from tests.refusals import refused
from tests.tuning.models import Told

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "measure_torch.py"


@pytest.fixture
def script():
    return runpy.run_path(str(SCRIPT), run_name="measure_torch")


def test_every_layer_and_the_trained_generator_are_subjects(script):
    every = script["subjects"]([])
    assert every[:-1] == list(
        models.decoders()[["network", "layer"]].itertuples(index=False, name=None)
    )
    assert every[-1] == ("face_dcgan", "whole network")
    assert [layer for _, layer in script["subjects"](["dac"])] == ["up1", "up2", "up3", "up4"]
    with refused("unknown network") as caught:
        script["subjects"](["dacc"])
    assert "did you mean dac" in caught.value.fix


@pytest.mark.parametrize(
    ("wholes", "chosen", "gain"), [([1.3, 1.2], "split concat 1", 1.2), ([0.9], "native 1", 1.0)]
)
def test_the_tuned_layer_is_timed_once_more(script, tmp_path, monkeypatch, wholes, chosen, gain):
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path))
    monkeypatch.setattr(sandbox, "run", jobs.here)
    told = Told({"native": 100, "split concat": 50}, wholes=wholes)
    told.formats = ("pt2",)
    monkeypatch.setattr(api, "oracle", lambda *_, **__: told)
    script["tuned"].__globals__["oracle"] = lambda *_, **__: told
    rows = script["tuned"]("unetr", "decoder5", 1).set_index("variant")
    assert rows.loc["native", "gain"] == 1
    assert rows.loc["split concat", "gain"] == 2
    assert (rows.loc["tuned", "chosen"], rows.loc["tuned", "gain"]) == (chosen, gain)
    assert rows["version"].str.startswith("torch 2.").all()

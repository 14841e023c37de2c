"""The scripts that record the NPUs write a reason where a file is missing, and nothing where the compiler is."""

import runpy
from pathlib import Path

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.study import gains, measured
from splitdeconv.toolchains import vela
from splitdeconv.toolchains.models import benchmark as models

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"


def script(name):
    return runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name=name)


def refuse(*_, **__):
    raise SplitDeconvError("no memory")


def test_without_the_compiler_nothing_is_recorded(monkeypatch):
    """A row that says so would be held for good, and not be compiled once the compiler is there."""
    monkeypatch.setattr(vela, "executable", lambda: None)
    monkeypatch.setattr(measured, "write", refuse)
    monkeypatch.setattr(models, "layers", refuse)
    with pytest.raises(SystemExit, match="Vela is not installed"):
        script("measure_ethos_u")["main"](["dcgan"])


def test_a_network_that_cannot_be_exported_has_its_reason_in_every_row(monkeypatch):
    monkeypatch.setattr(models, "network", refuse)
    ethos, edge = script("measure_ethos_u"), script("measure_edge_tpu")
    ((layer, error),) = ethos["whole"]("dcgan", set())
    table = ethos["estimate"](error)
    assert layer == gains.WHOLE
    assert len(table) == (len(models.FORMS) + 1) * len(vela.CONFIGURATIONS)
    assert not table["complete"].any()
    checked = edge["checked"]("dcgan")
    assert checked["form"].tolist() == [*models.FORMS, "auto"]
    for found in (table, checked):
        assert found["skipped"].tolist() == len(found) * ["no memory"]

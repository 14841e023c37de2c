"""The scripts that record the NPUs write a reason where a file is missing."""

import importlib.util
import runpy
from pathlib import Path

import pandas as pd
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


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_new_rows_of_the_targets_have_their_origin_and_earlier_ones_keep_theirs(
    monkeypatch, tmp_path
):
    module = load("measure_targets")
    earlier = {
        "target": "xnnpack",
        "dtype": "int8",
        "layer": "2x3x5-7",
        "geometry": "3x3 s2 SAME",
        "form": "native",
    }
    earlier |= {
        "cost": 12345678.0,
        "gain": 1.0,
        "device": measured.NOT_RECORDED,
        "date": "1999-12-31",
        "versions": "{}",
    }
    measured.write("targets", pd.DataFrame([earlier]), tmp_path, digits=module.DIGITS)
    sizes = [(2, 3, 5, 7, 3, 3, 2, 2, "SAME"), (4, 4, 6, 1, 2, 2, 2, 2, "SAME")]
    columns = ["in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride_h", "stride_w", "padding"]
    monkeypatch.setattr(module, "layers", lambda: pd.DataFrame(sizes, columns=columns))
    rows = [
        {
            "target": "xnnpack",
            "dtype": "int8",
            "layer": "4x4x6-1",
            "geometry": "2x2 s2 SAME",
            "form": form,
        }
        | {"cost": cost, "gain": 8.0 / cost}
        for form, cost in (("native", 8.0), ("split", 2.5))
    ]
    monkeypatch.setattr(
        module, "measure", lambda target, dtype, layer: rows if dtype == "int8" else []
    )
    monkeypatch.setattr(module, "DTYPES", {"xnnpack": ("int8",)})
    read, write = measured.read, measured.write
    monkeypatch.setattr(measured, "read", lambda name: read(name, tmp_path))
    monkeypatch.setattr(
        measured, "write", lambda name, table, digits: write(name, table, tmp_path, digits)
    )
    module.main(["xnnpack"])
    table = read("targets", tmp_path)
    assert table["layer"].tolist() == ["2x3x5-7", "4x4x6-1", "4x4x6-1"]
    assert table.loc[0].drop(["low", "high"]).to_dict() == earlier
    assert table["gain"].tolist() == [1.0, 1.0, 3.2]
    assert table.loc[1:, "device"].str.contains("logical cores").all()
    assert table.loc[1:, "versions"].str.contains("numpy").all()

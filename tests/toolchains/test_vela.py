"""Vela's tables are read as it writes them; what goes wrong becomes a reason in its row, and the rest goes on."""

import keras
import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError, convert
from splitdeconv.toolchains import litert, vela
from tests.toolchains.standins import executable

ABSENT = vela.available()
needs_vela = pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))
pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning")


def exported(kernel, strides, calibrated=True):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2DTranspose(6, kernel, strides, "same")
    model = keras.Sequential([keras.Input((5, 4, 8)), layer])
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 8), "float32")
    return litert.export(model, calibration=x if calibrated else None)


@pytest.fixture(scope="module")
def native():
    return exported(3, 2)


@needs_vela
def test_what_is_all_on_the_npu_is_complete_and_its_cycles_add_up(native):
    split = convert(native, form="split", verify=False).model
    found = vela.estimate({"native": native, "split": split})
    assert found["skipped"].isna().all()
    assert found["complete"].all()
    assert list(found["configuration"]) == 2 * list(vela.CONFIGURATIONS)
    assert (found["cycles"] > 0).all()
    assert (found["on_cpu"] == "").all()
    on_npu = found.set_index(["form", "configuration"])["on_npu"]
    assert on_npu["native", "ethos_u55"] == "Conv2D 1"
    assert on_npu["native", "ethos_u85"] == "Conv2D 4"  # there the compiler takes the operator apart by itself
    totals, operators = vela.compile_model(split, "ethos_u55")
    assert operators["cycles"].sum() == totals["cycles"]
    assert (operators["original"] == "Conv2D").sum() == 4
    (row,) = found[(found["form"] == "split") & (found["configuration"] == "ethos_u55")].to_dict("records")
    assert row["cycles"] == totals["cycles"]
    # 3x3 s2: each of 5x4 inputs meets each of 9 taps; the NPU counts the padded windows, and the copies, as well.
    assert row["macs"] >= 5 * 4 * 9 * 8 * 6


@needs_vela
def test_a_total_that_hides_the_cpu_is_flagged(native):
    models = {
        "depth_to_space": convert(native, form="stacked", interleave="depth_to_space", verify=False).model,
        "stride 8": exported(16, 8),
        "float": exported(3, 2, calibrated=False),  # nothing in it that the NPU takes
    }
    found = vela.estimate(models, ["ethos_u55", "ethos_u85"]).set_index(["form", "configuration"])
    assert found["skipped"].isna().all()
    assert found.loc["depth_to_space", "complete"].tolist() == [False, False]
    assert found.loc[("depth_to_space", "ethos_u55"), ["on_npu", "on_cpu"]].tolist() == ["Conv2D 1", "DepthToSpace 1"]
    assert found.loc["stride 8", "complete"].tolist() == [False, True]
    assert found.loc["float", "complete"].tolist() == [False, False]
    assert found.loc[("float", "ethos_u85"), "on_npu"] == ""


@needs_vela
def test_files_may_differ_by_configuration_and_one_failure_costs_one_row(native):
    models = {"auto": {"ethos_u55": native, "ethos_u65": b"no model"}, "native": native}
    found = vela.estimate(models, ["ethos_u55", "ethos_u65"])
    assert found["complete"].tolist() == [True, False, True, True]
    assert "Vela ended with code 1: RuntimeError: Compilation failed" in found["skipped"][1]
    assert found["cycles"][0] == found["cycles"][2]


@needs_vela
def test_a_configuration_that_vela_does_not_know_is_a_reason(native):
    unknown = vela.Configuration("ethos_u55", "ethos-u55-256", "Ethos_U55_High_End_Embedded", "Sideways_Sram")
    with pytest.raises(SplitDeconvError, match="Sideways_Sram"):
        vela.compile_model(native, unknown)


def test_an_unknown_configuration_is_refused():
    with pytest.raises(SplitDeconvError, match="unknown configuration"):
        vela.estimate({}, ["ethos_u99"])


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 4.2.0", "Vela 4.2.0 is too old, 5.0 or later is needed"),
        ("echo hello", "Vela does not say its version"),
        ('test "$1" = --version && echo 5.2.0 || exec sleep 60', "Vela took longer than 0.5 s"),
        ('test "$1" = --version && echo 5.2.0 || { echo bus error >&2; exit 3; }', "Vela ended with code 3: bus error"),
        ("echo 5.2.0", "Vela wrote no file model_summary_.*unknown format"),
    ],
)
def test_what_goes_wrong_is_a_reason_in_the_table(tmp_path, script, reason):
    found = vela.estimate({"native": b""}, ["ethos_u55"], timeout=0.5, vela=executable(tmp_path / "vela", script))
    assert not found["complete"].any()
    assert found["skipped"].str.contains(reason).all()


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        ("experiment,cycles\na,1\n", "has no column cycles_total: its output is of an unknown format"),
        (",".join(vela._SUMMARY) + "\n", "has no row"),
        ("", "is no table"),
    ],
)
def test_tables_of_another_format_are_a_reason(tmp_path, summary, reason):
    (tmp_path / "table").write_text(summary)
    copy = f'test "${{part#--output-dir=}}" = "$part" || cp {tmp_path}/table "${{part#*=}}/model_summary_x.csv"'
    script = f"for part; do {copy}; done"
    found = vela.estimate({"a": b""}, ["ethos_u55"], vela=executable(tmp_path / "vela", script + "\necho 5.2.0"))
    assert found["skipped"].str.contains(reason).all()


def test_without_vela_there_is_a_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(vela.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pip install 'splitdeconv[npu]'" in vela.available()
    found = vela.estimate({"a": b""}, ["ethos_u85"])
    assert found["skipped"].tolist() == ["Vela is not installed: pip install 'splitdeconv[npu]'"]
    with pytest.raises(SplitDeconvError, match="not installed"):
        vela.compile_model(b"", "ethos_u85")
    assert isinstance(found, pd.DataFrame)

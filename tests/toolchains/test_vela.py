"""Vela's tables are read as it writes them; what goes wrong becomes a reason in its row."""

import time

import pytest

from splitdeconv import SplitDeconvError, convert
from splitdeconv.toolchains import vela
from tests.toolchains.needs import needs
from tests.toolchains.standins import executable
from tests.toolchains.tflite_layer import exported
from tests.toolchains.vela_output import layer, totals, writing

needs_vela = needs("ethosu")
pytestmark = pytest.mark.filterwarnings(
    "ignore:Statistics for quantized inputs were expected:UserWarning"
)


@pytest.fixture(scope="module")
def native():
    return exported()


@pytest.mark.slow
@needs_vela
def test_what_is_all_on_the_npu_is_complete_and_its_cycles_add_up(native):
    split = convert(native, target="ethos_u55", form="split", verify=False).model
    found = vela.estimate({"native": native, "split": split})
    assert found["skipped"].isna().all()
    assert found["complete"].all()
    assert list(found["configuration"]) == 2 * list(vela.CONFIGURATIONS)
    assert (found["cycles"] > 0).all()
    assert (found["on_cpu"] == "").all()
    on_npu = found.set_index(["form", "configuration"])["on_npu"]
    assert on_npu["native", "ethos_u55"] == "Conv2D 1"
    assert (
        on_npu["native", "ethos_u85"] == "Conv2D 4"
    )  # there the compiler takes the operator apart by itself
    totals, operators = vela.compile_model(split, "ethos_u55")
    assert operators["cycles"].sum() == totals["cycles"]
    assert (operators["original"] == "Conv2D").sum() == 4
    (row,) = found[(found["form"] == "split") & (found["configuration"] == "ethos_u55")].to_dict(
        "records"
    )
    assert row["cycles"] == totals["cycles"]
    # 3x3 s2: each of 5x4 inputs meets each of 9 taps; the NPU counts the padded windows, and the
    # copies, as well.
    assert row["macs"] >= 5 * 4 * 9 * 8 * 6


@pytest.mark.slow
@needs_vela
def test_a_total_that_hides_the_cpu_is_flagged(native):
    models = {
        "depth_to_space": convert(
            native, form="stacked", interleave="depth_to_space", verify=False
        ).model,
        "stride 8": exported(16, 8),
        "float": exported(3, 2, calibrated=False),  # nothing in it that the NPU takes
    }
    found = vela.estimate(models, ["ethos_u55", "ethos_u85"]).set_index(["form", "configuration"])
    assert found["skipped"].isna().all()
    assert found.loc["depth_to_space", "complete"].tolist() == [False, False]
    assert found.loc[("depth_to_space", "ethos_u55"), ["on_npu", "on_cpu"]].tolist() == [
        "Conv2D 1",
        "DepthToSpace 1",
    ]
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
    unknown = vela.Configuration(
        "ethos_u55", "ethos-u55-256", "Ethos_U55_High_End_Embedded", "Sideways_Sram"
    )
    with pytest.raises(SplitDeconvError, match="Sideways_Sram"):
        vela.compile_model(native, unknown)


def test_equal_files_are_compiled_once(tmp_path):
    count = tmp_path / "count"
    inner = writing(tmp_path, totals(5), layer("NPU"))
    compiler = executable(tmp_path / "counting", f'echo x >> {count}\nexec {inner} "$@"\n')
    found = vela.estimate(
        {"native": b"a", "split": b"b", "auto": b"a"}, ["ethos_u55", "ethos_u65"], vela=compiler
    )
    assert found["cycles"].tolist() == 6 * [5]
    assert len(count.read_text().split()) == 1 + 2 * 2  # its version was asked, too


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "60"])
def test_a_time_that_is_none_is_refused(timeout):
    for ask in (
        lambda: vela.estimate({}, timeout=timeout),
        lambda: vela.compile_model(b"", "ethos_u55", timeout=timeout),
    ):
        with pytest.raises(SplitDeconvError, match="invalid timeout"):
            ask()


def test_an_unknown_configuration_is_refused():
    with pytest.raises(SplitDeconvError, match="unknown configuration"):
        vela.estimate({}, ["ethos_u99"])


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 4.2.0", "Vela 4.2.0 is too old, 5.0 or later is required"),
        ("echo 4.9.9", "Vela 4.9.9 is too old, 5.0 or later is required"),
        ("echo 5.0.0", "no file"),
        ("echo hello", "Vela does not report its version"),
        ('test "$1" = --version && echo 5.2.0 || exec sleep 60', "Vela took longer than 0.5 s"),
        (
            'test "$1" = --version && echo 5.2.0 || { echo bus error >&2; exit 3; }',
            "Vela ended with code 3: bus error",
        ),
        ("echo 5.2.0", "unknown format: no file model_summary_"),
        (r"printf '\377\376'", "Vela does not report its version"),
        ("yes 9 | head -c 20000 | tr -d '\\n'; echo .1", "Vela does not report its version"),
        (
            'test "$1" = --version && echo 5.2.0 || kill -SEGV $$',
            r"Vela was ended by signal 11 \(Segmentation fault\)",
        ),
        (
            r'test "$1" = --version && echo 5.2.0 || { printf "\377 no\n"; exit 1; }',
            "Vela ended with code 1: \ufffd no",
        ),
        (
            'test "$1" = --version && echo 5.2.0 || '
            '{ yes "a long report" | head -c 2000000; echo; echo bad; exit 1; }',
            "Vela ended with code 1: bad",
        ),
    ],
)
def test_what_goes_wrong_is_a_reason_in_the_table(tmp_path, script, reason):
    found = vela.estimate(
        {"native": b""}, ["ethos_u55"], timeout=0.5, vela=executable(tmp_path / "vela", script)
    )
    assert not found["complete"].any()
    assert found["skipped"].str.contains(reason).all()


@pytest.mark.parametrize("wait", ["sleep 60; true", "sleep 60 & wait"])
def test_nothing_that_was_started_outlives_its_time(tmp_path, wait):
    """The program's own children are ended with it: the file that they would write is absent."""
    late = f"(sleep 1; touch {tmp_path}/late) & {wait}"
    script = f'test "$1" = --version && echo 5.2.0 || {{ {late}; }}'
    start = time.monotonic()
    found = vela.estimate(
        {"a": b""}, ["ethos_u55"], timeout=0.3, vela=executable(tmp_path / "vela", script)
    )
    assert found["skipped"][0] == "Vela took longer than 0.3 s"
    assert time.monotonic() - start < 30  # of the 60 that the children would take
    time.sleep(1.2)
    assert not (tmp_path / "late").exists()


def test_a_child_left_behind_does_not_keep_the_result_waiting(tmp_path):
    script = 'test "$1" = --version && echo 5.2.0 || { sleep 60 & echo no memory >&2; exit 1; }'
    found = vela.estimate(
        {"a": b""}, ["ethos_u55"], timeout=30, vela=executable(tmp_path / "vela", script)
    )
    assert found["skipped"][0] == "Vela ended with code 1: no memory"


def test_a_path_that_is_no_program_is_a_reason(tmp_path):
    found = vela.estimate({"a": b""}, ["ethos_u55"], vela=str(tmp_path / "vela"))
    assert (
        found["skipped"][0]
        == f"invalid path of Vela '{tmp_path / 'vela'}': expected an executable program"
    )


def test_a_file_that_is_not_there_is_a_reason(tmp_path):
    able = writing(tmp_path, totals(3), layer("NPU"))
    models = {
        "a": "too many weights",
        "b": {"ethos_u65": b""},
        "c": {"ethos_u55": b"", "ethos_u65": "not exported"},
    }
    found = vela.estimate(models, ["ethos_u55", "ethos_u65"], vela=able)
    assert found["complete"].tolist() == [False, False, False, True, True, False]
    assert found["skipped"].tolist()[:2] == 2 * ["too many weights"]
    assert found["skipped"][2] == "no file was given for this configuration"
    assert found["skipped"][5] == "not exported"


def test_without_vela_there_is_a_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(vela.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pip install 'splitdeconv[npu]'" in vela.available()
    found = vela.estimate({"a": b""}, ["ethos_u85"])
    assert found["skipped"].tolist() == ["Vela is not installed: pip install 'splitdeconv[npu]'"]
    with pytest.raises(SplitDeconvError, match="not installed"):
        vela.compile_model(b"", "ethos_u85")
    # The columns are those of a table with numbers: what is merged with it or saved does not depend
    # on a reason.
    assert {"cycles", "sram_kib", "macs", "on_npu", "on_cpu"} < set(found)
    assert found["cycles"].isna().all()
    with pytest.raises(SplitDeconvError, match="unknown configuration"):
        vela.compile_model(b"", "ethos_u99")

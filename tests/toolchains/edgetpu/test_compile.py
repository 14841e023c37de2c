"""The check needs nothing; what goes wrong with a compiler becomes a reason in its row."""

import keras
import numpy as np
import pandas as pd
import pytest
from ai_edge_litert import schema_py_generated as schema

from splitdeconv import SplitDeconvError, convert
from splitdeconv.convert.targets import load_target
from splitdeconv.formats.tflite import graph as tflite_graph
from splitdeconv.formats.tflite.flatbuffer import file as tflite_file
from splitdeconv.toolchains import edgetpu
from splitdeconv.toolchains.models import tflite as litert
from tests.toolchains.edgetpu.logs import ALL_MAPPED, LOGS
from tests.toolchains.standins import executable
from tests.toolchains.tflite_layer import exported

WRITE = 'echo compiled > "$(dirname "$last")/model_edgetpu.tflite"'
pytestmark = pytest.mark.filterwarnings(
    "ignore:Statistics for quantized inputs were expected:UserWarning"
)


@pytest.fixture(scope="module")
def native():
    return exported()


def printing(folder, log, then="exit 0"):
    """A stand-in that prints a real log, then does something; the last argument is the path."""
    (folder / "log").write_text(log)
    return executable(folder / "compiler", f"cat {folder}/log\nfor last; do :; done\n{then}\n")


@pytest.mark.parametrize(
    "text",
    [
        LOGS["all_mapped"]["text"],  # 106 operators of 246
        ALL_MAPPED + "TFLite::Custom Op              3          Operation not supported\n",
        ALL_MAPPED.replace(
            "ADD                            3 ", "ADD                            3,000 "
        ),
        ALL_MAPPED.replace("Count      Status", "Status"),
    ],
)
def test_a_table_that_lacks_a_row_tells_nothing_of_all(tmp_path, native, text):
    text = text.replace("operations: 106", "operations: 109") if "Custom Op" in text else text
    totals, _ = edgetpu.parse(text)
    assert totals["mapped"] is totals["unmapped"] is None
    table, _ = edgetpu.compiled({"native": native}, compiler=printing(tmp_path, text, WRITE))
    assert not table["complete"][0]
    assert table["reasons"][0] == "the compiler does not report where every operator runs"


def test_a_row_that_is_not_mapped_outweighs_a_total(tmp_path, native):
    text = LOGS["all_but_one_mapped"]["text"].replace("run on CPU: 1", "run on CPU: 0")
    text = text.replace("10         Mapped to Edge TPU", "10         Operation not supported")
    table, _ = edgetpu.compiled({"native": native}, compiler=printing(tmp_path, text, WRITE))
    assert (table["unmapped"][0], table["complete"][0]) == (0, False)
    assert table["reasons"][0] == "ADD 10: Operation not supported"


def test_compiling_gives_one_row_a_form_whatever_happens(tmp_path, native):
    table, files = edgetpu.compiled(
        {"native": native, "rows": native}, compiler=printing(tmp_path, ALL_MAPPED, WRITE)
    )
    assert table["complete"].tolist() == [True, True]
    assert files == {"native": b"compiled\n", "rows": b"compiled\n"}
    table, _ = edgetpu.compiled(
        {"native": native}, compiler=printing(tmp_path, LOGS["no_table"]["text"], WRITE)
    )
    assert table["complete"].tolist() == [False]
    start = "\n".join(LOGS["all_but_one_mapped"]["text"].splitlines()[:3]) + "\n"
    table, _ = edgetpu.compiled(
        {"a": native}, compiler=printing(tmp_path, start + LOGS["reasons"]["text"], WRITE)
    )
    assert not table["complete"][0]
    assert "TRANSPOSE 70: Operation not supported" in table["reasons"][0]


@pytest.mark.parametrize(
    ("log", "then", "reason"),
    [
        (LOGS["unknown_version"]["text"], "exit 1", "TRANSPOSE_CONV' version '4'"),
        (LOGS["no_table"]["text"], "exit 0", "reported success but wrote no file"),
        ("", "exec sleep 60", "took longer than 0.5 s"),
        ("", "sleep 60; true", "took longer than 0.5 s"),
        ("", "sleep 60 & exit 4", "edgetpu_compiler ended with code 4"),
        (
            "Segmentation fault",
            "exit 139",
            "edgetpu_compiler ended with code 139: Segmentation fault",
        ),
        ("Segmentation fault", "exit 0", "neither a result nor an error in a known format"),
        (
            ALL_MAPPED,
            WRITE + "; kill -SEGV $$",
            "edgetpu_compiler was ended by signal 11 (Segmentation fault)",
        ),
        (
            ALL_MAPPED,
            WRITE + "; echo disk full >&2; exit 3",
            "edgetpu_compiler ended with code 3: disk full",
        ),
        ("", "printf '\\377' >&2; exit 1", "edgetpu_compiler ended with code 1: \ufffd"),
    ],
)
def test_a_compiler_that_fails_is_a_reason(tmp_path, native, log, then, reason):
    table, files = edgetpu.compiled(
        {"native": native}, timeout=0.5, compiler=printing(tmp_path, log, then)
    )
    assert reason in table["skipped"][0]
    assert not table["complete"][0]
    assert files == {}


def test_without_a_compiler_there_is_a_reason(native):
    assert edgetpu.available("no_such_compiler").startswith("no_such_compiler is not on PATH")
    table, _ = edgetpu.compiled({"native": native}, compiler="no_such_compiler")
    assert table["skipped"].str.contains("not on PATH").all()
    assert {"operations", "mapped", "unmapped", "on_chip_bytes"} < set(table)


def test_the_check_needs_no_compiler(native):
    table = edgetpu.check(native).set_index("operator")
    profile = load_target("edge_tpu").operators["TRANSPOSE_CONV"]
    version = table.loc["TRANSPOSE_CONV", "version"]
    taken = profile.versions[0] <= version <= profile.versions[1]
    assert table.loc["TRANSPOSE_CONV", "verdict"] == ("taken" if taken else "refused")
    rows = edgetpu.check(convert(native, "edge_tpu", "rows", verify=False).model).set_index(
        "operator"
    )
    assert "TRANSPOSE_CONV" not in rows.index
    assert set(rows["verdict"]) <= {"taken", "unknown"}
    assert rows.loc["CONV_2D", "verdict"] == "taken"
    mixed = edgetpu.check(
        convert(native, "generic", "stacked", "depth_to_space", verify=False).model
    )
    (refusal,) = mixed[mixed["verdict"] == "refused"].to_dict("records")
    assert refusal["operator"] == "DEPTH_TO_SPACE"
    assert "aborts the compilation (google-coral/edgetpu#386)" in refusal["reason"]
    with pytest.raises(SplitDeconvError):
        edgetpu.check(b"no model")
    with pytest.raises(
        SplitDeconvError, match=r"expected the contents of a file\n.*\n.*\n  got: str\n.*read them"
    ):
        edgetpu.check("model.tflite")


def test_what_is_left_in_float_is_refused():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5, 4, 8)), keras.layers.Conv2D(6, 3)])
    table = edgetpu.check(litert.export(model))
    assert table["verdict"].tolist() == ["refused"] * len(table)
    assert table["reason"][0].startswith("on FLOAT32; supported are int8, uint8 (coral.ai")
    assert edgetpu.check(litert.export(model), "xnnpack")["verdict"].tolist() == ["taken"] * len(
        table
    )


def test_a_float_at_any_port_is_seen(native):
    model, tail = tflite_file.read(native, "the file")
    (operator,) = (one for one in model.subgraphs[0].operators if 0 in one.inputs)
    model.subgraphs[0].tensors[0].type = schema.TensorType.FLOAT32
    table = edgetpu.check(tflite_file.write(model, tail))
    (refusal,) = table[table["reason"].str.startswith("on FLOAT32")].to_dict("records")
    assert (refusal["operator"], refusal["count"]) == (
        tflite_graph.operator_name(model, operator),
        1,
    )


def test_checks_go_on_after_a_file_that_cannot_be_read(native):
    found = edgetpu.checks({"native": native, "broken": b"no model"}).set_index("form")
    pd.testing.assert_frame_equal(
        found.loc[["native"]].reset_index(drop=True)[
            ["operator", "version", "count", "verdict", "reason"]
        ],
        edgetpu.check(native),
        check_dtype=False,  # the row without operators makes whole numbers floats
    )
    assert found.loc[["native"], "skipped"].isna().all()
    assert found.loc["broken", "skipped"] == "not a TFLite model"
    assert pd.isna(found.loc["broken", "operator"])
    with pytest.raises(SplitDeconvError, match="unknown target"):
        edgetpu.checks({"broken": b"no model"}, "nope")  # which is no fault of the file's


def test_a_reason_in_the_place_of_a_file_is_told_and_the_columns_stay(native):
    absent = {"split": "not exported"}
    checks, (compiled, files) = edgetpu.checks(absent), edgetpu.compiled(absent, compiler="true")
    run = edgetpu.run(absent, delegate=None)
    assert [table["skipped"].tolist() for table in (checks, compiled, run)] == 3 * [
        ["not exported"]
    ]
    assert files == {}
    assert list(checks) == list(edgetpu.checks({"native": native})) == list(edgetpu.checks({}))


@pytest.mark.parametrize("given", [{"turns": 0}, {"rounds": 0}, {"turns": 1.5}, {"timeout": -1}])
def test_what_nothing_can_be_timed_with_is_refused(given):
    (argument,) = given
    with pytest.raises(
        SplitDeconvError,
        match=rf"(must be a positive integer|invalid [a-z]+)\n  where: {argument}\n",
    ):
        edgetpu.run({}, **given)
    if "timeout" in given:
        with pytest.raises(SplitDeconvError, match="invalid timeout"):
            edgetpu.compiled({"native": b""}, **given)
        with pytest.raises(SplitDeconvError, match="invalid timeout"):
            edgetpu.compile_model(b"", **given)


def test_what_was_published_is_labelled(tmp_path):
    table = edgetpu.published()
    assert table["origin"].eq("replayed").all()
    assert table["source"].str.startswith("github.com/warmthless/split-deconvolution").all()
    # The speedups are the quotients of the times within a hundredth: the authors' own rounding
    # (FST: 2.07 as 2.06).
    quotients = table["nzp_ms"] / table["sd_ms"]
    np.testing.assert_allclose(table["speedup_nzp_over_sd"], quotients, rtol=0.01)
    ncs2 = edgetpu.published("published_ncs2")
    quotients = ncs2["transposed_conv_ms"] / ncs2["sd_ms"]
    np.testing.assert_allclose(ncs2["speedup_native_over_sd"], quotients, rtol=0.01)
    assert len(edgetpu.published("published_conv_efficiency_edge_tpu")) == 9
    assert edgetpu.published(folder=tmp_path).empty
    with pytest.raises(SplitDeconvError, match="unknown published table"):
        edgetpu.published("published_gpu")

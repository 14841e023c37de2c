"""The records of a conversion: what they say, and that nothing is lost on the way through JSON."""

import json

import pandas as pd
import pytest

import splitdeconv as sd
from splitdeconv.convert import Report, Verification
from splitdeconv.convert.decide import decide_all
from splitdeconv.convert.verify.difference import Output
from splitdeconv.formats.site import Decision, tally
from tests.formats.sites import site

SITES = [
    site(),
    site(size=(None, 9), name="unknown"),
    site(cin=None, name="computed", problem="its weights are computed"),
]


@pytest.fixture
def report():
    outputs = (Output("y", "float32", 10, 1e-7, 1e-7, 1e-5, None, True, "differs"),)
    return Report(
        format="tflite",
        target="generic",
        decisions=tuple(decide_all(SITES, "generic")),
        operators_before={"TRANSPOSE_CONV": 3},
        operators_after={"CONV_2D": 8, "TRANSPOSE_CONV": 1},
        bytes_before=100,
        bytes_after=120,
        objections=(("CONV_2D", "too new"),),
        verification=Verification(True, outputs, "model", 8, 0, ("note",)),
        notes=("beware",),
    )


def test_a_report_survives_json(report):
    text = json.dumps(report.to_dict(), allow_nan=False)
    again = Report.from_dict(json.loads(text))
    assert again == report
    assert json.dumps(again.to_dict()) == text
    assert json.loads(text)["schema_version"] == 1


def test_counts_are_those_of_the_plan(report):
    rows = report.rows()
    plan = sd.plan((8, 8), 5, 2)
    assert {name: rows[0][name] for name in plan.macs(16, 8)} == plan.macs(16, 8)
    assert all(rows[i][name] is None for i in (1, 2) for name in plan.macs(16, 8))
    assert [row["verdict"] for row in rows] == ["convert", "convert", "refuse"]
    assert (report.converted, report.count("refuse"), report.count("leave")) == (2, 1, 0)


def test_the_frame_keeps_whole_numbers_whole(report):
    frame = report.frame()
    assert list(frame["name"]) == ["up", "unknown", "computed"]
    assert frame["useful"].dtype == pd.Int64Dtype()
    assert frame["useful"].isna().tolist() == [False, True, True]
    assert frame.loc[2, "reason"] == "its weights are computed"
    assert frame.loc[1, "geometry"] == "? -> ?*2+0 (k=5 s=2 p=1), 9 -> 18 (k=5 s=2 p=1)"


def test_the_handle_is_no_part_of_the_record():
    assert site(key=object()) == site(key=5)
    assert "key" not in Decision(site(), "convert", "split", "concat", "why").row()


def test_operators_are_tallied_by_name():
    assert tally([("B", 1), ("A", 2), ("B", 3)]) == {"A": 1, "B": 2}

"""Measurements come back as they were kept, with where they are from."""

import ast
import json
from pathlib import Path

import pandas as pd
import pytest

from splitdeconv.study import measured

ROOT = Path(__file__).resolve().parents[2]
#: Rows of the tables that have few, one for each size that their script measures.
LEAST = {"conversion": 3}
TABLES = sorted(path.stem for path in measured.FOLDER.glob("*.csv"))
SCRIPTS = sorted(
    [
        *(ROOT / "benchmarks").glob("measure_*.py"),
        *(ROOT / "tools" / name / "__main__.py" for name in ("backends", "peers")),
    ]
)


def test_a_table_is_kept_with_its_origin(tmp_path):
    table = pd.DataFrame({"layer": ["a", "b"], "seconds": [0.125, 2.5]})
    path = measured.write("trial", table, tmp_path / "new")
    assert path == tmp_path / "new" / "trial.csv"
    kept = measured.read("trial", tmp_path / "new")
    pd.testing.assert_frame_equal(kept[["layer", "seconds"]], table)
    assert kept["device"].str.contains("logical cores").all()
    assert kept["date"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert json.loads(kept["versions"][0])["numpy"]
    assert [entry.name for entry in path.parent.iterdir()] == ["trial.csv"]


def test_rows_of_an_earlier_part_keep_their_origin(tmp_path):
    earlier = {"layer": "a", "device": "an abacus", "date": "1642-01-01", "versions": "{}"}
    measured.write("trial", pd.DataFrame([earlier, {"layer": "b"}]), tmp_path)
    kept = measured.read("trial", tmp_path).set_index("layer")
    assert kept.loc["a"].to_dict() == {
        name: value for name, value in earlier.items() if name != "layer"
    }
    assert "logical cores" in kept.loc["b", "device"]
    assert json.loads(kept.loc["b", "versions"])["numpy"]


def test_nothing_kept_is_an_empty_table(tmp_path):
    assert measured.read("trial", tmp_path).empty


def test_the_digits_of_a_large_number_are_kept_on_demand(tmp_path):
    table = pd.DataFrame({"cost": [12345678.0, 0.125]})
    measured.write("trial", table, tmp_path, digits=12)
    assert measured.read("trial", tmp_path)["cost"].tolist() == [12345678.0, 0.125]
    measured.write("trial", table, tmp_path)
    assert measured.read("trial", tmp_path)["cost"].tolist() == [12345700.0, 0.125]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_that_is_kept_has_its_origin(name):
    table = measured.read(name)
    assert len(table) >= LEAST.get(name, 11)
    assert table[list(measured.ORIGIN)].notna().all(axis=None)
    dated = table["date"].str.fullmatch(r"\d{4}-\d\d-\d\d") | (
        table["date"] == measured.NOT_RECORDED
    )
    assert dated.all()
    assert all(json.loads(text) for text in table["versions"].unique())


def test_the_tables_are_all_there():
    assert {"cpu_runtimes", "edge_tpu", "ethos_u", "forms", "fuzz", "libtpu", "targets"} <= set(
        TABLES
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_writes_through_the_one_writer(path):
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert "write" in called
    assert not called & {"to_csv", "writerow", "writerows"}


def test_live_rows_stand_beside_the_recorded_ones_of_the_same():
    live = pd.DataFrame(
        {"layer": ["a", "b", "c"], "form": "split", "speedup": [3.0, 0.5, 2.0], "low": 0.1}
    )
    kept = pd.DataFrame(
        {"layer": ["b", "a"], "form": "split", "speedup": [2.0, 1.5], "low": [1.8, 1.4], "x": 0}
    )
    joined = measured.beside(live, kept, on=["layer", "form"], columns=["speedup", "low"])
    assert list(joined.layer) == ["a", "b", "c"]
    assert joined.speedup_recorded.tolist()[:2] == [1.5, 2.0]
    assert joined.low_recorded.tolist()[:2] == [1.4, 1.8]
    # Twice as fast and a quarter as fast, both as factors above 1; nothing where nothing is kept.
    assert joined.apart.tolist()[:2] == [2.0, 4.0]
    assert joined.loc[2, ["speedup_recorded", "apart"]].isna().all()
    assert "x" not in joined

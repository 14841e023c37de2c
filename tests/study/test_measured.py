"""Measurements come back as they were kept, with where they are from."""

import json

import pandas as pd

from splitdeconv.study import measured


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
    assert kept.loc["a"].to_dict() == {name: value for name, value in earlier.items() if name != "layer"}
    assert "logical cores" in kept.loc["b", "device"]
    assert json.loads(kept.loc["b", "versions"])["numpy"]


def test_nothing_kept_is_an_empty_table(tmp_path):
    assert measured.read("trial", tmp_path).empty

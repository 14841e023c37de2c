"""What the table reads from figures, with other numbers than the repository's own."""

import json

import pandas as pd
import pytest

from tools.report import __main__ as program, expected as kept, table
from tools.report.ours import place


@pytest.fixture
def rows(every, tables):
    return {row.claim.id: row for row in table.rows(every, tables, {})}


def test_values_and_verdicts_are_those_of_the_figures(rows):
    assert {name: row.verdict for name, row in rows.items()} == {
        "dcgan": "reproduced",
        "sngan": "partly",
        "artgan": "not reproduced",
        "gpgan": "reproduced",
        "mde": "reproduced",
        "fst": "partly",
        "fcn": "not testable here",
        "speedup_dot_product": "reproduced",
        "speedup_pe_array": "not reproduced",
        "energy_stored": "reproduced",
        "energy_generated": "not reproduced",
        "both_ranges": "partly",
        "exact_layers": "not reproduced",
        "exact_images": "reproduced",
        "ssim_sd": "partly",
        "place_shi": "reproduced",
        "ssim_shi": "not reproduced",
        "place_chang": "partly",
        "ssim_chang": "reproduced",
        "edge_tpu": "not testable here",
        "ncs2": "not testable here",
        "fcn_engine": "not testable here",
    }
    assert rows["fst"].ours == "603.98 / 9,000.25 M"
    assert rows["fst"].published == "603.98 / 94,730.45 M"
    assert "94,730.45 M" in rows["fst"].why
    assert "0.64 M" in rows["sngan"].why
    assert rows["fcn"].published == "–"
    assert rows["fcn"].ours == "100, 200, 300 M"
    assert rows["speedup_pe_array"].ours == "1.00 to 9.00×"
    assert "0 of 6 networks inside, 5 below; 2.00 to 18.00×" in rows["speedup_pe_array"].why
    assert rows["energy_stored"].ours == "28.0 % to 54.0 %"
    assert "0 of 6 networks inside, 3 below and 3 above" in rows["energy_generated"].why
    assert rows["exact_layers"].ours == "1"
    assert "2 random geometries, 2 forms; largest error 1.50" in rows["exact_layers"].why
    assert "of 420, DCGAN, float64" in rows["exact_images"].why
    assert rows["ssim_chang"].ours == "0.530 / 0.750"
    assert rows["edge_tpu"].published == "1.31 to 1.65×"
    assert "2.10× with 512 and 3.48× with 64 channels" in rows["edge_tpu"].why
    assert rows["ncs2"].published == "1.05 to 1.16×"


def test_places_of_images():
    assert place("shi_cropped") == (50, 14)
    assert place("shi_cropped", layers=2, k=3) == (26, 6)
    assert place("chang") == (64, 7)
    assert place("chang", layers=2, k=7, s=3) == (72, 8)  # 2 late, enlarged by 3, and 2 more
    assert place("chang", k=4) == (64, 0)


def test_a_figure_that_was_not_made_says_how(every, tables):
    (tables.root / "figures" / "04_speedup.csv").unlink()
    row = {row.claim.id: row for row in table.rows(every, tables, {})}["speedup_dot_product"]
    assert row.verdict == "left out"
    assert "make build/executed/04_dot_product_array.ipynb" in row.why
    assert row.ours == "–"


def test_a_table_that_lacks_a_row_is_named(every, tables):
    path = tables.root / "figures" / "09_likeness.csv"
    likeness = pd.read_csv(path)
    likeness[likeness.form != "chang"].to_csv(path, index=False)
    row = {row.claim.id: row for row in table.rows(every, tables, {})}["ssim_chang"]
    assert row.verdict == "left out"
    assert "chang" in row.why


@pytest.fixture
def recorded(tables, every, monkeypatch, tmp_path):
    """The program, whose recorded numbers are those of the small figures."""
    monkeypatch.setattr(kept, "FILE", tmp_path / "expected.json")
    monkeypatch.setattr(program, "build", lambda *arguments: None)
    made = table.rows(every, tables, {})
    kept.write(kept.recording(made, tables, {}))
    return lambda *arguments: program.main(list(arguments), tables.root)


def test_what_did_not_move_passes(recorded, capsys):
    assert recorded() == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "22 claims, 8 reproduced" in printed.out


@pytest.mark.parametrize(
    ("figure", "column", "row", "value", "said"),
    [
        ("02_published", "computed_total_mmac", 0, 111.43, "dcgan: 1 is 111.43"),
        ("04_speedup", "speedup", 6, 4.9, "speedup_dot_product: 1 is 4.9"),
        ("03_dcgan_images", "changed_8_bit_values", 0, 1, "exact_images: 0 is 1"),
        ("01_exactness", "ratio", 1, 3.0, "exact_layers: 0 is 2"),
    ],
)
def test_a_claim_that_moved_fails_and_is_named(
    recorded, tables, capsys, figure, column, row, value, said
):
    path = tables.root / "figures" / f"{figure}.csv"
    changed = pd.read_csv(path).astype({column: float})
    changed.loc[row, column] = value
    changed.to_csv(path, index=False)
    assert recorded() == 1
    assert f"FAILED claim {said}" in capsys.readouterr().err
    assert recorded("--record") == 0  # the new number is the one to expect from now on
    assert recorded() == 0


def test_a_change_within_the_tolerance_passes(recorded, tables):
    path = tables.root / "figures" / "04_speedup.csv"
    changed = pd.read_csv(path)
    changed.assign(speedup=changed.speedup * 0.995).to_csv(path, index=False)
    assert recorded() == 0


def test_a_missing_figure_fails_where_the_run_was_asked_for(recorded, tables, capsys):
    (tables.root / "figures" / "06_saving.csv").unlink()
    assert recorded() == 1
    assert recorded("--quick") == 1  # 06 is one of the quick runs
    said = (
        "FAILED claim energy_stored: figure 06_saving is left out: `make build/executed/06_energy"
    )
    assert said in capsys.readouterr().err
    tables.runs["06_energy"].__dict__["quick"] = False
    made = table.rows([c for c in program.claims.read() if c.id == "energy_stored"], tables, {})
    assert program.problems(made, tables, quick=True) == []
    assert len(program.problems(made, tables, quick=False)) == 1


def test_quick_and_full_numbers_are_kept_apart(recorded, tables, capsys):
    path = tables.root / "figures" / "manifest.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([row | {"quick": True} for row in rows]))
    table_path = tables.root / "figures" / "09_likeness.csv"
    pd.read_csv(table_path).assign(ssim_global=0.25).to_csv(table_path, index=False)
    assert recorded() == 1  # nothing is kept of quick runs: the full ones are what is expected
    assert recorded("--record") == 0
    both = kept.read()["ssim_shi"]
    assert [both[mode]["0"] for mode in ("full", "quick")] == [0.99, 0.25]

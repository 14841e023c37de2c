"""How figures look: colours, spines and what is loaded for them."""

import subprocess
import sys

import matplotlib as mpl
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.figures import COLOURS, style


def test_importing_figures_loads_no_matplotlib():
    code = "import sys, splitdeconv.figures; "
    code += "print({'matplotlib', 'seaborn', 'tensorflow'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_style_sets_colours_and_spines():
    with mpl.rc_context():
        style()
        assert mpl.rcParams["axes.spines.top"] is False
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        assert [mpl.colors.to_hex(colour).upper() for colour in cycle] == list(COLOURS.values())


def test_style_cuts_no_table():
    with mpl.rc_context(), pd.option_context("display.max_columns", 4, "display.max_colwidth", 9):
        style()
        table = pd.DataFrame([["a long reason, told to its end " * 9] * 30])
        assert "..." not in table.to_html()
        assert table.to_html().count("told to its end") == 9 * 30


def test_every_method_has_a_colour_of_its_own():
    assert set(COLOURS) >= {"native", "nzp", "split", "rows", "stacked", "paper"}
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("absent", ["matplotlib", "seaborn"])
def test_missing_extra_is_named(monkeypatch, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(
        SplitDeconvError, match=rf"{absent} is not installed[\s\S]*splitdeconv\[notebooks\]"
    ):
        style()

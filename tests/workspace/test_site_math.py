"""Every formula of the notebooks and documents is one that the site can set."""

import json
import re
from pathlib import Path

import pytest

from tools.site_math import picture

ROOT = Path(__file__).resolve().parents[2]
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+?)\$", re.DOTALL)


def _formulas():
    """(where, formula) of every formula in the notebooks' texts."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "markdown":
                for match in FORMULA.finditer("".join(cell["source"])):
                    yield path.name, match[1] or match[2]


def test_every_formula_is_set():
    formulas = list(_formulas())
    assert len(formulas) > 20
    assert any("\n" in formula for _, formula in formulas)
    for name, formula in formulas:
        assert picture(formula).startswith('<img class="math"'), (name, formula)


def test_a_formula_may_run_over_two_lines():
    heights = [re.search('style="[^"]+"', picture(text))[0] for text in ("a +\n  b", "a + b")]
    assert heights[0] == heights[1]


def test_what_cannot_be_set_is_refused():
    with pytest.raises(ValueError, match=r"\\begin"):
        picture(r"\begin{matrix} a \end{matrix}")

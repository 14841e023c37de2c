"""Sweeps that would fill the memory or run for hours: refused before anything is built."""

import sys

import numpy as np
import pytest

from splitdeconv.dlp import sweep
from splitdeconv.dlp.design_space import axes as sweep_axes, jobs
from tests.dlp.tables import networks
from tests.refusals import refused

SMALL = {"DCGAN": networks("DCGAN")}
MODULE = sys.modules["splitdeconv.dlp.design_space.sweep"]
NOTHING = {str(label): {} for label in range(10)}


@pytest.fixture
def untouched(monkeypatch):
    """No processor is made and no layer lowered."""
    monkeypatch.setattr(sweep_axes, "variant", lambda *_: pytest.fail("a processor was made"))
    monkeypatch.setattr(jobs, "lower", lambda *_: pytest.fail("a layer was lowered"))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("axes", "match"),
    [
        ({"rows": range(1, 3001), "cols": range(1, 3001)}, "span too many processors"),
        ({f"axis {number}": NOTHING for number in range(40)}, "span too many processors"),
        ({"rows": range(1, 10**12)}, "too many labels"),
        ({"rows": iter(int, 1)}, "too many labels"),
        ({"rows": np.linspace(1, 2, 10**5)}, "too many labels"),
        ({"dram_gb_s": [1.0, float("nan")]}, "invalid values"),
        ({"dram_gb_s": [float("inf")]}, "invalid values"),
        ({"dram_gb_s": [-float("inf")]}, "invalid values"),
        ({"rows": [8, 8.0]}, "a value is given twice"),
        ({"rows": [[8], [8]]}, "invalid values"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_axes_are_counted_first(axes, match):
    with refused(match) as caught:
        sweep(SMALL, "pe_array_32x7", axes)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("value", [10**5000, -(10**5000)], ids=["large", "negative"])
@pytest.mark.parametrize("field", ["rows", "dram_gb_s", "batch", "word_bits", "x" * 10**5])
def test_absurd_values(field, value):
    with refused("fit|invalid value|positive integer|unknown axis") as caught:
        sweep(SMALL, "pe_array_32x7", {field: [value]})
    assert len(str(caught.value)) < 2500


@pytest.mark.parametrize(
    ("name", "axes", "chunk"),
    [
        ("points", {"rows": range(1, 1001), "cols": range(1, 1001)}, 4096),
        ("layers", {"rows": range(1, 901), "cols": range(1, 1001)}, 4096),
        ("tasks", {"rows": range(1, 101), "cols": range(1, 101)}, 1),
        ("tasks", {"words": {str(label): {"word_bits": 8} for label in range(100)}}, 4096),
    ],
)
def test_what_the_axes_multiply_is_counted_before_layers_are(name, axes, chunk, monkeypatch):
    monkeypatch.setattr(sweep_axes, "variant", lambda *_: None)
    monkeypatch.setattr(jobs, "lower", lambda *_: pytest.fail("a layer was lowered"))
    monkeypatch.setattr(MODULE, "MOST_TASKS", 100)
    tables = SMALL if name != "layers" else {"long": networks("FST").iloc[[0] * 60]}
    with refused(rf"the sweep is too large\n(.|\n)* {name}\n"):
        sweep(
            tables,
            "pe_array_32x7",
            axes,
            skips=["none"] if name == "layers" else ["none", "A"],
            chunk=chunk,
        )


def test_points_are_taken_in_parts_where_their_tables_would_be_large(monkeypatch):
    axes = {"all": {str(n): {"rows": n, "cols": n + 1, "batch": n} for n in range(1, 6)}}
    whole = sweep(SMALL, "pe_array_32x7", axes, skips=("none", "WA"))
    monkeypatch.setattr(jobs, "_MOST_CELLS", 20)
    assert sweep(SMALL, "pe_array_32x7", axes, skips=("none", "WA")).identical(whole)

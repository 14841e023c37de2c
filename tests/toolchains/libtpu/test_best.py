"""What is not estimated is charged, and no win rests on it."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains import libtpu


def rows(*costs):
    """A table of one layer: (form, cycles, bytes without estimate, slowest copy)."""
    columns = ["form", "cycles", "unestimated_bytes", "slowest"]
    first = {
        "network": "a",
        "layer": "b",
        "generation": "v2",
        "batch": 1,
        "dtype": "bfloat16",
        "interleave": "concat",
    }
    return pd.DataFrame(costs, columns=columns).assign(**first, reason=None)


def test_no_win_rests_on_what_has_no_estimate():
    table = rows(
        ("native", 100, 0, np.nan),
        ("nzp", 300, 0, 0.5),
        ("rows", 90, 40, 0.25),
        ("split", 95, 4, np.nan),
    )
    # The slowest copy of all, 0.5 cycles a byte, is charged for each byte without estimate: 90 + 20
    # and 95 + 2.
    assert libtpu.charged(table).tolist() == [100, 300, 110, 97]
    (won,) = libtpu.best(table).to_dict("records")
    assert (won["form"], won["speedup"], won["over_nzp"]) == ("split", 100 / 97, 300 / 97)
    # A layer without copies is charged like the others of its generation.
    other = rows(("native", 100, 0, np.nan), ("rows", 50, 10, np.nan)).assign(layer="c")
    assert libtpu.charged(pd.concat([table, other], ignore_index=True)).tolist()[4:] == [100, 55]
    # Nothing wins: native it is.
    (won,) = libtpu.best(table[table["form"].isin(["native", "rows", "nzp"])]).to_dict("records")
    assert (won["form"], won["speedup"]) == ("native", 1)


def test_what_cannot_be_charged_is_named():
    table = rows(
        ("native", 100, 0, np.nan),
        ("nzp", 60, 0, np.nan),
        ("rows", 9, 10, np.nan),
        ("split", 120, 0, np.nan),
    )
    (won,) = libtpu.best(table).to_dict("records")
    assert (won["form"], won["speedup"], won["over_nzp"], won["unknown"]) == (
        "native",
        1,
        0.6,
        "rows",
    )
    (won,) = libtpu.best(table[table["form"] == "rows"]).to_dict("records")
    assert np.isnan([won["cost"], won["speedup"], won["over_nzp"]]).all()


def test_seconds_and_cycles_are_not_compared():
    table = pd.concat(
        [
            rows(("native", 100, 0, np.nan)),
            rows(("rows", 1, 0, np.nan)).assign(generation=libtpu.HERE),
        ]
    )
    with pytest.raises(SplitDeconvError, match="seconds and estimated cycles cannot be compared"):
        libtpu.best(table)


def test_where_no_form_has_a_copy_the_median_of_its_generation_is_charged():
    parts = [
        rows(("native", 1, 0, rate)).assign(layer=str(rate), generation=generation, dtype=dtype)
        for generation, dtype, rate in [
            ("v2", "bfloat16", 0.25),
            ("v2", "bfloat16", 0.5),
            ("v2", "bfloat16", 8.0),
            ("v3", "bfloat16", 16.0),
            ("v3", "bfloat16", 16.5),
            ("v2", "float32", 32.0),
            ("v2", "float32", 32.5),
        ]
    ]
    table = pd.concat([rows(("rows", 100, 10, np.nan)), *parts], ignore_index=True)
    assert libtpu.charged(table)[0] == 100 + 10 * 0.5


def test_zero_insertion_is_no_choice():
    (won,) = libtpu.best(
        rows(("native", 100, 0, np.nan), ("nzp", 10, 0, np.nan), ("rows", 50, 0, np.nan))
    ).to_dict("records")
    assert (won["form"], won["speedup"], won["over_nzp"]) == ("rows", 2, 0.2)

"""What a table of layers may leave out, and every way to be wrong, by row and column."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.dlp.layer_table import complete
from splitdeconv.networks import layer_table
from splitdeconv.networks.gap import published_layers
from splitdeconv.networks.table import COLUMNS
from tests.refusals import refused

CONV = {
    "name": "a",
    "kind": "conv",
    "in_h": 17,
    "in_w": 9,
    "c_in": 6,
    "c_out": 4,
    "padding": "VALID",
    "k_h": 5,
    "k_w": 2,
}
DECONV = {**CONV, "kind": "deconv", "padding": "SAME", "stride_h": 2, "stride_w": 3}
DENSE = {"name": "d", "kind": "dense", "in_h": 1, "in_w": 1, "c_in": 10, "c_out": 7}


def one(row, **more):
    return complete([{**row, **more}], "the table").iloc[0]


def test_what_is_left_out_follows():
    row = one(CONV, stride_h=3, dilation_w=4)
    assert (row.out_h, row.out_w) == ((17 - 5) // 3 + 1, 9 - 4)
    assert row.macs == row.out_h * row.out_w * 5 * 2 * 6 * 4
    assert (row.stride_w, row.dilation_h, row.groups) == (1, 1, 1)


def test_same_padding_is_that_of_tensorflow():
    row = one(CONV, padding="same", stride_h=2, stride_w=4)
    assert (row.padding, row.out_h, row.out_w) == ("SAME", 9, 3)


def test_crops_of_a_transposed_convolution():
    row = one(DECONV)
    assert (row.out_h, row.out_w) == (34, 27)
    # SAME crops k - s, the smaller half first; a kernel shorter than its stride has nothing to
    # crop.
    assert (row.before_h, row.end_h, row.before_w, row.end_w) == (1, 2, 0, 0)
    assert row.macs == 17 * 9 * 5 * 2 * 6 * 4


def test_numbers_decide_over_the_word():
    row = one(DECONV, padding="", before_h=0, end_h=3, out_w=26, before_w=0)
    assert (row.padding, row.before_h, row.out_h, row.out_w) == ("EXPLICIT", 0, 34, 26)
    assert one(CONV, padding="SAME", before_h=1, end_h=1).padding == "EXPLICIT"


def test_the_end_follows_from_the_outputs():
    row = one(DECONV, padding="", before_h=1, before_w=0, out_h=33, out_w=28)
    # (17 - 1)*2 + 5 = 37 outputs in full, less 1 and less 33; (9 - 1)*3 + 2 = 26 are fewer than 28.
    assert (row.end_h, row.end_w) == (3, 0)


@pytest.mark.parametrize(
    ("crops", "word"),
    [
        ({"before_h": 0}, "VALID"),
        ({"before_h": 2, "end_h": 2, "end_w": 1}, "SAME"),
        ({"before_h": 2, "end_h": 2, "before_w": 1}, "EXPLICIT"),
    ],
)
def test_explicit_padding_of_a_convolution_gets_its_word(crops, word):
    row = one(CONV, padding="EXPLICIT", **crops)
    assert row.padding == word
    kept = (row.before_h, row.before_w, row.end_h, row.end_w)
    assert kept == ((2, 1, 2, 0) if word == "EXPLICIT" else (0, 0, 0, 0))


def test_whole_tables_stay_as_they_are():
    for name in ("dcgan", "fcn8s"):
        table = layer_table(name)
        pd.testing.assert_frame_equal(complete(table.to_dict("records"), "the table"), table)


def test_the_published_sizes_follow_from_the_published_windows():
    table = published_layers()
    for row in table.to_dict("records"):
        given = {
            "name": row["layer"],
            "stride_h": row["stride"],
            "stride_w": row["stride"],
            "macs": row["mac"],
        }
        keys = ("kind", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "padding", "out_h", "out_w")
        found = one({key: row[key] for key in keys} | given)
        assert (found.out_h, found.out_w, found.macs) == (row["out_h"], row["out_w"], row["mac"])


def test_types_of_numbers():
    row = one(DENSE, c_in=np.int32(10), c_out=7.0, in_w="1", groups=np.nan, out_h="")
    assert row.macs == 70
    assert list(row.index) == COLUMNS


def test_numbers_are_integers():
    table = complete([CONV, DENSE], "the table")
    assert {
        str(table[column].dtype) for column in COLUMNS if column not in ("name", "kind", "padding")
    } == {"int64"}


@pytest.mark.parametrize(
    ("row", "column", "match"),
    [
        ({**CONV, "c_in": None}, "c_in", "a value is missing"),
        ({**CONV, "name": np.nan}, "name", "a value is missing"),
        ({**CONV, "kind": "pool"}, "kind", "unknown kind of layer"),
        ({**CONV, "in_h": 0}, "in_h", "value out of range"),
        ({**CONV, "c_out": -4}, "c_out", "value out of range"),
        ({**CONV, "k_h": 2.5}, "k_h", "value out of range"),
        ({**CONV, "k_h": "five"}, "k_h", "value out of range"),
        ({**CONV, "stride_w": True}, "stride_w", "value out of range"),
        ({**CONV, "in_w": float("inf")}, "in_w", "value out of range"),
        ({**CONV, "in_w": 2**24 + 1}, "in_w", "value out of range"),
        ({**CONV, "groups": 4}, "c_in", "the groups do not divide the channels"),
        ({**CONV, "groups": 3}, "c_out", "the groups do not divide the channels"),
        ({**CONV, "padding": "REFLECT"}, "padding", "unknown padding"),
        ({**CONV, "padding": ""}, "padding", "the padding is missing"),
        ({**CONV, "padding": "EXPLICIT"}, "padding", "the padding is missing"),
        ({**CONV, "before_h": -1, "padding": ""}, "before_h", "value out of range"),
        ({**CONV, "k_w": 10}, "k_w", "the kernel is longer than the padded input"),
        ({**CONV, "out_h": 12}, "out_h", "a value contradicts the rest of its row"),
        ({**CONV, "macs": 1}, "macs", "a value contradicts the rest of its row"),
        ({**CONV, "macs": "many"}, "macs", "value out of range"),
        ({**CONV, "c_in": 2**24, "c_out": 2**24, "in_h": 999}, "macs", "too large to count"),
        ({**DECONV, "out_h": 40}, "padding", "cannot give that output length"),
        ({**DECONV, "before_h": 40, "end_h": 40}, "before_h to end_w",
         "the padding crops the whole output away"),
        ({**DENSE, "k_h": 3}, "k_h", "a dense layer has no window"),
        ({**DENSE, "out_w": 3}, "out_w", "a value contradicts the rest of its row"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_by_row_and_column(row, column, match):
    with refused(match) as caught:
        complete([DENSE, row], "up.csv")
    name = " (a)" if row["name"] == "a" else " (d)" if row["name"] == "d" else ""
    assert caught.value.where == f"up.csv, row 2{name}, column {column}"


def test_unknown_columns_and_empty_tables():
    with refused("unknown column") as caught:
        complete([{**CONV, "strid_h": 2}], "the table")
    assert "stride_h" in caught.value.fix
    rows = [{"name": "a", "kind": "conv", "in_h": 5, "k_h": 3}] * 2
    with refused("columns are missing: in_w, c_in, c_out\n") as caught:
        complete(rows, "the table")
    assert caught.value.expected == "at least the columns name, kind, in_h, in_w, c_in, c_out"
    assert caught.value.got == "name, kind, in_h, k_h"
    with refused("there are no layers"):
        complete([], "the table")

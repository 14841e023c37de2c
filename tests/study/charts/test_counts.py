"""The table of multiplications: a number in each cell, and darker where there are more."""

import matplotlib
import pandas as pd

from splitdeconv.study.charts.counts import issued

matplotlib.use("Agg")

TABLE = pd.DataFrame(
    {"exact": [0.93, 1.0], "split": [1.0, 1.04], "nzp": [4.0, 1156.2]}, ["DCGAN", "FCN-32s"]
)


def test_each_cell_has_its_number_and_methods_have_their_names():
    (ax,) = issued(TABLE).get_axes()
    assert [text.get_text() for text in ax.texts] == [
        "0.93",
        "1.00",
        "4.00",
        "1.00",
        "1.04",
        "1,156",
    ]
    names = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    assert names == ["only what reaches the output", "split", "zero insertion"]
    assert "below 1: taps that fall outside" in ax.get_xlabel()
    shades = ax.images[0].get_array()
    assert shades[0, 0] == shades[0, 1] == 0 < shades[1, 1] < shades[0, 2] < shades[1, 2] == 1


def test_a_table_without_a_number_below_one_does_not_explain_it():
    (ax,) = issued(TABLE[["split", "nzp"]]).get_axes()
    assert "below 1" not in ax.get_xlabel()

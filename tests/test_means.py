"""The geometric mean, against powers that are known."""

import math

import pandas as pd
import pytest

from splitdeconv.means import geometric_mean


def test_gains_and_their_inverses_agree():
    gains = pd.Series([0.5, 3.0, 7.0, 1.25])
    assert geometric_mean(gains) == pytest.approx((0.5 * 3 * 7 * 1.25) ** 0.25)
    assert geometric_mean(1 / gains) == pytest.approx(1 / geometric_mean(gains))


def test_missing_values_do_not_count_and_nothing_has_no_mean():
    assert geometric_mean(pd.Series([2.0, None, 18.0])) == pytest.approx(6)
    assert math.isnan(geometric_mean(pd.Series([], dtype=float)))


def test_each_column_of_a_table_has_its_own():
    table = pd.DataFrame({"a": [1.0, 9.0], "b": [None, 5.0]})
    assert geometric_mean(table).to_dict() == pytest.approx({"a": 3, "b": 5})

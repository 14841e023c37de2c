"""Filters whose sums may not be finite."""

import numpy as np
import pytest

from splitdeconv.formats.finite import describe

FILTERS = np.random.default_rng(0).standard_normal((4, 3, 3, 5)).astype("f4")


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_ordinary_filters_and_empty_ones_are_fine(kind):
    assert describe(FILTERS.astype(kind)) is None
    assert describe(FILTERS.astype(kind), FILTERS[:, 0, 0, 0], channels=3) is None
    assert describe(FILTERS[:0].astype(kind)) is None
    assert describe(FILTERS[..., :0].astype(kind), np.zeros(4, kind)) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_enough(value):
    filters = FILTERS.copy()
    filters[2, 1, 0, 3] = value
    assert "filters contain NaN or infinity" in describe(filters)
    assert "bias contains NaN or infinity" in describe(FILTERS, np.array([0, value], "f4"))


def test_sums_are_taken_per_output_channel():
    # one channel's sum of magnitudes is the largest number, eight of them
    filters = np.full((2, 4, 1, 1), np.finfo("f4").max / 4, "f4")
    assert describe(filters) is None
    assert "may overflow" in describe(filters, channels=1, largest=np.finfo("f4").max / 4)
    assert "may overflow" in describe(np.concatenate([filters, filters], axis=1))


def test_the_bias_and_the_type_of_the_sums_count():
    filters = np.full((2, 4, 1, 1), 3e37, "f4")
    assert describe(filters, np.array([0, 2e38], "f4")) is None
    assert "sums of up to 4.2e+38" in describe(filters, np.array([0, -3e38], "f4"))
    assert "may overflow" in describe(np.full((1, 70), 1000, "f2"), largest=np.finfo("f2").max)
    assert describe(np.full((1, 70), 1000, "f2")) is None

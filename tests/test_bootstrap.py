"""The percentile bootstrap against its definition, one draw after the other."""

import numpy as np
import pytest

from splitdeconv.bootstrap import interval


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_the_interval_is_that_of_single_draws(statistic):
    values = np.random.default_rng(5).normal(-3, 2, (7, 2))
    rng = np.random.default_rng(11)
    draws = [values[rows] for rows in rng.integers(0, 7, (300, 7))]
    centres = np.sort([statistic(draw, axis=0) for draw in draws], axis=0)
    low, high = interval(values, statistic, confidence=0.9, resamples=300, seed=11)
    # The 5th percentile of 300 values lies 0.95 of the way from the 15th to the 16th.
    np.testing.assert_allclose(low, 0.05 * centres[14] + 0.95 * centres[15])
    np.testing.assert_allclose(high, 0.95 * centres[284] + 0.05 * centres[285])
    assert (low < high).all()


def test_more_confidence_is_a_wider_interval_and_equal_values_have_none():
    values = np.random.default_rng(6).exponential(4, 20)
    narrow, wide = (interval(values, np.mean, confidence=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]
    assert interval(np.full(5, -2.5), np.median).tolist() == [-2.5, -2.5]


def test_another_seed_draws_other_samples():
    values = np.random.default_rng(7).normal(size=(9, 3))
    first, again, other = (interval(values, np.mean, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()

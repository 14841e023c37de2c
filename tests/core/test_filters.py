"""The filters of a plan, cut as a whole and one after the other."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core import apply as applying, filters as cutting
from splitdeconv.core.filters import split_filters, split_in_turn


def test_filters_are_cut_into_phases_without_a_change():
    """Trimmed phases hold every tap once; the paper's form adds zeros only."""
    w = np.arange(5 * 3 * 2 * 4).reshape(5, 3, 2, 4) + 1
    for form, zeros in (("split", 0), ("rows", 5 * 8), ("paper", (6 * 4 - 15) * 8)):
        cut = split_filters(sd.plan((4, 4), (5, 3), 2, form=form), w)
        values = np.concatenate([part.ravel() for part in cut])
        assert sorted(values[values != 0]) == list(range(1, w.size + 1))
        assert np.count_nonzero(values == 0) == zeros
    first, *_ = split_filters(sd.plan((4, 4), (5, 3), 2), w)
    # SAME, p = (1, 0): phase (0, 0) has taps 3, 1 of the rows and 2, 0 of the columns, with
    # channels (in, out).
    np.testing.assert_array_equal(first, w[[3, 1]][:, [2, 0]].swapaxes(-1, -2))
    assert split_filters(sd.plan((4,), 1, 2), w[:1, 0])[1] is None


@pytest.mark.parametrize("form", ["split", "rows", "stacked", "paper", "nzp"])
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [((5, 3), 2, 1), ((4, 4), (2, 4), 1), ((2, 3), 3, 2)]
)
def test_filters_of_each_convolution_apart_are_the_same(form, kernel, stride, groups):
    plan = sd.plan((4, 5), kernel, stride, groups=groups, form=form)
    w = np.random.default_rng(3).standard_normal((*kernel, 5, 2 * groups), "f4")
    together, apart = split_filters(plan, w), list(split_in_turn(plan, w, apart=True))
    assert len(together) == len(apart) == len(plan.convolutions)
    for one, other in zip(together, apart, strict=True):
        if one is None:
            assert other is None
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("library", ["numpy", "tensorflow"])
def test_large_filters_are_cut_apart_only_where_that_saves_memory(library, monkeypatch):
    plan, rng = sd.plan((4, 5), (4, 3), 2), np.random.default_rng(4)
    x, w = rng.standard_normal((2, 4, 5, 3), "f4"), rng.standard_normal((4, 3, 7, 3), "f4")
    y = sd.apply(plan, x, w)
    taken, true = [], cutting.split_in_turn
    monkeypatch.setattr(
        applying,
        "split_in_turn",
        lambda plan, w, apart: taken.append(apart) or true(plan, w, apart),
    )
    if library == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        x, w = tf.constant(x), tf.constant(w)
    for limit in (w.shape[0] * 3 * 7 * 3 + 1, w.shape[0] * 3 * 7 * 3):
        monkeypatch.setattr(cutting, "_LARGE", limit)
        np.testing.assert_allclose(sd.apply(plan, x, w), y, rtol=0, atol=1e-5)
    assert taken == [False, True]
    if library == "tensorflow":
        traced = tf.function(lambda x, w: sd.apply(plan, x, w))
        np.testing.assert_allclose(traced(x, w), y, rtol=0, atol=1e-5)
        assert taken == [False, True, False]

"""How far outputs are apart, and how far they may be."""

import numpy as np
import pytest

from splitdeconv.convert.verify.difference import (
    Output,
    Slack,
    measure,
    merge,
    perturb,
    perturbation,
    rounding,
    slack,
)
from tests.formats.sites import site


def test_the_tolerance_is_that_of_the_sums():
    # 5x5 stride 2: at most 3x3 taps meet in one output; 16 channels; bias and activation: 146
    # terms.
    delta = rounding([site(cin=16)])
    terms = 9 * 16 + 2
    assert delta == pytest.approx(2 * terms * 2**-24 / (1 - terms * 2**-24))
    assert rounding([site(), site()]) == pytest.approx(2 * delta)
    assert rounding([site(cin=16, groups=2)]) == pytest.approx(2 * 74 * 2**-24, rel=1e-4)
    assert rounding([site(dtype="int8"), site(dtype="int16x8")], exact_sums=True) == 0
    # ONNX Runtime computes a quantized ConvTranspose on dequantized floats.
    assert rounding([site(dtype="int8")]) == pytest.approx(delta)
    assert rounding([site(dtype="float16")]) == pytest.approx(delta + 6 * 2**-11)
    assert rounding([site(dtype="float16")], exact_sums=True) == pytest.approx(delta)
    assert rounding([site(dtype="float64")]) == pytest.approx(2 * terms * 2**-53)


@pytest.mark.parametrize("stored", ["float64", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("computes", ["float64", "float16", "float32"])
def test_the_tolerance_is_that_of_the_type_of_the_sums(stored, computes):
    """Filters may be stored in a wider or narrower type and converted before use."""
    assert rounding([site(dtype=stored, computes=computes)]) == rounding([site(dtype=computes)])


def test_floats_are_measured():
    ours = np.array([1.0, -4.0, 2.0, 0.0], "f4")
    record = measure("y", ours, ours + np.array([0, 1e-3, 0, 0], "f4"), 1e-2)
    assert record.max_abs == pytest.approx(1e-3, rel=1e-3)
    assert record.max_rel == pytest.approx(2.5e-4, rel=1e-3)
    assert record.passed
    assert not measure("y", ours, ours + np.float32(0.02), 1e-2).passed
    assert measure("y", ours, ours, 0.0).finding == "identical"


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        ([1, np.nan, np.inf, -np.inf], [1, np.nan, np.inf, -np.inf], True),
        ([1, np.nan, 3, 4], [1, 2, 3, 4], False),
        ([1, 2, 3, 4], [1, np.nan, 3, 4], False),
        ([np.inf, 2, 3, 4], [-np.inf, 2, 3, 4], False),
        ([np.inf, 2, 3, 4], [1e30, 2, 3, 4], False),
        ([np.nan] * 4, [np.nan] * 4, True),
    ],
)
def test_nan_and_infinity_must_be_at_the_same_places(ours, theirs, agree):
    record = measure("y", np.array(ours, "f4"), np.array(theirs, "f4"), 1.0)
    assert record.passed is agree
    if not agree:
        assert record.max_abs == np.inf
        assert "a NaN, infinity or string differs from the original" in record.finding
    elif not np.isfinite(ours).all():
        assert "values are NaN or infinite" in record.finding


def test_shapes_and_types_must_be_the_same():
    y = np.zeros((2, 3), "f4")
    assert "float32[2, 3] became float32[3, 2]" in measure("y", y, y.T, 1).finding
    assert not measure("y", y, y.astype("f8"), 1).passed


@pytest.mark.parametrize(
    ("ours", "theirs", "lsb"),
    [
        (np.array([-128, 127], "i1"), np.array([127, -128], "i1"), {255: 2}),
        (np.array([0, 2**63], "u8"), np.array([1, 2**63], "u8"), {0: 1, 1: 1}),
        (np.array([True, False]), np.array([True, True]), {0: 1, 1: 1}),
        (np.array([-(2**62)], "i8"), np.array([-(2**62)], "i8"), {0: 1}),
    ],
)
def test_integers_are_measured_without_overflow(ours, theirs, lsb):
    record = measure("y", ours, theirs, 0.0)
    assert record.lsb == lsb
    assert record.passed is (set(lsb) == {0})


def test_texts_and_complex_numbers_are_compared():
    texts = np.array(["a", "b"], object)
    assert measure("y", texts, texts.copy(), 0).passed
    assert not measure("y", texts, texts[::-1], 0).passed
    z = np.array([3 + 4j], "c8")
    assert measure("y", z, z + 1e-3j, 1e-2).max_abs == pytest.approx(1e-3, rel=1e-3)


def test_slack_allows_as_many_values_as_the_original_is_off_itself():
    ours = np.arange(8, dtype="i8")
    again = ours + np.array([5, 0, 0, 0, 5, 0, 0, 0])
    allowed = slack(ours, again, 0.0)
    assert allowed == Slack(5.0, 2)
    assert measure("y", ours, ours + np.array([0, 4, 0, 0, 0, 0, 5, 0]), 0.0, allowed).passed
    assert not measure("y", ours, ours + np.array([0, 1, 1, 1, 0, 0, 0, 0]), 0.0, allowed).passed
    assert not measure("y", ours, ours + np.array([6, 0, 0, 0, 0, 0, 0, 0]), 0.0, allowed).passed
    assert slack(ours, ours[:3], 0.0) == Slack()


def test_samples_are_merged():
    counts = [{0: 9, 1: 1}, {0: 8, 2: 2}, {0: 10}]
    records = [
        Output("y", "int8", 10, float(max(c)), 0.1, 0.0, c, max(c) == 0, "said; because")
        for c in counts
    ]
    merged = merge(records)
    assert (merged.values, merged.lsb, merged.passed) == (30, {0: 27, 1: 1, 2: 2}, False)
    assert merged.finding == "3 of 30 values differ, by at most 2 LSB; because"


def test_perturbed_inputs_are_off_by_delta():
    feed = {"x": np.linspace(-1, 1, 100, dtype="f4"), "n": np.arange(3)}
    changed = perturb(feed, 1e-3, 0)
    ratio = changed["x"] / feed["x"]
    assert set(np.round(np.abs(ratio - 1), 5)) == {np.float32(1e-3)}
    assert set(np.sign(ratio - 1)) == {-1, 1}
    assert changed["n"] is feed["n"]
    assert perturb({"n": np.arange(3)}, 1e-3, 0) is None


def test_inputs_too_coarse_for_delta_are_perturbed_by_more():
    single, half = {"x": np.ones(50, "f4")}, {"x": np.ones(50, "f4"), "h": np.ones(50, "f2")}
    assert perturbation(single, 1e-3) == 1e-3
    assert perturbation(single, 1e-15) == 2.0**-22
    assert perturbation(half, 1e-6) == 2.0**-9
    assert perturbation({"x": np.ones(3), "n": np.arange(3)}, 1e-15) == 1e-15
    changed = perturb(half, perturbation(half, 1e-15), 0)
    assert all((changed[name] != half[name]).all() for name in half)


def test_the_response_to_greater_perturbations_is_scaled_down():
    ours, again = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.75])
    assert slack(ours, again, 0.01, 1 / 16) == Slack(0.03125, 2)
    assert slack(ours, again, 0.02, 1 / 16) == Slack(0.03125, 1)
    assert Slack(0.5, 1) | Slack(0.25, 3) == Slack(0.5, 3)


def test_what_is_not_finite_excuses_nothing():
    """A value that other kernels make infinite is no bound on how far finite values may differ."""
    ours, again = np.array([1.0, 2.0, np.inf]), np.array([1.0, 2.5, 7.0])
    assert slack(ours, again, 0.1) == Slack(0.5, 1)
    theirs = np.array([1.0, 9.0, np.inf])
    assert not measure("y", ours, theirs, 0.1, slack(ours, again, 0.1)).passed

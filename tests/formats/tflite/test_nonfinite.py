"""NaN and infinity in the input: where they end up, by form.

XNNPACK is a case of its own: its kernels multiply what they read beside a pixel by zeros, in the
original and in the rewritten file, so that NaN reaches neighbours in either, but not the same.
"""

import numpy as np
import pytest

from tests.formats.tflite.cases import CASES
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Deconv,
    convert,
    deconv_model,
    run,
)

KERNELS = {"xnnpack": XNNPACK, "optimized": OPTIMIZED, "reference": REFERENCE}


def _taps(case):
    """How many taps the phase with the fewest has, per axis."""
    return [k // s for k, s in zip(case.kernel, case.strides, strict=True)]


# Fused activations turn NaN into numbers or not, by kernel: nothing of ours.
PLAIN = [case.with_(activation="NONE") for case in CASES]
LONG = [case for case in PLAIN if min(_taps(case)) > 0]


def spoiled(case, value):
    """The case's input with one pixel of `value`."""
    x, rng = case.input(), case.rng()
    x[tuple(rng.integers(n) for n in x.shape[:3])] = value
    return x


def pairs(case, form, value, kernels):
    data, x = deconv_model(case), spoiled(case, value)
    return (run(model, x, kernels=kernels) for model in (convert(data, form), data))


def agree(y, expected):
    return np.abs(y - expected).max(initial=0) <= 1e-5 * max(1, np.abs(expected).max(initial=0))


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["optimized", "reference"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("form", ["split", "nzp"])
def test_they_spread_as_in_the_original(form, value, kernels):
    assert len(LONG) > 40
    for case in PLAIN if form == "nzp" else LONG:
        y, expected = pairs(case, form, value, KERNELS[kernels])
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected), err_msg=str(case))
        np.testing.assert_array_equal(np.isinf(y), np.isinf(expected), err_msg=str(case))
        finite = np.isfinite(expected)
        assert agree(y[finite], expected[finite])


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_what_stays_finite_is_right_in_every_form(form, kernels):
    further = 0
    for case in PLAIN:
        y, expected = pairs(case, form, np.nan, KERNELS[kernels])
        finite = np.isfinite(y) & np.isfinite(expected)
        assert agree(y[finite], expected[finite])
        further += (np.isnan(y) & ~np.isnan(expected)).any()
        if kernels != "xnnpack":
            assert not (np.isnan(expected) & ~np.isnan(y)).any()
    # Zeros of ours met NaN somewhere, or the difference between the forms would be no more.
    assert further > 0


def test_a_phase_without_taps_spreads_them_even_in_split():
    case = Deconv(kernel=(1, 1))
    y, expected = pairs(case, "split", np.nan, REFERENCE)
    assert np.isnan(y).sum() > np.isnan(expected).sum() > 0

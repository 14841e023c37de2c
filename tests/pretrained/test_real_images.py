"""The main job on real input: a trained generator draws the same picture in every form.

The weights are fetched on first use; without a connection and a filled cache these tests fail and
say so.
"""

import numpy as np
import pytest

from splitdeconv.pretrained import (
    entry,
    fetch,
    generators,
    load,
    names,
    read_checkpoint,
    samples,
    to_uint8,
)
from tests.pretrained import torch_numpy

pytestmark = pytest.mark.slow

# images, layers that sum, most terms in one sum (input channels x taps that reach one output)
CASES = {
    "face_dcgan": (16, 5, 512 * 4),
    "eye_cdcgan": (8, 6, 1024 * 4),
    "vintage_cyclegan": (1, 24, 256 * 9),
}
FORMS = ("native", "split", "nzp")


def _tolerance(name, bits):
    """Rounding of a sum of n terms grows like sqrt(n) units, layers add up; for two sides."""
    _, layers, terms = CASES[name]
    return 2 * layers * np.sqrt(terms) * 2.0**-bits


def test_every_generator_is_covered():
    assert set(CASES) == set(names())


@pytest.mark.parametrize("name", CASES)
def test_every_form_draws_the_same_picture(name):
    x = samples(name, CASES[name][0], seed=1)
    exact, rounded = (
        {form: np.asarray(load(name, form, dtype)(x.astype(dtype))) for form in FORMS}
        for dtype in ("float64", "float32")
    )
    _identical_in_8_bit(exact, _tolerance(name, 53))
    _rounded_apart_only_at_half_steps(exact["native"], rounded, _tolerance(name, 24))


def _identical_in_8_bit(images, tolerance):
    native = images["native"]
    for form in FORMS[1:]:
        np.testing.assert_allclose(images[form], native, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(to_uint8(images[form]), to_uint8(native))
    # the controls: it is a picture, and shifted by one pixel it is another
    assert native.std() > 0.2
    assert np.abs(np.roll(native, 1, axis=1) - native).max() > 1e6 * tolerance
    assert (to_uint8(np.roll(native, 1, axis=1)) != to_uint8(native)).mean() > 0.1


def _rounded_apart_only_at_half_steps(exact, images, tolerance):
    for form in FORMS:
        shift = np.abs(images[form] - exact)
        assert shift.max() <= tolerance
        levels, wanted = to_uint8(images[form]).astype(int), to_uint8(exact).astype(int)
        differs = levels != wanted
        assert np.abs(levels - wanted).max() <= 1
        # a level changes only if the exact value lies within the float32 tolerance of a half step
        # ...
        assert (np.abs((exact[differs] + 1) * 127.5 % 1 - 0.5) <= 127.5 * tolerance).all()
        # ... and, fractions of a level being spread evenly, with probability 127.5 x shift: five
        # deviations allowed
        expected = 127.5 * shift.sum()
        assert differs.sum() <= expected + 5 * np.sqrt(expected) + 1


@pytest.mark.parametrize("name", CASES)
def test_real_weights_compute_what_pytorch_defines(name):
    wanted, weights = entry(name), read_checkpoint(fetch(name))
    if wanted.architecture == "cyclegan":  # fully convolutional: a crop is enough
        x = samples(name, 1)[:, 96:160, 96:160].astype("float64")
        reference = torch_numpy.cyclegan(weights, x, blocks=9)
        y = generators.cyclegan(weights, "split", "float64", size=64)(x)
    else:
        x = samples(name, 2).astype("float64")
        reference = torch_numpy.dcgan(weights.get(wanted.state, weights), x)
        y = load(name, "split", "float64")(x)
    np.testing.assert_allclose(np.asarray(y), reference, rtol=0, atol=_tolerance(name, 53))
    assert reference.std() > 0.2

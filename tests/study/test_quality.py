"""Scores of images whose likeness is known, and that the means and intervals are of those."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.study import quality


def _images(count=3, height=20, width=24, seed=0):
    """Smooth and signed, with structure: sums of few waves, others for each image and channel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = rng.uniform(0.1, 0.6, (count, 3, 2, 3))
    image = sum(
        np.sin(waves[..., 0, i, None, None] * y + waves[..., 1, i, None, None] * x + i)
        for i in range(3)
    )
    return np.rint(127.5 + 40 * np.moveaxis(image, 1, -1)).astype("uint8")


def test_identical_images():
    images = _images()
    table = quality.scores(images, images)
    np.testing.assert_allclose(table[["ssim", "ssim_global"]], 1, rtol=0, atol=1e-12)
    assert np.isinf(table.psnr).all()
    assert not table.changed.any()


def test_psnr_of_a_known_error():
    images = _images()
    other = images.copy()
    other[1, ::2] += 3
    table = quality.scores(other, images)
    # 10 rows of 20 by 3: mean square 4.5. 10 log10(255**2 / 4.5)
    np.testing.assert_allclose(table.psnr[1], 10 * np.log10(255**2 / 4.5))
    np.testing.assert_allclose(table.changed, [0, 0.5, 0])
    assert table.ssim[1] < 1


def test_global_ssim_by_hand():
    """a = 10, 30; b = 30, 10: means 20, variances 100, covariance -100."""
    a = np.repeat(np.uint8([10, 30]), 11 * 11 * 3 // 3 * 3).reshape(1, 22, 11, 3)
    c1, c2 = 2.55**2, 7.65**2
    wanted = (2 * 400 + c1) * (2 * -100 + c2) / ((400 + 400 + c1) * (100 + 100 + c2))
    np.testing.assert_allclose(quality.scores(a[:, ::-1], a).ssim_global, wanted)


def test_ssim_of_wang_et_al_in_flat_images():
    """Without variance the formula is that of the means alone: (2ab + c1) / (a^2 + b^2 + c1)."""
    a, b = np.full((1, 16, 16, 1), 100, "uint8"), np.full((1, 16, 16, 1), 50, "uint8")
    c1 = 2.55**2
    wanted = (2 * 5000 + c1) / (100**2 + 50**2 + c1)
    np.testing.assert_allclose(quality.scores(a, b)[["ssim", "ssim_global"]], wanted)


def test_structure_counts():
    images = _images()
    shifted = np.roll(images, 3, axis=2)
    assert (quality.scores(shifted, images).ssim < 0.8).all()


def test_smaller_images_are_laid_where_they_fit():
    images = _images()
    part = images[:, 5:17, 3:20]
    assert quality.favouring_crop(part, images) == (5, 3)
    assert np.isinf(quality.scores(part, images).psnr).all()
    noisy = part ^ np.uint8(1)
    assert quality.favouring_crop(noisy, images) == (5, 3)


def test_means_and_intervals():
    rows = [("a", 0.9, 0.8, 20.0, 0.1), ("a", 0.7, 0.6, 10.0, 0.3), ("b", 1.0, 1.0, np.inf, 0.0)]
    table = pd.DataFrame(rows, columns=["form", "ssim", "ssim_global", "psnr", "changed"])
    means = quality.summarize(table, ["form"]).set_index("form")
    assert means.images.to_dict() == {"a": 2, "b": 1}
    a = means.loc["a"]
    assert (a.ssim, a.ssim_global, a.changed) == pytest.approx((0.8, 0.7, 0.2))
    # Of two images each resample is one of three; both ends are likelier than 2.5 %.
    assert (a.ssim_low, a.ssim_high) == pytest.approx((0.7, 0.9))
    # Mean square errors of 1/100 and 1/10 of 255 squared.
    assert a.psnr == pytest.approx(-10 * np.log10(0.055))
    assert (a.psnr_low, a.psnr_high) == pytest.approx((10, 20))
    assert np.isinf(means.loc["b", ["psnr", "psnr_low", "psnr_high"]]).all()
    assert (means.loc["b", ["ssim", "ssim_low", "ssim_high"]] == 1).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (_images(height=21), "no larger(.|\n)*21, 24"),
        (_images(count=2), "as many 8-bit images"),
        (_images().astype("float32"), "as many 8-bit images(.|\n)*float32"),
        (_images()[..., :1], "as many channels"),
        (_images()[:, :10], "at least 11x11"),
    ],
)
def test_images_that_cannot_be_compared(images, message):
    with pytest.raises(SplitDeconvError, match=f"cannot be compared(.|\n)*{message}"):
        quality.scores(images, _images())


def test_the_authors_images_have_their_sources():
    table = quality.authors_images().set_index(["network", "method"])
    assert sorted(table.index) == sorted(
        (network, method) for network in ("DCGAN", "FST") for method in ("split", "shi", "chang")
    )
    assert table.source.str.len().gt(20).all()
    shi = table.loc[("DCGAN", "shi")]
    # Three layers of stride 2 lose 2 outputs each, which the later ones enlarge.
    assert (shi.pixels, shi.top) == (64 - 14, 8 + 4 + 2)
    assert table.loc[("DCGAN", "split"), "ssim"] == 1
    assert table.ssim.dropna().between(0, 1).all()


def test_forms_of_the_same_images_are_one_row():
    native = np.full((2, 50, 50, 3), 100, "uint8")
    moved, apart, many = native.copy(), native.copy(), native.copy()
    moved[0, 0, 0, 0] = 101  # one value of 15,000, by one level
    apart[0, 0, 0, 0] = 102
    many[0, 0, 0] = 101
    images = {"native": native, "apart": apart, "split": moved, "part": native[:, 1:], "many": many}
    groups = quality.distinct(images | {"again": apart})
    assert list(groups) == [("native", "split"), ("apart", "again"), ("part",), ("many",)]
    assert groups["native", "split"] is native


def test_outputs_are_those_of_predict_in_batches_of_any_size(rng):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="tanh")])
    x = rng.standard_normal((5, 3)).astype("float32")
    found = quality.outputs(model, x, batch=2)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)
    expected = np.clip(np.rint((found.astype("float64") + 1) * 127.5), 0, 255)
    np.testing.assert_array_equal(quality.drawn(model, x, batch=3), expected.astype("uint8"))

"""Seeded layers: kernels of the right width, and bilinear ones that interpolate."""

import numpy as np
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.networks import blocks
from splitdeconv.networks.blocks import Blocks, bilinear_kernel, image_size, keras


def output(make, x, *arguments, **options):
    image = keras.Input(x.shape[1:])
    return np.asarray(keras.Model(image, make(image, "layer", *arguments, **options))(x))


def test_kernels_keep_the_scale_of_activations(rng):
    x = rng.standard_normal((4, 24, 24, 32)).astype("float32")
    make = Blocks("native", seed=0)
    for function, arguments in (
        (make.conv, (48, 5)),
        (make.deconv, (48, 4)),
        (make.deconv, (48, 3, 1)),
    ):
        y = output(function, x, *arguments)[:, 4:-4, 4:-4]
        # 48 channels: the spread of their variances is sqrt(2 / fan-in >= 128) / sqrt(48) = 2 %,
        # five of them 10 %
        assert np.var(y) == pytest.approx(1, rel=0.1)
        rectified = output(function, x, *arguments, activation="relu")[:, 4:-4, 4:-4]
        assert np.mean(rectified**2) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("factor", [2, 8])
@pytest.mark.parametrize("deconv", ["native", "split"])
def test_bilinear_kernels_interpolate_a_plane(factor, deconv):
    rows, columns = np.mgrid[:7, :5].astype("float32")
    planes = np.stack([2 * rows - columns, 3 * columns + 1], -1)
    make = Blocks(deconv, seed=0)
    y = output(
        make.deconv, planes[None], 2, 2 * factor, factor, "valid", use_bias=False, bilinear=True
    )[0]
    inside = slice(2 * factor, -2 * factor)
    # an output's place among the inputs: the kernel's centre, factor - 1/2, lies on its input
    row, column = (np.mgrid[: y.shape[0], : y.shape[1]] - (factor - 0.5)) / factor
    expected = np.stack([2 * row - column, 3 * column + 1], -1)
    # sums of four float32 products of at most 20: 4 * 20 * 2^-24 = 5e-6
    np.testing.assert_allclose(y[inside, inside], expected[inside, inside], atol=5e-6)


def test_bilinear_kernel_of_odd_length():
    np.testing.assert_array_equal(bilinear_kernel((3, 3, 1, 1))[1, :, 0, 0], [0.5, 1, 0.5])


def test_image_size():
    assert image_size(8) == (8, 8)
    assert image_size((4, 12), 4) == (4, 12)
    with pytest.raises(
        SplitDeconvError,
        match=r"expected: an int or \(height, width\), multiples of 8\n  got: \(8, 12\)",
    ):
        image_size((8, 12), 8)


def test_norms_are_keras_layers():
    assert {type(make("n")).__name__ for make in blocks.NORMS.values()} == {
        "BatchNormalization",
        "GroupNormalization",
    }

"""Full int8 files draw what the float model draws, but for quantization; SD as native."""

import keras
import numpy as np
import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.toolchains.models import benchmark as models, tflite as litert
from splitdeconv.toolchains.models.quantized import run_int8

# Said by TensorFlow of every calibrated export.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Statistics for quantized inputs were expected:UserWarning"
)


@pytest.fixture(scope="module")
def small():
    """2 -> 3 channels, 4x4 -> 8x8, outputs in [-1, 1]; inputs that are not symmetric about zero."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4, 4, 2))
    y = keras.layers.Conv2DTranspose(3, 5, 2, padding="same", activation="tanh")(x)
    inputs = np.random.default_rng(4).uniform(-1, 3, (6, 4, 4, 2)).astype("float32")
    return keras.Model(x, y), inputs


def test_int8_images_are_the_float_ones_quantized(small):
    model, inputs = small
    native = litert.full_int8(litert.export(model, calibration=inputs))
    split, forms = models.rewritten(native, "split")
    assert forms == ["split"]
    integers, images = run_int8(native, inputs)
    assert integers.dtype == np.int8
    assert images.shape == (6, 8, 8, 3)
    # Input, weights and tanh's table are in 8 bits: some steps of 2/255 each, and not shuffled
    # among the images.
    assert np.abs(images - np.asarray(model(inputs))).max() < 0.1
    assert np.abs(images - np.asarray(model(inputs[::-1]))).max() > 0.5
    np.testing.assert_array_equal(run_int8(split, inputs)[0], integers)


def test_files_and_inputs_that_do_not_fit(small):
    model, inputs = small
    with pytest.raises(
        SplitDeconvError, match=r"expected a full int8 file(.|\n)*got: float32 \(1, 4, 4, 2\)"
    ):
        run_int8(litert.export(model), inputs)
    native = litert.export(model, calibration=inputs)
    with pytest.raises(
        SplitDeconvError, match=r"do not fit the file(.|\n)*got: shape \(6, 4, 3, 2\)"
    ):
        run_int8(native, inputs[:, :, :3])

"""One transposed convolution as a file: 5x4x8, six channels out."""

import keras
import numpy as np

from splitdeconv.toolchains.models import tflite as litert


def exported(kernel=3, strides=2, calibrated=True):
    """As .tflite, full int8 where it is calibrated."""
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2DTranspose(6, kernel, strides, "same")
    model = keras.Sequential([keras.Input((5, 4, 8)), layer])
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 8), "float32")
    return litert.export(model, calibration=x if calibrated else None)

"""A transposed convolution to run in the runtimes."""

import keras


def layer(channels=4):
    keras.utils.set_random_seed(0)
    made = keras.layers.Conv2DTranspose(channels, 5, 2, "same", bias_initializer="random_normal")
    return keras.Sequential([keras.Input((6, 5, 3)), made])

"""Keras models to convert, and what to compare of them."""

import keras
import numpy as np

from splitdeconv.layers import SplitConv2DTranspose

layers = keras.layers


def sequential(fill=True, **compiled):
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            layers.Conv2DTranspose(
                8, 5, strides=2, padding="same", activation="relu", name="first"
            ),
            layers.BatchNormalization(name="norm"),
            layers.Conv2DTranspose(
                2, 4, strides=(2, 1), padding="valid", use_bias=False, name="second"
            ),
        ],
        name="decoder",
    )
    if compiled:
        model.compile(**compiled)
    return filled(model) if fill else model


def filled(model):
    """Random weights everywhere, so that no two biases or statistics are alike."""
    rng = np.random.default_rng(3)
    model.set_weights([np.abs(rng.standard_normal(w.shape)) + 0.1 for w in model.get_weights()])
    return model


def functional():
    """Two inputs, a shared and a wrapped layer, a nested model, two outputs."""
    a, b = keras.Input((5, 5, 4), name="a"), keras.Input((5, 5, 4), name="b")
    shared = layers.Conv2DTranspose(3, 3, strides=2, name="shared")
    y = layers.Add(name="sum")([shared(a), shared(b)])
    inner = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2DTranspose(2, 2, 2, name="inner_up")],
        name="inner",
    )
    z = inner(y)
    frames = layers.Reshape((2, 5, 5, 2), name="frames")(a)
    wrapped = layers.TimeDistributed(layers.Conv2DTranspose(1, 4, 3, name="wrapped"), name="each")(
        frames
    )
    return filled(keras.Model({"a": a, "b": b}, {"z": z, "w": wrapped}, name="two"))


def outputs(model, seed=0):
    rng = np.random.default_rng(seed)
    feed = keras.tree.map_structure(
        lambda x: rng.standard_normal((2, *(n or 7 for n in x.shape[1:]))).astype("f4"), model.input
    )
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(feed, training=False))


def split_layers(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, SplitConv2DTranspose)]


def assert_alike(ours, theirs):
    # Another order of sums of fewer than 100 products of magnitude 1: 100 * 2^-24 relative, twice.
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-5), ours, theirs
    )

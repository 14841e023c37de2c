"""Converted Keras models are trained as their originals would have been."""

import keras
import numpy as np
import pytest

import splitdeconv as sd
from tests.formats.keras.models import filled, sequential

layers = keras.layers

# Keras warns of deprecated NumPy calls of its own, and of unbuilt copies.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("here"),
]


def trainable(seed):
    keras.utils.set_random_seed(seed)
    return sequential(
        fill=False, optimizer=keras.optimizers.Adam(0.02), loss="mse", metrics=["mae"]
    )


def data(steps):
    """Images, and what another model of the same structure makes of them."""
    x = np.random.default_rng(5).standard_normal((steps * 4, 6, 5, 3)).astype("f4")
    return x, keras.ops.convert_to_numpy(trainable(1)(x))


def curve(model, x, y):
    return [float(model.train_on_batch(x[i : i + 4], y[i : i + 4])[0]) for i in range(0, len(x), 4)]


def test_training_continues_as_it_would_have():
    x, y = data(steps=23)
    model = trainable(2)
    curve(model, x[:12], y[:12])  # the optimizer has a state before the conversion
    new = sd.convert(model).model
    assert new.compiled
    assert new.optimizer is not model.optimizer
    assert int(new.optimizer.iterations) == int(model.optimizer.iterations) == 3
    for old, copied in zip(model.optimizer.variables, new.optimizer.variables, strict=True):
        np.testing.assert_array_equal(copied, old)
    ours, theirs = curve(model, x[12:], y[12:]), curve(new, x[12:], y[12:])
    assert len(ours) == 20
    assert ours[-1] < ours[0] / 2
    # Measured 1e-7 of the loss, the rounding of one step; another hundred times that for other
    # machines' kernels.
    np.testing.assert_allclose(theirs, ours, rtol=1e-5)


def own_loss(y, z):
    """A loss of the author's, registered nowhere."""
    return keras.ops.mean(keras.ops.abs(y - z))


def test_what_only_the_author_has_is_kept():
    class Scale(layers.Layer):
        def call(self, x):
            return 3 * x

    x = keras.Input((6, 5, 3))
    model = keras.Model(x, Scale(name="own")(layers.Conv2DTranspose(2, 3)(x)))
    model.compile("sgd", own_loss)
    new = sd.convert(filled(model)).model
    assert new.loss is own_loss
    assert type(new.get_layer("own")) is Scale

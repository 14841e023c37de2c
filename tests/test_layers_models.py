"""Models of twins train, save and load as those of the originals, on both backends."""

import keras
import numpy as np
import pytest

from tests.twins import BACKEND, CIN, COUT, KERNEL, SIZES, STRIDES, TOLERANCE, drawn, pair

# Keras 3.15 copies its variables in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def _model(layers, sizes=(None, None)):
    inputs = keras.Input((*sizes, CIN))
    y = layers[1](keras.layers.Activation("tanh")(layers[0](inputs)))
    return keras.Model(inputs, y)


def _pair_of_models(**options):
    pairs = [
        pair(2, 5, (5, 4), 2, "same", name="a", **options),
        pair(2, 2, 3, (1, 2), name="b", **options),
    ]
    return [_model(layers) for layers in zip(*pairs, strict=True)]


def test_unknown_sizes_in_a_functional_model():
    original, twin = _pair_of_models()
    assert twin.output_shape == original.output_shape
    assert [layer.output.shape for layer in twin.layers] == [
        layer.output.shape for layer in original.layers
    ]
    for height, width in ((3, 4), (5, 2)):
        x = drawn(2, height, width, CIN)
        y = twin.predict(x, verbose=0)
        assert y.shape == tuple(twin.compute_output_shape(x.shape))
        np.testing.assert_allclose(y, original.predict(x, verbose=0), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("form", ["auto", "stacked"])
def test_training_takes_the_same_steps(form):
    x, target = drawn(4, 4, 3, CIN), drawn(4, 10, 13, 2)
    losses, weights = [], []
    for model in _pair_of_models(form=form):
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", jit_compile=BACKEND == "jax")
        losses.append([float(model.train_on_batch(x, target)) for _ in range(4)])
        weights.append(model.get_weights())
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    # Four steps of 0.05 times a gradient whose float32 error is about 1e-6 of its size, which is
    # below 1.
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    assert (
        max(
            np.abs(a - b).max()
            for a, b in zip(weights[1], _pair_of_models()[1].get_weights(), strict=True)
        )
        > 1e-3
    )


def test_weights_are_loaded_from_the_original_and_back(tmp_path):
    original, twin = _pair_of_models()
    x = drawn(2, 3, 4, CIN)
    for model in (original, twin):
        model.set_weights([drawn(*w.shape) / 4 for w in model.get_weights()])
    before = original.predict(x, verbose=0)
    original.save_weights(tmp_path / "original.weights.h5")
    twin.set_weights([0 * w for w in twin.get_weights()])
    twin.load_weights(tmp_path / "original.weights.h5")
    np.testing.assert_allclose(twin.predict(x, verbose=0), before, rtol=0, atol=TOLERANCE)
    twin.save_weights(tmp_path / "twin.weights.h5")
    original.set_weights([0 * w for w in original.get_weights()])
    original.load_weights(tmp_path / "twin.weights.h5")
    np.testing.assert_array_equal(original.predict(x, verbose=0), before)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_saved_and_loaded(rank, tmp_path):
    inputs = keras.Input((*SIZES[:rank], CIN))
    _, layer = pair(
        rank, COUT, KERNEL[:rank], STRIDES[:rank], "same", form="rows", interleave="transpose"
    )
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is type(layer)
    assert loaded.layers[-1].get_config() == layer.get_config()
    x = drawn(2, *SIZES[:rank], CIN)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    clone = keras.models.clone_model(model)
    assert (clone.layers[-1].form, clone.layers[-1].interleave) == ("rows", "transpose")

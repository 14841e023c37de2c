"""Copies of Keras models: nothing is lost that a configuration does not hold."""

import keras
import numpy as np
import pytest

import splitdeconv as sd
from tests.refusals import refused

layers = keras.layers
# Keras warns of deprecated NumPy calls of its own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

X = np.random.default_rng(0).standard_normal((8, 4, 5, 3)).astype("f4")
Y = np.random.default_rng(1).standard_normal((8, 19, 23, 2)).astype("f4")


def model():
    """Two transposed convolutions; signed random weights, no two alike."""
    rng = np.random.default_rng(3)
    up = [layers.Conv2DTranspose(2, 3, 2, name=name) for name in "ab"]
    made = keras.Sequential([keras.Input((4, 5, 3)), *up])
    made.set_weights([rng.standard_normal(w.shape) / 2 for w in made.get_weights()])
    return made


def train(model, epochs):
    history = model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0).history
    return np.array([history[name] for name in sorted(history)])


def convert(source):
    return sd.convert(source, verify=False).model


COMPILED = {
    "an own function": lambda: {
        "loss": lambda y, z: keras.ops.mean((y - z) ** 2),
        "metrics": ["mae"],
    },
    "a loss that forgets": lambda: {"loss": keras.losses.Huber(0.3)},
    "a schedule": lambda: {
        "loss": "mse",
        "optimizer": keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5), momentum=0.9
        ),
    },
    "a wrapped optimizer": lambda: {
        "loss": "mse",
        "optimizer": keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(0.01), initial_scale=4.0
        ),
    },
    "averages": lambda: {
        "loss": "mse",
        "optimizer": keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.9),
        "weighted_metrics": [keras.metrics.MeanAbsoluteError(name="own")],
    },
}


@pytest.mark.parametrize("name", COMPILED)
def test_training_goes_on_as_compiled(name):
    source = model()
    source.compile(**{"optimizer": "adam", "run_eagerly": True} | COMPILED[name]())
    train(source, 1)
    copy = convert(source)
    assert source.compiled
    assert copy.run_eagerly
    assert copy.optimizer is not source.optimizer
    # Measured 2e-7, the rounding of a few steps in float32; a lost delta or state is off by a tenth
    # at least.
    np.testing.assert_allclose(train(copy, 3), train(source, 3), rtol=1e-4)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(True, keras.optimizers.LossScaleOptimizer), (False, keras.optimizers.Adam)],
)
def test_a_model_of_mixed_precision_that_was_trained(scale, expected):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        source = model()
    finally:
        keras.config.set_dtype_policy(before)
    source.compile("adam", "mse", run_eagerly=True, auto_scale_loss=scale)
    train(source, 1)
    copy = convert(source)
    assert copy.dtype_policy.name == "mixed_float16"
    assert type(copy.optimizer) is type(source.optimizer) is expected
    for old, new in zip(source.optimizer.variables, copy.optimizer.variables, strict=True):
        np.testing.assert_array_equal(new, old)


def test_flags_of_single_variables_and_of_nested_models():
    inner = keras.Sequential(
        [keras.Input((None, None, 2)), layers.Conv2DTranspose(2, 3, 1, name="deep")], name="inner"
    )
    x = keras.Input((4, 5, 3))
    source = keras.Model(x, inner(layers.Conv2DTranspose(2, 3, 2, name="up")(x)))
    source.get_layer("up").bias.trainable = False
    inner.trainable = False
    source.compile("adam", "mse", run_eagerly=True)
    source.train_on_batch(X, Y[:, :11, :13])
    copy = convert(source)
    assert (
        [w.path for w in copy.trainable_weights]
        == [w.path for w in source.trainable_weights]
        == ["up/kernel"]
    )
    assert len(copy.optimizer.variables) == len(source.optimizer.variables)
    assert not copy.get_layer("inner").trainable


def test_a_nested_model_keeps_what_it_was_compiled_with():
    # As the critic in a generative adversarial network: compiled, then frozen in the whole.
    critic = keras.Sequential(
        [keras.Input((19, 23, 2)), layers.Flatten(), layers.Dense(1)], name="critic"
    )
    critic.compile(keras.optimizers.SGD(0.1, momentum=0.5), "mse")
    critic.train_on_batch(Y, np.ones((8, 1)))
    critic.trainable = False
    source = keras.Sequential([keras.Input((4, 5, 3)), *model().layers, critic])
    source.compile("adam", "mse")
    copy = convert(source)
    ours, theirs = critic.optimizer, copy.get_layer("critic").optimizer
    assert theirs is not ours
    for old, new in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(new, old)


def test_what_layers_derive_from_their_variables():
    norm = layers.Normalization()
    norm.adapt(X * 3 + 1)
    x = keras.Input((4, 5, 3))
    source = keras.Model(x, layers.Conv2DTranspose(2, 3, 2)(norm(x)))
    assert sd.convert(source).report.verification


def test_names_of_inputs_and_of_wrapped_weights():
    x = keras.Input((2, 4, 5, 3))
    source = keras.Model(x, layers.TimeDistributed(layers.Conv2DTranspose(2, 3, 2))(x))
    copy = convert(source)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in source.layers]
    assert [w.path for w in copy.weights] == [w.path for w in source.weights]


def test_a_layer_shared_between_a_model_and_one_in_it():
    up = layers.Conv2DTranspose(3, 3, 2, padding="same")
    i, x = keras.Input((None, None, 3)), keras.Input((4, 5, 3))
    inner = keras.Model(i, up(i))
    result = sd.convert(keras.Model(x, inner(up(x))))
    assert result.report.verification
    assert len(result.model.weights) == 2


def test_a_model_that_was_never_built_is_refused():
    source = keras.Sequential(model().layers)  # of layers that were, elsewhere
    with refused("the model must be built before it is copied") as caught:
        convert(source)
    assert caught.value.where == source.name


def test_an_optimizer_that_cannot_be_copied_is_refused():
    class Odd(keras.optimizers.SGD):
        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            raise TypeError("not from a configuration")

    source = model()
    source.compile(Odd(0.1), "mse")
    with refused("Keras cannot copy the model") as caught:
        convert(source)
    assert caught.value.got == "not from a configuration"
    assert source.compiled

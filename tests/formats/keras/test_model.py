"""Keras models keep values, weights, names and flags when converted, and train as before."""

import keras
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.formats.keras.model import KerasModel, natively
from splitdeconv.layers import SplitConv1DTranspose, SplitConv2DTranspose, SplitConv3DTranspose
from tests.formats.keras.models import (
    assert_alike,
    filled,
    functional,
    outputs,
    sequential,
    split_layers,
)
from tests.refusals import refused

layers = keras.layers
# Keras warns of deprecated NumPy calls of its own, and of unbuilt copies.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("here"),
]


@pytest.mark.parametrize("build", [sequential, functional])
def test_values_names_and_weights_are_kept(build):
    model = build()
    before = [type(layer) for layer in model._flatten_layers()]
    result = sd.convert(model)
    new = result.model
    assert new is not model
    assert [type(layer) for layer in model._flatten_layers()] == before
    assert result.report.verification
    assert result.report.verification.method == "model"
    if build is functional:
        assert_alike(outputs(model), outputs(new))
    assert [w.shape for w in new.weights] == [w.shape for w in model.weights]
    for old, copied in zip(model.weights, new.weights, strict=True):
        np.testing.assert_array_equal(copied, old)
    assert [layer.name for layer in new._flatten_layers()] == [
        layer.name for layer in model._flatten_layers()
    ]
    assert new.name == model.name
    kinds = [
        (type(a), type(b))
        for a, b in zip(model._flatten_layers(), new._flatten_layers(), strict=True)
    ]
    assert {b for a, b in kinds if a is layers.Conv2DTranspose} == {SplitConv2DTranspose}
    assert all(a is b for a, b in kinds if a is not layers.Conv2DTranspose)


def test_a_shared_layer_stays_shared():
    model = functional()
    new = sd.convert(model, verify=False).model
    shared = new.get_layer("shared")
    assert len(shared._inbound_nodes) == 2
    assert len(new.weights) == len(model.weights)
    assert KerasModel.parse(model).sites()
    assert sd.inspect(model)["name"].tolist().count("shared") == 1


@pytest.mark.parametrize(
    ("cls", "twin", "shape"),
    [
        (layers.Conv1DTranspose, SplitConv1DTranspose, (9, 3)),
        (layers.Conv3DTranspose, SplitConv3DTranspose, (3, 4, 2, 3)),
    ],
)
def test_every_rank_is_converted(cls, twin, shape):
    model = filled(keras.Sequential([keras.Input(shape), cls(4, 3, strides=2)]))
    result = sd.convert(model)
    assert type(result.model.layers[0]) is twin
    assert_alike(outputs_of(model, shape), outputs_of(result.model, shape))


def outputs_of(model, shape):
    x = np.random.default_rng(1).standard_normal((2, *shape)).astype("f4")
    return keras.ops.convert_to_numpy(model(x))


def test_flags_and_policies_are_kept():
    model = sequential()
    model.get_layer("first").trainable = False
    model.get_layer("second").dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    new = sd.convert(model, verify=False).model
    assert [layer.trainable for layer in new.layers] == [False, True, True]
    assert new.get_layer("second").dtype_policy.name == "mixed_bfloat16"
    assert len(new.trainable_weights) == len(model.trainable_weights)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_precisions_are_verified(policy):
    model = keras.Sequential(
        [keras.Input((6, 5, 16)), layers.Conv2DTranspose(8, 5, strides=2, dtype=policy)]
    )
    result = sd.convert(filled(model))
    assert result.report.decisions[0].site.dtype == {
        "mixed_float16": "float16",
        "mixed_bfloat16": "bfloat16",
    }.get(policy, policy)
    assert result.report.verification


class Decoder(keras.Model):
    """A subclassed model, its layers in an attribute, a list and a dictionary."""

    def __init__(self):
        super().__init__(name="sub")
        self.up = layers.Conv2DTranspose(4, 5, 2, padding="same")
        self.more = [layers.Conv2DTranspose(3, 3, 1), layers.ReLU()]
        self.table = {"last": layers.Conv2DTranspose(2, 2, 2)}

    def call(self, x):
        for layer in (self.up, *self.more, self.table["last"]):
            x = layer(x)
        return x


def test_a_subclassed_model_is_converted_in_place():
    model = Decoder()
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 3)).astype("f4")
    before = keras.ops.convert_to_numpy(model(x))
    predicted = model.predict(x, verbose=0)  # compiled with the native layers
    result = sd.convert(model)
    assert result.model is model
    assert len(split_layers(model)) == 3
    assert_alike(before, keras.ops.convert_to_numpy(model(x)))
    assert model.predict_function is None
    assert_alike(predicted, model.predict(x, verbose=0))
    verification = result.report.verification
    assert (bool(verification), verification.method, len(verification.outputs)) == (
        True,
        "operators",
        3,
    )
    with natively(model):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), before)
    assert [layer.form for layer in split_layers(model)] == [
        d.form for d in result.report.decisions
    ]


def test_who_saves_is_told_how_to_load():
    model = Decoder()
    model(np.ones((2, 5, 4, 3), "f4"))
    unseen, *notes = sd.convert(model).report.notes
    assert "Decoder 'sub'" in unseen
    assert notes == [
        "import splitdeconv.layers before keras.saving.load_model loads the saved model",
        "Decoder creates layers in its own code: convert it again after loading",
    ]
    assert list(sd.convert(sequential(), verify=False).report.notes) == notes[:1]
    assert not any(
        "splitdeconv.layers" in note
        for note in sd.convert(sequential(), layers="none").report.notes
    )


def test_a_model_that_has_seen_no_data_is_refused():
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(Decoder())
    assert "it has no weights yet" in caught.value.got


def test_a_model_of_ones_own_class_around_a_graph_keeps_its_class():
    class Own(keras.Model):
        def train_step(self, data):
            raise NotImplementedError

    x = keras.Input((4, 4, 2))
    model = filled(Own(x, layers.Conv2DTranspose(3, 3, 2)(x)))
    new = sd.convert(model).model
    assert type(new) is Own


def test_a_batch_is_fixed():
    model = functional()
    new = sd.convert(model, static_batch=3).model
    assert [x.shape[0] for x in new.inputs] == [3, 3]
    assert sorted(x.name for x in new.inputs) == ["a", "b"]
    assert sd.convert(sequential(), static_batch=2).model.inputs[0].shape == (2, 6, 5, 3)
    with refused("the model declares no inputs whose shapes could be fixed"):
        sd.convert(Decoder(), static_batch=2)


@pytest.mark.parametrize("shape", [(2, 9, 6, 3), (1, 4, 11, 3)])
def test_open_images_are_fixed(shape, tmp_path):
    model = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2DTranspose(5, 4, strides=3, padding="same")]
    )
    filled(model).save(tmp_path / "model.keras")
    x = np.random.default_rng(3).standard_normal(shape).astype("f4")
    for source in (model, tmp_path / "model.keras"):
        result = sd.convert(source, input_shape=shape)
        assert result.report.verification
        assert tuple(result.model.inputs[0].shape) == shape
        assert tuple(result.model.outputs[0].shape) == (shape[0], 3 * shape[1], 3 * shape[2], 5)
        assert any(
            f"is now fixed at {'x'.join(map(str, shape))} (was ?x?x?x3)" in note
            for note in result.report.notes
        )
        np.testing.assert_allclose(result.model(x), model(x), rtol=0, atol=1e-5)


def test_an_open_length_beside_a_fixed_input():
    a, b = keras.Input((None, 4), name="sound"), keras.Input((6,), batch_size=2, name="style")
    up = layers.Conv1DTranspose(6, 8, strides=4, padding="same")
    model = filled(keras.Model([a, b], up(a) * layers.Reshape((1, 6))(b)))
    new = sd.convert(model, input_shape={"sound": (2, 7, 4)}).model
    assert [tuple(x.shape) for x in new.inputs] == [(2, 7, 4), (2, 6)]
    assert new.output_shape == (2, 28, 6)
    rng = np.random.default_rng(4)
    values = [rng.standard_normal(x.shape).astype("f4") for x in new.inputs]
    np.testing.assert_allclose(new(values), model(values), rtol=0, atol=1e-5)
    for shapes, message in (
        ({"sound": (2, 7, 5)}, "fixed in the file"),
        ({"style": (3, 6)}, "fixed in the file"),
        ({"sound": (2, 7)}, "expected 3 dimensions"),
        ({"noise": (2, 7, 4)}, "the model has no such input"),
    ):
        with refused(message):
            sd.convert(model, input_shape=shapes)


def test_sizes_that_a_layer_does_not_take():
    x = keras.Input((None, None, 2))
    halved = layers.UpSampling2D(2)(layers.AveragePooling2D(2)(x))
    up = layers.Conv2DTranspose(2, 3, padding="same")(x)
    model = filled(keras.Model(x, layers.Concatenate()([up, halved])))
    assert sd.convert(model, input_shape=(1, 6, 4, 2)).report.verification
    with refused("Keras cannot build the model for this input shape") as caught:
        sd.convert(model, input_shape=(1, 6, 5, 2))
    assert "Concatenate" in caught.value.got


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with refused("do not support this Keras backend") as caught:
        sd.inspect(sequential())
    assert caught.value.got == "torch"


def test_a_keras_model_is_compared_with_another_only():
    with refused("a model in memory can only be compared with another one of its kind"):
        sd.verify(sequential(), b"")
    model = sequential()
    assert sd.verify(model, sd.convert(model).model, samples=1)
    other = sequential()
    other.layers[0].kernel.assign(other.layers[0].kernel * 1.01)
    assert not sd.verify(model, other, samples=1)

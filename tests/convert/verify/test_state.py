"""Models whose runs differ, because they keep state or are random, and the advice for each."""

from dataclasses import replace
from math import inf

import keras
import numpy as np
import pytest
from onnx import helper

import splitdeconv as sd
from splitdeconv.convert import job as jobs
from splitdeconv.convert.report import Verification
from splitdeconv.convert.verify.compare import compare
from splitdeconv.convert.verify.difference import Output
from tests.formats.keras.models import filled
from tests.formats.onnx import models as onnx_models
from tests.refusals import refused

STATE = "it keeps state"
# Keras warns of deprecated NumPy calls of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("here"),
]


@pytest.mark.filterwarnings("ignore")
def test_variables_of_tflite_are_state():
    import tensorflow as tf

    class Memory(tf.Module):
        def __init__(self):
            weights = np.random.default_rng(2).standard_normal((3, 3, 4, 3))
            self.weights = tf.Variable(weights.astype("f4"))
            self.sum = tf.Variable(tf.zeros((1, 5, 6, 3)))

        @tf.function(input_signature=[tf.TensorSpec((1, 5, 6, 3), tf.float32)])
        def step(self, x):
            self.sum.assign_add(x)
            return tf.nn.conv2d_transpose(self.sum, self.weights, (1, 15, 18, 4), 3, "SAME")

    module = Memory()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.step.get_concrete_function()], module
    )
    converter.experimental_enable_resource_variables = True
    verification = sd.convert(converter.convert()).report.verification
    assert verification.passed
    assert STATE in verification.notes[0]
    assert "--inputs" not in verification.notes[0]
    assert verification.method == "operators"


class Decaying(keras.layers.Layer):
    """A layer that remembers what it was called on."""

    def build(self, shape):
        self.memory = self.add_weight(
            shape=shape[1:], initializer="zeros", trainable=False, name="memory"
        )

    def call(self, x):
        self.memory.assign(self.memory * 0.5 + keras.ops.mean(x, axis=0))
        return x + self.memory


class Noisy(keras.layers.Layer):
    """A layer that adds noise, in inference, too."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed_generator)


@pytest.mark.parametrize(("layer", "words"), [(Decaying, STATE), (Noisy, "random operators")])
def test_keras_layers_with_a_memory_are_told_from_random_ones(layer, words):
    x = keras.Input((4, 5, 3), batch_size=2)
    model = filled(
        keras.Model(x, keras.layers.Conv2DTranspose(2, 3, 2, name="up")(layer(name="first")(x)))
    )
    verification = compare("keras", model, sd.convert(model, verify=False).model, samples=2)
    assert verification
    assert words in verification.notes[0]


@pytest.mark.parametrize("attributes", [{"seed": 4.0}, {}])
def test_onnx_models_have_no_state(attributes):
    noise = helper.make_node("RandomUniformLike", ["x"], ["n"], **attributes)
    add = helper.make_node("Mul", ["x", "n"], ["a"])
    w = np.random.default_rng(5).standard_normal((2, 3, 4, 4)).astype("f4")
    up = helper.make_node("ConvTranspose", ["a", "w"], ["y"], name="up", strides=[2, 2])
    ports = onnx_models.value("x", "f4", [1, 2, 5, 5]), onnx_models.value("y", "f4", [None] * 4)
    data = onnx_models.model([noise, add, up], ports[:1], ports[1:], {"w": w}).SerializeToString()
    verification = compare("onnx", data, onnx_models.convert(data).SerializeToString(), samples=2)
    assert verification
    assert "random operators" in verification.notes[0]


FAILED = Output("up", "", 0, inf, inf, 0.0, None, False, "it cannot be run in isolation")


LACKING = "Failed to allocate memory for requested buffer of size 17179869184"


@pytest.mark.parametrize("method", ["operators", "model"])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("side", ["original", "converted model"])
def test_a_failed_allocation_says_nothing_about_values(method, fixed, side):
    record = replace(FAILED, finding=f"the runtime rejected the {side}: {LACKING}")
    with refused("the converted model could not be verified; it was not written") as caught:
        jobs.check(Verification(False, (record,), method, 0, 0), "m.onnx", fixed, tuned=True)
    assert "--memory" in caught.value.fix
    assert "tune it at a smaller --input-shape" in caught.value.fix
    assert not jobs.differs(caught.value)


def test_the_advice_for_tune_names_its_own_options_or_the_command_of_the_others():
    with refused("could not be verified") as caught:
        jobs.check(Verification(False, (FAILED,), "operators", 3, 0), "m.onnx", tuned=True)
    for word in ("tune only some layers (splitdeconv tune --layers)", "splitdeconv convert --no-"):
        assert word in caught.value.fix


@pytest.mark.parametrize(
    ("output", "method", "helps", "not_named"),
    [
        (FAILED, "operators", ("--inputs", "--layers", "--no-verify"), "report the model"),
        (
            replace(FAILED, finding="the runtime rejected the original (no kernel): run alone"),
            "operators",
            ("--no-verify", "verify=False"),
            "--inputs",
        ),
        (
            replace(FAILED, values=9, finding="differs"),
            "model",
            ("--inputs", "report the model"),
            "--no-verify",
        ),
    ],
)
def test_the_way_out_fits_the_reason(output, method, helps, not_named):
    with refused("it was not written") as caught:
        jobs.check(Verification(False, (output,), method, 3, 0), "m.onnx")
    assert all(word in caught.value.fix for word in helps)
    assert not_named not in caught.value.fix
    # A tolerance of 0 is no expectation where nothing was compared.
    assert (caught.value.expected == "an output to compare") == (output.values == 0)

"""Whole generators, as TensorFlow's own converter writes and quantizes them, rewritten in place."""

import warnings
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import splitdeconv as sd
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.tflite.arena import arena_peak
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.tflite.rewrite.move import Mover
from tests.formats.tflite.models import REFERENCE, XNNPACK, convert, operators, run, unpack

pytestmark = pytest.mark.slow

FORMS = FILE_FORMS
KINDS = ("float32", "float16", "int8", "int16x8")
BUILTINS = {
    "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "int16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
}


def to_tflite(model, kind, batch=1):
    """A Keras model as a .tflite file; integers calibrated on seeded normals."""
    shape = (batch, *model.inputs[0].shape[1:])
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32)
    )
    # Variables left in the graph would be read as garbage.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [convert_variables_to_constants_v2(traced)], model
    )
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in BUILTINS:
        converter.target_spec.supported_ops = [BUILTINS[kind]]
        rng = np.random.default_rng(0)
        normals = [
            [rng.standard_normal((batch or 1, *shape[1:])).astype("float32")] for _ in range(4)
        ]
        converter.representative_dataset = lambda: iter(normals)
    if kind == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


@cache
def generator(kind, name="dcgan"):
    return to_tflite(sd.networks.build(name, deconv="native"), kind)


def latents(kind, name="dcgan"):
    rng = np.random.default_rng(1)
    graph = unpack(generator(kind, name)).subgraphs[0]
    shape = graph.tensors[int(graph.inputs[0])].shape
    return (
        rng.integers(-128, 128, shape).astype("i1")
        if kind == "int8"
        else rng.standard_normal(shape).astype("f4")
    )


@pytest.mark.parametrize(
    ("kind", "name"), [*((kind, "dcgan") for kind in KINDS), ("int8", "sngan")]
)
def test_a_whole_generator_draws_the_same(kind, name):
    original, x = generator(kind, name), latents(kind, name)
    assert operators(original).count("TRANSPOSE_CONV") == 3
    pictures = {kernels: run(original, x, kernels=kernels) for kernels in (XNNPACK, REFERENCE)}
    assert np.ptp(pictures[XNNPACK].astype("f8")) > (10 if kind == "int8" else 1e-3)
    for form in FORMS:
        rewritten = convert(original, form)
        assert "TRANSPOSE_CONV" not in operators(rewritten)
        np.testing.assert_array_equal(run(rewritten, x, kernels=REFERENCE), pictures[REFERENCE])
        y, expected = run(rewritten, x), pictures[XNNPACK]
        if kind in ("int8", "int16x8"):
            np.testing.assert_array_equal(y, expected)
        else:
            assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_grows_by_operators_only(kind):
    original = generator(kind)
    assert len(original) < len(convert(original)) < 1.01 * len(original)
    # the activations' peak grows by what lies between convolutions and pixels, at most the largest
    # output twice
    assert arena_peak(original) < arena_peak(convert(original)) < 1.6 * arena_peak(original)


def test_a_generator_with_exchanged_phases_is_noticed(monkeypatch):
    """The control: columns exchanged in one converter give the right size with other values."""
    true = Mover.concat
    monkeypatch.setattr(Mover, "concat", lambda self, parts, *to: true(self, parts[::-1], *to))
    original, x = generator("int8"), latents("int8")
    picture, wrong = (run(data, x, kernels=REFERENCE) for data in (original, convert(original)))
    assert wrong.shape == picture.shape
    assert (wrong != picture).mean() > 0.5


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_a_real_converters_dynamic_batch(kind):
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 4, 3))
    y = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", activation="relu")(x)
    y = keras.layers.Conv2DTranspose(2, 3, strides=(3, 2), padding="valid", use_bias=False)(y)
    original = to_tflite(keras.Model(x, y), kind, batch=None)
    assert {"SHAPE", "STRIDED_SLICE", "PACK"} <= set(operators(original))
    assert [site.batch for site in TFLiteModel.parse(original).sites()] == [None, None]
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 5, 4, 3)).astype("f4")
    images = np.round(images * 40).astype("i1") if kind == "int8" else images
    for form in FORMS:
        rewritten = convert(original, form)
        assert not {"SHAPE", "PACK"} & set(operators(rewritten))
        np.testing.assert_array_equal(
            run(rewritten, images, kernels=REFERENCE), run(original, images, kernels=REFERENCE)
        )
    fixed = convert(original, batch=3)
    np.testing.assert_array_equal(
        run(fixed, images, kernels=REFERENCE), run(original, images, kernels=REFERENCE)
    )

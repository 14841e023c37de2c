"""Exported files compute what the Keras model does; full int8 holds no float tensor."""

import logging

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains.models import tflite as litert


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 4, 3))
    y = keras.layers.BatchNormalization()(
        keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    )
    return keras.Model(x, keras.layers.Activation("tanh")(y))


def run(data, x):
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = source["quantization"]
    interpreter.set_tensor(
        source["index"], np.round(x / scale + zero).astype("int8") if scale else x
    )
    interpreter.invoke()
    y = interpreter.get_tensor(sink["index"])
    scale, zero = sink["quantization"]
    types = {np.dtype(detail["dtype"]) for detail in interpreter.get_tensor_details()}
    return ((y.astype("float32") - zero) * scale if scale else y), types


def test_float_files_compute_the_model(model, rng):
    x = rng.standard_normal((2, 5, 4, 3), "float32")
    y, _ = run(litert.export(model, batch=2), x)
    # Sums of at most 27 terms of order one through tanh: a few dozen float32 roundings.
    np.testing.assert_allclose(y, model(x).numpy(), rtol=0, atol=5e-6)


def test_full_int8_has_no_float_left_and_is_near(model, rng):
    x = rng.uniform(-1, 1, (16, 5, 4, 3)).astype("float32")
    y, types = run(litert.export(model, calibration=x), x[:1])
    assert np.dtype("float32") not in types
    # tanh has 1/128 a step; the convolution before it adds a few of its own.
    assert 0 < np.abs(y - model(x[:1]).numpy()).max() < 8 / 128


def test_the_converter_gives_no_advice(model, rng, caplog):
    level = logging.getLogger("absl").level
    x = rng.uniform(-1, 1, (4, 5, 4, 3)).astype("float32")
    litert.export(model)
    litert.export(model, calibration=x)  # any warning fails the test
    assert caplog.records == []
    assert logging.getLogger("absl").level == level


def test_full_int8_of_several_images_gives_each_its_own(model, rng):
    x = rng.uniform(-1, 1, (16, 5, 4, 3)).astype("float32")
    y, _ = run(litert.export(model, calibration=x, batch=3), x[:3])
    assert np.abs(y - model(x[:3]).numpy()).max() < 8 / 128


@pytest.fixture(scope="module")
def two_inputs():
    keras.utils.set_random_seed(1)
    a, b = keras.Input((3,)), keras.Input((2,))
    return keras.Model(
        [a, b], keras.layers.Add()([keras.layers.Dense(4)(a), keras.layers.Dense(4)(b)])
    )


def test_several_inputs_are_calibrated_each_by_its_own(two_inputs, rng):
    samples = [
        rng.uniform(-1, 1, (16, 3)).astype("float32"),
        rng.uniform(0, 50, (16, 2)).astype("float32"),
    ]
    for calibration in (None, samples):
        interpreter = Interpreter(model_content=litert.export(two_inputs, calibration=calibration))
        interpreter.allocate_tensors()
        ports = sorted(interpreter.get_input_details(), key=lambda port: -port["shape"][-1])
        for port, values in zip(ports, samples, strict=True):
            scale, zero = port["quantization"]
            assert scale * 255 <= 1.3 * np.ptp(values)  # a range no wider than its own samples need
            values = np.round(values[:1] / scale + zero).astype("int8") if scale else values[:1]
            interpreter.set_tensor(port["index"], values)
        interpreter.invoke()
        (sink,) = interpreter.get_output_details()
        found, (scale, zero) = interpreter.get_tensor(sink["index"]), sink["quantization"]
        found = (found.astype("float32") - zero) * scale if scale else found
        wanted = two_inputs([values[:1] for values in samples]).numpy()
        # Half a step of inputs up to 50, of weights of order one, over five inputs; or float32
        # roundings.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2.0 if scale else 1e-4)


def test_what_cannot_be_exported_is_refused(model, two_inputs):
    for which, calibration, got in (
        (model, np.zeros((0, 5, 4, 3)), "0"),
        (two_inputs, np.zeros((4, 3)), "4"),
        (two_inputs, [np.zeros((4, 3)), np.zeros((5, 2))], "4 and 5"),
    ):
        with pytest.raises(SplitDeconvError, match=rf"cannot be exported(.|\n)*got: {got}"):
            litert.export(which, calibration=calibration)
    assert litert.available() is None


def test_full_int8_is_checked(model, rng):
    x = rng.uniform(-1, 1, (4, 5, 4, 3)).astype("float32")
    whole = litert.export(model, calibration=x)
    assert litert.full_int8(whole) is whole
    with pytest.raises(SplitDeconvError, match=r"not full int8(.|\n)*port .* FLOAT32"):
        litert.full_int8(litert.export(model))


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning")
def test_a_float_operator_within_is_refused(rng):
    """TensorFlow has no int8 kernel for it and may leave it in float between int8 ports."""
    import tensorflow as tf

    convert = tf.lite.TFLiteConverter.from_concrete_functions
    converter = convert(
        [tf.function(lambda x: tf.sin(x * 2)).get_concrete_function(tf.TensorSpec((1, 8)))]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.standard_normal((1, 8)).astype("float32")] for _ in range(2)
    )
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with pytest.raises(SplitDeconvError, match=r"DEQUANTIZE on INT8, FLOAT32|SIN on FLOAT32"):
        litert.full_int8(converter.convert())

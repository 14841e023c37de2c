"""Exported files compute what the Keras model does; full int8 holds no float tensor."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains import litert

pytestmark = [
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning"),
]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 4, 3))
    y = keras.layers.BatchNormalization()(keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x))
    return keras.Model(x, keras.layers.Activation("tanh")(y))


def run(data, x):
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = source["quantization"]
    interpreter.set_tensor(source["index"], np.round(x / scale + zero).astype("int8") if scale else x)
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


def test_what_cannot_be_exported_is_refused(model):
    a, b = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(SplitDeconvError, match="cannot be exported"):
        litert.export(keras.Model([a, b], keras.layers.Add()([a, b])))
    with pytest.raises(SplitDeconvError, match="0 samples"):
        litert.export(model, calibration=np.zeros((0, 5, 4, 3)))
    assert litert.available() is None


def test_full_int8_is_checked(model, rng):
    x = rng.uniform(-1, 1, (4, 5, 4, 3)).astype("float32")
    whole = litert.export(model, calibration=x)
    assert litert.full_int8(whole) is whole
    with pytest.raises(SplitDeconvError, match=r"not full int8(.|\n)*port .* FLOAT32"):
        litert.full_int8(litert.export(model))


def test_a_float_operator_within_is_refused(rng):
    """TensorFlow has no int8 kernel for it and, where it may, leaves it in float between int8 ports."""
    import tensorflow as tf

    convert = tf.lite.TFLiteConverter.from_concrete_functions
    converter = convert([tf.function(lambda x: tf.sin(x * 2)).get_concrete_function(tf.TensorSpec((1, 8)))])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rng.standard_normal((1, 8)).astype("float32")] for _ in range(2))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with pytest.raises(SplitDeconvError, match=r"DEQUANTIZE on INT8, FLOAT32|SIN on FLOAT32"):
        litert.full_int8(converter.convert())

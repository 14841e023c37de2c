"""Files of Keras models: .keras, and TensorFlow's converter with its kinds of quantization."""

import warnings

import numpy as np

from ..inputs import draw
from ..networks import NETWORKS
from . import SAMPLES, Made


def make(entry, folder):
    """Write one file of a Keras network; the expected outputs are those of the model."""
    import keras

    keras.utils.set_random_seed(0)
    model = NETWORKS[entry.make.split(":")[1]](**entry.config)
    _spread(model)
    ((name, spec),) = entry.inputs.items()
    values = {name: draw(spec, name, SAMPLES)}
    expected = np.stack([keras.ops.convert_to_numpy(model(x)) for x in values[name]])
    kind = entry.export.split()
    path = folder / f"{entry.name}.{kind[0]}"
    if kind[0] == "keras":
        model.save(path)
    elif kind[0] == "onnx":
        model.export(path, format="onnx", verbose=False)
    else:
        path.write_bytes(_converted(model, kind[1:], values))
    if kind == ["tflite", "int8"]:
        values, expected = _quantized(path, values, expected)
    return Made(path, values, expected, f"keras {keras.__version__}")


def _converted(model, kind, values):
    """The bytes of a .tflite file."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == ["float16"]:
        converter.target_spec.supported_types = [tf.float16]
    elif kind in (["int8"], ["int16x8"]):
        sets = tf.lite.OpsSet
        wide = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
        only = getattr(sets, wide if kind == ["int16x8"] else "TFLITE_BUILTINS_INT8")
        converter.target_spec.supported_ops = [only]
        count = len(next(iter(values.values())))
        converter.representative_dataset = lambda: (
            {k: v[n] for k, v in values.items()} for n in range(count)
        )
        if kind == ["int8"]:
            converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's, on statistics that it gathers itself
        return converter.convert()


def _quantized(path, values, expected):
    """Inputs and outputs in the steps of a file whose inputs and outputs are quantized, too."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    (output,) = outputs.values()
    steps = {name: _steps(value, inputs[name]) for name, value in values.items()}
    return steps, _steps(expected, output)


def _steps(values, about):
    scale, zero = about["quantization"]
    return np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)


def _spread(model):
    """Give weights a size that keeps signals alive, and normalizations statistics that differ.

    Source: He et al., "Delving deep into rectifiers", ICCV 2015: a deviation of the square root of
    2 over the number of products in a sum.
    """
    import keras
    from keras.src.layers.convolutional.base_conv import BaseConv
    from keras.src.layers.convolutional.base_conv_transpose import BaseConvTranspose

    random = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(random.normal(0, 0.1, shape))
            layer.moving_variance.assign(random.uniform(0.5, 1.5, shape))
            layer.gamma.assign(random.uniform(0.5, 1.5, shape))
            layer.beta.assign(random.normal(0, 0.1, shape))
        elif isinstance(layer, keras.layers.Dense | BaseConv | BaseConvTranspose):
            *kernel, first, second = layer.kernel.shape
            products = np.prod(kernel) * first
            if isinstance(layer, BaseConvTranspose):  # (*kernel, output, input)
                products = np.prod(kernel) * second / np.prod(layer.strides)
            deviation = np.sqrt(2 / products)
            layer.kernel.assign(random.normal(0, deviation, layer.kernel.shape))
            if layer.bias is not None:
                layer.bias.assign(random.normal(0, 0.1, layer.bias.shape))

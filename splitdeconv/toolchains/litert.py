"""LiteRT (formerly TensorFlow Lite): Keras models as .tflite files, in float32 or in full int8."""

import numpy as np

from ..errors import SplitDeconvError
from ..extras import require


def available() -> str | None:
    """Why models cannot be exported here, or None if they can."""
    try:
        require("tensorflow", "tensorflow")
    except SplitDeconvError as error:
        return str(error)
    return None


def export(model, *, batch=1, calibration=None) -> bytes:
    """A Keras model as .tflite file, batch fixed, weights constant.

    A dynamic batch would leave shape arithmetic in the file that accelerators refuse
    (tensorflow/tensorflow issues 44905 and 58746), and weights left as variables are not read by every runtime.

    Args:
        model: a Keras model with one input on the tensorflow backend.
        batch: images per run.
        calibration: array ``(count, *input)`` of typical inputs: the model becomes full int8, its input and output
            included. None: float32.

    Returns:
        The file's bytes.

    Raises:
        SplitDeconvError: TensorFlow is missing, the model has several inputs, or no typical inputs are given.
    """
    tf = require("tensorflow", "tensorflow")
    freeze = require("tensorflow.python.framework.convert_to_constants", "tensorflow").convert_variables_to_constants_v2
    if len(model.inputs) != 1 or (calibration is not None and not len(calibration)):
        raise SplitDeconvError(
            "the model cannot be exported",
            where="litert.export",
            expected="one input, and at least one calibration sample where any are given",
            got=f"{len(model.inputs)} input(s), {0 if calibration is None else len(calibration)} samples",
        )
    signature = tf.TensorSpec((batch, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(function.get_concrete_function(signature))])
    if calibration is not None:
        samples = np.asarray(calibration, "float32")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.repeat(x[None], batch, 0)] for x in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()

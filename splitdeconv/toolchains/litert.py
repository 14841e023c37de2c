"""LiteRT (formerly TensorFlow Lite): Keras models as .tflite files, in float32 or in full int8."""

import numpy as np

from ..convert.tflite_check import check
from ..convert.tflite_file import read
from ..convert.tflite_graph import operator_name, ports, type_name
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


def full_int8(data) -> bytes:
    """The same file, if it is full int8: int8 at every port of the model, and no operator that touches a float.

    Args:
        data: bytes of a .tflite.

    Raises:
        SplitDeconvError: it is not, naming the port or operator; or not a sound .tflite file.
    """
    model, _ = read(data, "the TFLite model")
    check(model, "the TFLite model")
    main = model.subgraphs[0]
    for tensor in (main.tensors[place] for place in (*ports(main.inputs), *ports(main.outputs))):
        if type_name(tensor) != "INT8":
            raise _not_full(f"the port {(tensor.name or b'').decode(errors='replace')} is {type_name(tensor)}")
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            touched = (*ports(operator.inputs), *ports(operator.outputs))
            kinds = [type_name(graph.tensors[place]) for place in touched if place >= 0]
            if any("FLOAT" in kind for kind in kinds):
                raise _not_full(f"{operator_name(model, operator)} on {', '.join(kinds)}")
    return data


def _not_full(got):
    return SplitDeconvError(
        "the model is not full int8",
        where="litert.full_int8",
        expected="int8 inputs and outputs, and no float operator",
        got=got,
        fix="export it with calibration samples",
    )

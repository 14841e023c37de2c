"""Export Keras models as .tflite files for LiteRT (formerly TensorFlow Lite)."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError
from ...extras import require
from ...formats.tflite.flatbuffer.check import check
from ...formats.tflite.flatbuffer.file import read
from ...formats.tflite.graph import operator_name, ports, type_name

if TYPE_CHECKING:
    import keras


def available() -> str | None:
    """Why models cannot be exported here, as one sentence, or None if they can."""
    try:
        require("tensorflow", "tensorflow")
    except SplitDeconvError as error:
        return f"{error.problem}: {error.fix}"
    return None


def export(
    model: "keras.Model",
    *,
    batch: int = 1,
    calibration: NumpyArray | Sequence[NumpyArray] | None = None,
) -> bytes:
    """Export a Keras model as a .tflite file with a fixed batch and constant weights.

    A dynamic batch would leave shape arithmetic in the file that accelerators refuse
    (tensorflow/tensorflow issues 44905 and 58746), and not every runtime reads weights that are
    stored as variables.

    Args:
        model: a Keras model on the tensorflow backend.
        batch: images per run.
        calibration: array ``(count, *input)`` of typical inputs, or a list with one array for each
            of the model's inputs. The model becomes full int8, including its inputs and outputs,
            with ELU and instance normalisation as in
            `splitdeconv.toolchains.models.quantizable`. None: float32.

    Returns:
        The bytes of the file.

    Raises:
        SplitDeconvError: TensorFlow is missing, or the typical inputs do not match the model's.
    """
    tf = require("tensorflow", "tensorflow")
    constants = require("tensorflow.python.framework.convert_to_constants", "tensorflow")
    typical: Any = calibration if isinstance(calibration, list | None) else [calibration]
    if typical is not None:
        _check_calibration(model, typical)
        from .quantizable import quantizable  # it needs Keras

        model = quantizable(model)
    signature = [tf.TensorSpec((batch, *x.shape[1:]), x.dtype) for x in model.inputs]
    function = tf.function(
        lambda *x: model(x[0] if len(x) == 1 else list(x), training=False), autograph=False
    )
    traced = function.get_concrete_function(*signature)
    frozen = constants.convert_variables_to_constants_v2(traced)
    with _without_advice():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        if typical is not None:
            samples = list(zip(*(np.asarray(one, "float32") for one in typical), strict=True))
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [np.repeat(x[None], batch, 0) for x in one] for one in samples
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep to itself what the converter advises: the weights are constants, and int8 is checked."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _check_calibration(model: "keras.Model", calibration: Sequence[NumpyArray]) -> None:
    counts = [len(samples) for samples in calibration]
    if len(counts) != len(model.inputs) or not counts[0] or len(set(counts)) > 1:
        raise SplitDeconvError(
            "the model cannot be exported",
            where="calibration",
            expected="the same number of calibration samples, at least 1, "
            f"for {len(model.inputs)} input(s)",
            got=" and ".join(map(str, counts)) or "none",
            fix="pass one array of typical values per input, all of the same length",
        )


def full_int8(data: bytes) -> bytes:
    """Return the file if it is full int8: int8 inputs and outputs, and no operator on floats.

    Args:
        data: bytes of a .tflite.

    Raises:
        SplitDeconvError: it is not full int8, naming the port or operator; or it is not a valid
            .tflite file.
    """
    model, _ = read(data, "the TFLite model")
    check(model, "the TFLite model")
    main = model.subgraphs[0]
    for tensor in (main.tensors[place] for place in (*ports(main.inputs), *ports(main.outputs))):
        if type_name(tensor) != "INT8":
            name = (tensor.name or b"").decode(errors="replace")
            raise _not_full(f"the port {name} is {type_name(tensor)}")
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            touched = (*ports(operator.inputs), *ports(operator.outputs))
            kinds = [type_name(graph.tensors[place]) for place in touched if place >= 0]
            if any("FLOAT" in kind for kind in kinds):
                raise _not_full(f"{operator_name(model, operator)} on {', '.join(kinds)}")
    return data


def _not_full(got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the model is not full int8",
        where="the TFLite model",
        expected="int8 inputs and outputs, and no float operator",
        got=got,
        fix="export it with calibration samples",
    )

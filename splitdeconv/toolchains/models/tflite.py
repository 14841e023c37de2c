"""Export Keras models as .tflite files for LiteRT (formerly TensorFlow Lite)."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, check_choice, one_line
from ...extras import require
from ...formats.tflite.flatbuffer.check import check
from ...formats.tflite.flatbuffer.file import read
from ...formats.tflite.graph import operator_name, ports, type_name

if TYPE_CHECKING:
    import keras

#: The element types of a file: float16 has weights in half precision and computes in float32;
#: int16x8 has activations of 16 bits and weights of 8.
DTYPES = ("float32", "float16", "int8", "int16x8")
#: The type of inputs, outputs and activations of the quantized files.
ACTIVATIONS = {"int8": "INT8", "int16x8": "INT16"}


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
    dtype: str | None = None,
) -> bytes:
    """Export a Keras model as a .tflite file with a fixed batch and constant weights.

    A dynamic batch would leave shape arithmetic in the file that accelerators refuse
    (tensorflow/tensorflow issues 44905 and 58746), and not every runtime reads weights that are
    stored as variables.

    Args:
        model: a Keras model on the tensorflow backend.
        batch: images per run.
        calibration: array ``(count, *input)`` of typical inputs, or a list with one array for each
            of the model's inputs. The model is quantized, including its inputs and outputs,
            with ELU and instance normalisation as in
            `splitdeconv.toolchains.models.quantizable`. None: no quantization.
        dtype: one of `DTYPES`; None for int8 with typical inputs and float32 without.

    Returns:
        The bytes of the file.

    Raises:
        SplitDeconvError: TensorFlow is missing, the converter rejects the model, or the typical
            inputs do not match the model's or the type.
    """
    dtype = dtype or ("float32" if calibration is None else "int8")
    check_choice(dtype, DTYPES, "element type", "dtype")
    tf = require("tensorflow", "tensorflow")
    constants = require("tensorflow.python.framework.convert_to_constants", "tensorflow")
    typical: Any = calibration if isinstance(calibration, list | None) else [calibration]
    if dtype in ACTIVATIONS:
        _check_calibration(model, typical or [])
        from .quantizable import quantizable  # it needs Keras

        model = quantizable(model)
    signature = [tf.TensorSpec((batch, *x.shape[1:]), x.dtype) for x in model.inputs]
    function = tf.function(
        lambda *x: model(x[0] if len(x) == 1 else list(x), training=False), autograph=False
    )
    try:
        traced = function.get_concrete_function(*signature)
        frozen = constants.convert_variables_to_constants_v2(traced)
        with _quietly():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        _choose(converter, tf, dtype)
        if dtype in ACTIVATIONS:
            samples = list(zip(*(np.asarray(one, "float32") for one in typical), strict=True))
            converter.representative_dataset = lambda: (
                [np.repeat(x[None], batch, 0) for x in one] for one in samples
            )
        with _quietly():
            return converter.convert()
    except Exception as error:  # TensorFlow has many exceptions for what it cannot convert
        raise SplitDeconvError(
            "TensorFlow cannot convert the model to .tflite",
            where=model.name,
            expected=f"a model of layers that it converts to {dtype}",
            got=one_line(error, typed=True),
            fix="replace the operator it names, or choose another element type",
        ) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the converter's advice on how to call it, which is not for the user."""
    logger = logging.getLogger("absl")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            yield
    finally:
        logger.setLevel(level)


def _choose(converter: Any, tf: Any, dtype: str) -> None:
    """Make the converter produce an element type."""
    if dtype == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if dtype == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return
    sets, wide = tf.lite.OpsSet, dtype == "int16x8"
    converter.target_spec.supported_ops = [
        sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        if wide
        else sets.TFLITE_BUILTINS_INT8
    ]
    converter.inference_input_type = tf.int16 if wide else tf.int8
    converter.inference_output_type = converter.inference_input_type


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


def full_int8(data: bytes, dtype: str = "int8") -> bytes:
    """Return the file if it is fully quantized: integer inputs and outputs, no operator on floats.

    Args:
        data: bytes of a .tflite.
        dtype: "int8" or "int16x8", whose inputs and outputs are int16.

    Raises:
        SplitDeconvError: it is not fully quantized, naming the port or operator; or it is not a
            valid .tflite file.
    """
    model, _ = read(data, "the TFLite model")
    check(model, "the TFLite model")
    main = model.subgraphs[0]
    for tensor in (main.tensors[place] for place in (*ports(main.inputs), *ports(main.outputs))):
        if type_name(tensor) != ACTIVATIONS[dtype]:
            name = (tensor.name or b"").decode(errors="replace")
            raise _not_full(f"the port {name} is {type_name(tensor)}", dtype)
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            touched = (*ports(operator.inputs), *ports(operator.outputs))
            kinds = [type_name(graph.tensors[place]) for place in touched if place >= 0]
            if any("FLOAT" in kind for kind in kinds):
                raise _not_full(f"{operator_name(model, operator)} on {', '.join(kinds)}", dtype)
    return data


def _not_full(got: str, dtype: str) -> SplitDeconvError:
    return SplitDeconvError(
        f"the model is not full {dtype}",
        where="the TFLite model",
        expected=f"{ACTIVATIONS[dtype].lower()} inputs and outputs, and no float operator",
        got=got,
        fix="export it with calibration samples; an operator without a kernel for these integers "
        "must be replaced in the model",
    )

"""ONNX Runtime on this CPU: an .onnx file ready to run."""

from functools import partial

import numpy as np

from ...errors import SplitDeconvError, one_line
from ...extras import require
from . import package
from .interface import Draw, Outputs, Run

PACKAGE, EXTRA, OLDEST = "onnxruntime", "onnx", (1, 21)
_TYPES = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}


def available() -> str | None:
    """Why nothing can be run here, as one sentence, or None if it can."""
    return package.reason(PACKAGE, EXTRA, OLDEST)


def load(data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
    """A file ready to run on fixed inputs.

    Args:
        data: bytes of an .onnx whose shapes are fixed.
        threads: of its kernels.
        draw: from place, shape and NumPy type to the values of an input.

    Returns:
        (a function without arguments that runs the model, a function that runs it and returns its outputs).

    Raises:
        SplitDeconvError: ONNX Runtime is missing or does not take the file, or a shape or type is not fixed.
    """
    runtime = require("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base but this
        raise SplitDeconvError(
            f"ONNX Runtime does not take the model: {one_line(error, most=200)}",
            where="cpu.onnxruntime",
            expected="a .onnx model that ONNX Runtime runs on this CPU",
            got=type(error).__name__,
            fix="choose another runtime, or a version of ONNX Runtime that has the operators",
        ) from None
    feed = {}
    for place, port in enumerate(session.get_inputs()):
        if port.type not in _TYPES or not all(isinstance(n, int) for n in port.shape):
            raise SplitDeconvError(
                f"its input {port.name} is not of a fixed shape and type: {port.type} {port.shape}",
                where=f"cpu.onnxruntime, input {port.name}",
                expected=f"sizes that are known, and one of {', '.join(_TYPES)}",
                got=f"{port.type} {port.shape}",
                fix="fix the open sizes (splitdeconv convert --input-shape)",
            )
        feed[port.name] = draw(place, tuple(port.shape), np.dtype(_TYPES[port.type]))
    run = partial(session.run, None, feed)
    return run, run

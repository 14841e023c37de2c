"""ONNX Runtime on this CPU: load an .onnx file and run it."""

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
    """Load a file for fixed inputs.

    Args:
        data: bytes of an .onnx file with fixed shapes.
        threads: number of threads for the kernels.
        draw: function from position, shape and NumPy type to the values of an input.

    Returns:
        (a function without arguments that runs the model, a function that runs it and returns its
        outputs).

    Raises:
        SplitDeconvError: ONNX Runtime is missing or rejected the file, or a shape or type is not
            fixed.
    """
    runtime = require("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no other common base class
        raise SplitDeconvError(
            f"ONNX Runtime rejected the model: {one_line(error, most=200)}",
            where="cpu.onnxruntime",
            expected="an .onnx model that ONNX Runtime runs on this CPU",
            got=type(error).__name__,
            fix="choose another runtime, or a version of ONNX Runtime that supports the operators",
        ) from None
    feed = {}
    for place, port in enumerate(session.get_inputs()):
        if port.type not in _TYPES or not all(isinstance(n, int) for n in port.shape):
            raise SplitDeconvError(
                f"the input {port.name} must have a fixed shape and type: {port.type} {port.shape}",
                where=f"cpu.onnxruntime, input {port.name}",
                expected=f"a fixed shape, and one of {', '.join(_TYPES)}",
                got=f"{port.type} {port.shape}",
                fix="fix the open sizes (splitdeconv convert --input-shape)",
            )
        feed[port.name] = draw(place, tuple(port.shape), np.dtype(_TYPES[port.type]))
    run = partial(session.run, None, feed)
    return run, run

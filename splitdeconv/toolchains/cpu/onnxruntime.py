"""ONNX Runtime on this CPU: load an .onnx file and run it."""

from functools import partial

import numpy as np

from ...errors import SplitDeconvError
from ...extras import require
from . import package
from .interface import Draw, Outputs, Run

PACKAGE, EXTRA, OLDEST = "onnxruntime", "onnx", (1, 21)
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
}


def available() -> str | None:
    """Why nothing can be run here, as one sentence, or None if it can."""
    return package.reason(PACKAGE, EXTRA, OLDEST)


def load(data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
    """Load an .onnx for fixed inputs; as `Runtime.load`. Shapes and types must be fixed."""
    runtime = require("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Its exceptions have no other common base class.
    with package.rejections("ONNX Runtime", "the .onnx model", "an .onnx", (Exception,)):
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feed = {}
    for place, port in enumerate(session.get_inputs()):
        if port.type not in _TYPES:
            raise SplitDeconvError(
                f"the input {port.name} cannot be drawn",
                where=f"the .onnx model, input {port.name}",
                expected=f"one of {', '.join(_TYPES)}",
                got=port.type,
            )
        shape = package.fixed(port.name, port.shape, "the .onnx model")
        feed[port.name] = draw(place, shape, np.dtype(_TYPES[port.type]))
    run = partial(session.run, None, feed)
    return run, run

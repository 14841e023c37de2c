"""OpenVINO on this CPU: compile an .onnx file and run it.

OpenVINO is the successor of the toolchain for the Neural Compute Stick 2, on which the authors of
split deconvolution measured. Release 2023.0 dropped support for that device.
"""

import io

import numpy as np

from ...errors import SplitDeconvError, one_line
from ...extras import require
from . import package
from .interface import Draw, Outputs, Run

PACKAGE, EXTRA, OLDEST = "openvino", "npu", (2025, 0)


def available() -> str | None:
    """Why nothing can be run here, as one sentence, or None if it can."""
    return package.reason(PACKAGE, EXTRA, OLDEST)


def load(data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
    """Load a file for fixed inputs, in single precision and with the given number of threads.

    Args:
        data: bytes of an .onnx file with fixed shapes.
        threads: number of threads for the kernels.
        draw: function from position, shape and NumPy type to the values of an input.

    Returns:
        (a function without arguments that runs the model, a function that returns the outputs of
        that run).

    Raises:
        SplitDeconvError: OpenVINO is missing or rejected the file.
    """
    openvino = require("openvino", EXTRA)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(io.BytesIO(data)), "CPU", settings)
        request = compiled.create_infer_request()
        for place, port in enumerate(compiled.inputs):
            values = draw(place, tuple(port.shape), np.dtype(port.element_type.to_dtype()))
            request.set_input_tensor(place, openvino.Tensor(values))
    except (RuntimeError, ValueError, TypeError) as error:
        raise SplitDeconvError(
            f"OpenVINO rejected the model: {one_line(error, most=200)}",
            where="cpu.openvino",
            expected="an .onnx model that OpenVINO runs on this CPU",
            got=type(error).__name__,
            fix="choose another runtime, or a version of OpenVINO that supports the operators",
        ) from None
    outputs = range(len(compiled.outputs))
    return request.infer, lambda: [
        np.array(request.get_output_tensor(place).data) for place in outputs
    ]

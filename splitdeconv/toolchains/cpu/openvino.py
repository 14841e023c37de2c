"""OpenVINO on this CPU: compile an .onnx file and run it.

OpenVINO is the successor of the toolchain for the Neural Compute Stick 2, on which the authors of
split deconvolution measured. Release 2023.0 dropped support for that device.
"""

import io

import numpy as np

from ...extras import require
from . import package
from .interface import Draw, Outputs, Run

PACKAGE, EXTRA, OLDEST = "openvino", "npu", (2025, 0)


def available() -> str | None:
    """Why nothing can be run here, as one sentence, or None if it can."""
    return package.reason(PACKAGE, EXTRA, OLDEST)


def load(data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
    """Load an .onnx with fixed shapes for fixed inputs, in float32; as `Runtime.load`."""
    openvino = require("openvino", EXTRA)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    with package.rejections("OpenVINO", "the .onnx model", "an .onnx"):
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(io.BytesIO(data)), "CPU", settings)
        request = compiled.create_infer_request()
        for place, port in enumerate(compiled.inputs):
            values = draw(place, tuple(port.shape), np.dtype(port.element_type.to_dtype()))
            request.set_input_tensor(place, openvino.Tensor(values))
    places = range(len(compiled.outputs))
    return request.infer, lambda: [np.array(request.get_output_tensor(i).data) for i in places]

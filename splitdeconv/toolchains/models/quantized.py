"""Run trained generators that are quantized to full int8 .tflite files."""

import numpy as np

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError
from ...extras import require


def run_int8(data: bytes, inputs: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Run a full int8 generator image by image, with LiteRT's default kernels on one thread.

    Args:
        data: bytes of a .tflite with one input and one output, both int8 with batch 1.
        inputs: float array ``(count, ...)``, quantized here with the input's scale and zero point
            and rounded to nearest.

    Returns:
        (the raw int8 outputs ``(count, ...)``, the same dequantized to float32).

    Raises:
        SplitDeconvError: LiteRT is missing, or the file has other inputs or outputs.
    """
    interpreter = require("ai_edge_litert.interpreter", "tflite").Interpreter(
        model_content=data, num_threads=1
    )
    interpreter.allocate_tensors()
    ports = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    kinds = [(np.dtype(port["dtype"]), tuple(map(int, port["shape"]))) for port in ports]
    described = ", ".join(f"{kind} {shape}" for kind, shape in kinds)
    if len(ports) != 2 or {kind for kind, _ in kinds} != {np.dtype("int8")}:
        raise SplitDeconvError(
            "invalid generator: expected a full int8 file",
            where="data",
            expected="one int8 input and one int8 output",
            got=described,
            fix="export it with calibration samples",
        )
    source, sink = ports
    if tuple(source["shape"]) != (1, *inputs.shape[1:]):
        raise SplitDeconvError(
            "the inputs do not fit the file",
            where="inputs",
            expected=described,
            got=f"shape {inputs.shape}",
            fix="pass images of the size that the file expects",
        )
    scale, zero = source["quantization"]
    quantized = np.clip(np.rint(inputs / scale) + zero, -128, 127).astype("int8")
    results = []
    for image in quantized:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(sink["index"])[0])
    outputs = np.stack(results)
    scale, zero = sink["quantization"]
    return outputs, ((outputs.astype("int32") - zero) * scale).astype("float32")

"""Trained generators in full int8, as .tflite files, and the images that such files draw."""

import numpy as np

from splitdeconv.errors import SplitDeconvError
from splitdeconv.extras import require


def run_int8(data: bytes, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a full int8 generator draws, one image after the other, with LiteRT's default kernels on one thread.

    Args:
        data: bytes of a .tflite with one input and one output, both int8 and of batch 1.
        inputs: float array ``(count, ...)``; quantized here by the input's scale and zero point, rounded to nearest.

    Returns:
        (the outputs as they come, int8 ``(count, ...)``; the same as numbers, float32).

    Raises:
        SplitDeconvError: LiteRT is missing, or the file has other inputs or outputs.
    """
    interpreter = require("ai_edge_litert.interpreter", "tflite").Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    ports = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    found = ", ".join(f"{np.dtype(port['dtype'])} {tuple(map(int, port['shape']))}" for port in ports)
    if len(ports) != 2 or {np.dtype(port["dtype"]) for port in ports} != {np.dtype("int8")}:
        raise SplitDeconvError(
            "invalid generator: expected a file that is full int8",
            where="run_int8",
            expected="one int8 input and one int8 output",
            got=found,
            fix="export it with calibration samples",
        )
    source, sink = ports
    if tuple(source["shape"]) != (1, *inputs.shape[1:]):
        raise SplitDeconvError(
            "the inputs do not fit the file",
            where="run_int8",
            expected=found,
            got=f"shape {inputs.shape}",
            fix="give images of the size that the file takes",
        )
    scale, zero = source["quantization"]
    quantized = np.clip(np.rint(inputs / scale) + zero, -128, 127).astype("int8")
    outputs = []
    for image in quantized:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(sink["index"])[0])
    outputs = np.stack(outputs)
    scale, zero = sink["quantization"]
    return outputs, ((outputs.astype("int32") - zero) * scale).astype("float32")

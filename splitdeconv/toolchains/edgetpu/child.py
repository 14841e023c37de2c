"""Run models on an Edge TPU in a process that may crash with the device; see `edgetpu.run`."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from ...extras import require
from ...limits.loop import serve


def answer(task: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the seconds of each run of a model."""
    litert = require("ai_edge_litert.interpreter", "tflite")
    delegates = [litert.load_delegate(task["delegate"])] if task["delegate"] else []
    interpreter = litert.Interpreter(model_path=task["model"], experimental_delegates=delegates)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(task["seed"])
    for port in interpreter.get_input_details():
        shape, kind = port["shape"], np.dtype(port["dtype"])
        integers = kind.kind in "iu"
        values = rng.integers(-128, 128, shape) if integers else rng.standard_normal(shape)
        interpreter.set_tensor(port["index"], values.astype(kind))
    interpreter.invoke()
    seconds = []
    for _ in range(task["turns"]):
        start = perf_counter()
        interpreter.invoke()
        seconds.append(perf_counter() - start)
    return {"seconds": seconds}


def main() -> None:
    """Answer every task."""
    serve(answer)


if __name__ == "__main__":
    main()

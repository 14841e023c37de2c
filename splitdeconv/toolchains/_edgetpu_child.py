"""Runs models on an Edge TPU, one task a line, in a process that may be lost with the device. See `edgetpu.run`."""

import json
import sys
from time import perf_counter

import numpy as np


def answer(task):
    """Seconds of each run, or the reason why there are none."""
    from ai_edge_litert.interpreter import Interpreter, load_delegate

    try:
        delegates = [load_delegate(task["delegate"])] if task["delegate"] else []
        interpreter = Interpreter(model_path=task["model"], experimental_delegates=delegates)
        interpreter.allocate_tensors()
        rng = np.random.default_rng(task["seed"])
        for port in interpreter.get_input_details():
            kind = np.dtype(port["dtype"])
            draw = rng.integers(-128, 128, port["shape"]) if kind.kind in "iu" else rng.standard_normal(port["shape"])
            interpreter.set_tensor(port["index"], draw.astype(kind))
        interpreter.invoke()
        seconds = []
        for _ in range(task["turns"]):
            start = perf_counter()
            interpreter.invoke()
            seconds.append(perf_counter() - start)
    except (ValueError, RuntimeError, OSError) as error:
        return {"reason": " ".join(str(error).split())[:300] or type(error).__name__}
    return {"seconds": seconds}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)

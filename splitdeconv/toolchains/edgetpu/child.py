"""Runs models on an Edge TPU, one task a line, in a process that may be lost with the device. See `edgetpu.run`."""

import json
import os
import sys
from time import perf_counter

import numpy as np

from ...errors import SplitDeconvError, one_line
from ...extras import require


def answer(task):
    """Seconds of each run, or the reason why there are none."""
    try:
        litert = require("ai_edge_litert.interpreter", "tflite")
        delegates = [litert.load_delegate(task["delegate"])] if task["delegate"] else []
        interpreter = litert.Interpreter(model_path=task["model"], experimental_delegates=delegates)
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
    except SplitDeconvError as error:
        return {"reason": f"{error.problem}: {error.fix}"}
    except Exception as error:  # a driver may raise anything
        return {"reason": one_line(error)}
    return {"seconds": seconds}


def main():
    """Answer every task. What a driver prints is no answer: it goes where errors go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

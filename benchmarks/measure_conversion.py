"""What converting a large .onnx file costs: conversion.csv.

python benchmarks/measure_conversion.py [MEGABYTES ...]

For each size, in turns: two sessions of ONNX Runtime on the file, the conversion with its
verification, and the verification alone. A conversion has to read both models and to compare them,
so its time is set against that of the loads and of the verification, its memory against the file.
"""

import argparse
import os
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import psutil  # which distributed brings
from onnx import helper, numpy_helper

import splitdeconv as sd
from splitdeconv.study import measured

NAME = "conversion"
SIZES = (50, 200, 400)
TURNS = 3
CHANNELS = 1024
#: Input and output channels of the transposed convolutions, kernels of 4x4 and strides of 2.
UP = ((CHANNELS, 128), (128, 64), (64, 3))
_CONVOLUTION = 9 * CHANNELS * CHANNELS * 4 / 1e6  # megabytes of a 3x3 convolution
_UP = sum(16 * before * after * 4 for before, after in UP) / 1e6


def main(sizes):
    """Measure all sizes, keep the table, print it."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(write(Path(folder) / "model.onnx", size)) for size in sizes]
    table = pd.DataFrame(rows)
    print("written to", measured.write(NAME, table).name)
    print(table.round(2).to_string(index=False))


def write(path, megabytes, channels=CHANNELS):
    """A network of 3x3 convolutions and three transposed ones, of about this size; its path."""
    rng = np.random.default_rng(0)
    shapes = {f"w{i}": (channels, channels, 3, 3) for i in range(_count(megabytes))}
    shapes |= {f"u{i}": (*sides, 4, 4) for i, sides in enumerate(UP)}
    weights, nodes, x = [], [], "x"
    for name, shape in shapes.items():
        values = rng.standard_normal(shape, "float32") * np.float32(np.prod(shape[1:]) ** -0.5)
        weights.append(numpy_helper.from_array(values, name))
        kind, how = "Conv", {"pads": [1] * 4}
        if name.startswith("u"):
            kind, how = "ConvTranspose", {"pads": [1] * 4, "strides": [2, 2]}
        nodes.append(helper.make_node(kind, [x, name], [f"{name}_y"], name=name, **how))
        nodes.append(helper.make_node("Relu", [f"{name}_y"], [f"{name}_r"]))
        x = f"{name}_r"
    ends = (("x", [1, channels, 4, 4]), (x, None))
    inputs, outputs = (helper.make_tensor_value_info(n, 1, shape) for n, shape in ends)
    graph = helper.make_graph(nodes, "g", [inputs], [outputs], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(made, path)
    return path


def _count(megabytes):
    return max(1, round((megabytes - _UP) / _CONVOLUTION))


def measure(path, turns=TURNS):
    """A row on a file: median seconds of each part, and the greatest memory of a conversion."""
    parts = {"seconds_two_loads": [], "seconds": [], "seconds_verification": []}
    peaks = []
    converted = path.with_name("converted.onnx")
    for _ in range(turns):
        with _timed(parts["seconds_two_loads"]):
            for _ in range(2):
                onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        with _watched(peaks), _timed(parts["seconds"]):
            result = sd.convert(path)
            result.save(converted, overwrite=True)
        assert result.report.converted == len(UP)
        del result
        with _timed(parts["seconds_verification"]):
            assert sd.verify(path, converted)
    size = path.stat().st_size
    row = {"megabytes": size / 1e6} | {name: median(values) for name, values in parts.items()}
    allowed = 1.5 * row["seconds_two_loads"] + row["seconds_verification"]
    return row | {
        "of_loads_and_verification": row["seconds"] / allowed,
        "peak_megabytes": max(peaks) / 1e6,
        "peak_over_file": max(peaks) / size,
    }


@contextmanager
def _timed(seconds):
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


@contextmanager
def _watched(peaks):
    """Add the greatest memory that this process and its children need beyond what it holds now."""
    me, stop = psutil.Process(), threading.Event()
    before, most = me.memory_full_info().uss, [0]

    def watch():
        while not stop.wait(0.02):
            most[0] = max(most[0], _held(me))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    peaks.append(most[0] - before)


def _held(process):
    """Bytes that a process and its children do not share with others."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().uss
        except psutil.Error:  # it has just ended
            continue
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=float, metavar="MEGABYTES", default=SIZES)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    main(parser.parse_args().sizes)

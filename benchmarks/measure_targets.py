"""What the runtimes and compilers at hand make of each form: the evidence in splitdeconv/convert/targets.

python benchmarks/measure_targets.py [TARGET ...]

Every transposed convolution of the benchmark networks becomes a model of its own, native and in each form, and is timed
on one thread in LiteRT (XNNPACK; float32 and int8), ONNX Runtime and OpenVINO (CPU; float32), medians of interleaved
turns, or compiled by Vela for three Ethos-U configurations (int8; the compiler's own estimate of cycles). Writes
data/measured/targets.csv: cost in milliseconds or cycles and the gain over native, with its 95 % interval if timed; a
form that leaves part of the model to the CPU has no cost and a gain of 0.
"""

import contextlib
import io
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

import splitdeconv as sd
from splitdeconv import bench, networks
from splitdeconv.toolchains import vela

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "measured" / "targets.csv"
FORMS = {
    "split": "concat",
    "rows": "concat",
    "stacked": "concat",
    "split d2s": "depth_to_space",
    "stacked d2s": "depth_to_space",
}
GAINS = {"gain": "speedup", "low": "low", "high": "high"}
VELA = ("ethos_u55", "ethos_u65", "ethos_u85")
DTYPES = {"xnnpack": ("float32", "int8"), "onnxruntime": ("float32",), "openvino": ("float32",)}
# Those of the text detector and the segmentation model in splitdeconv.pretrained, and two as in U-Nets.
WHOLE = [
    {
        "in_h": h,
        "in_w": h,
        "c_in": cin,
        "c_out": cout,
        "k_h": 2,
        "k_w": 2,
        "stride_h": 2,
        "stride_w": 2,
        "padding": "SAME",
    }
    for h, cin, cout in ((160, 24, 24), (320, 24, 1), (128, 16, 1), (32, 256, 128), (64, 128, 64))
]


def layers():
    """The different transposed convolutions of the benchmark networks, and some whose kernel equals the stride."""
    table = pd.concat({name: networks.layer_table(name) for name in networks.names()}, names=["network"])
    table = table[table["kind"] == "deconv"].reset_index()
    return pd.concat([table, pd.DataFrame(WHOLE)]).drop_duplicates(list(WHOLE[0]))


def main(targets):
    """Measure `targets`, or all. What the table holds already is not measured again: delete its rows for that."""
    table = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame(columns=["target", "layer", "geometry"])
    for _, layer in track(list(layers().iterrows()), "measuring layers"):
        for target in targets or ["xnnpack", "onnxruntime", "openvino", *VELA]:
            rows = []
            if not (table[["target", "layer", "geometry"]] == [target, *names(layer)]).all(axis=1).any():
                for dtype in DTYPES.get(target, ("int8",)):
                    rows += measure(target, dtype, layer)
            table = pd.concat([table, pd.DataFrame(rows)]) if rows else table
    OUT.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(OUT, index=False, lineterminator="\n")
    forms = table[table["form"] != "native"]
    gains = forms.pivot_table(index=["target", "dtype"], columns="form", values="gain", aggfunc=_mean)
    print("geometric mean of native / form\n" + gains.round(2).to_string())


def names(layer):
    """A layer's size and geometry as the table writes them."""
    size = f"{layer['in_h']}x{layer['in_w']}x{layer['c_in']}-{layer['c_out']}"
    return size, f"{layer['k_h']}x{layer['k_w']} s{layer['stride_h']} {layer['padding']}"


def measure(target, dtype, layer):
    """One row per form of one layer."""
    native = (onnx_model if target in ("onnxruntime", "openvino") else tflite_model)(layer, dtype)
    models = {"native": native}
    for name, interleave in FORMS.items():
        with contextlib.suppress(sd.SplitDeconvError):  # depth_to_space where it cannot be
            models[name] = sd.convert(native, form=name.split()[0], interleave=interleave, verify=False).model
    first = {"target": target, "dtype": dtype} | dict(zip(("layer", "geometry"), names(layer), strict=True))
    if target in VELA:
        costs = {name: cycles(model, target) for name, model in models.items()}
        gains = {name: costs["native"] / cost if np.isfinite(cost) else 0.0 for name, cost in costs.items()}
        return [{**first, "form": name, "cost": costs[name], "gain": round(gains[name], 3)} for name in models]
    run = {"xnnpack": _litert, "onnxruntime": _onnxruntime, "openvino": _openvino}[target]
    times = bench.interleaved({name: run(model) for name, model in models.items()}, turns=41, budget=8.0)
    return [
        {**first, "form": row["name"], "cost": float(f"{row['seconds'] * 1e3:.4g}")}
        | {column: round(row[source], 3) for column, source in GAINS.items()}
        for _, row in bench.summarize(times).iterrows()
    ]


def tflite_model(layer, dtype):
    """A .tflite of one Conv2DTranspose, made by TensorFlow's converter."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    shape = (1, int(layer["in_h"]), int(layer["in_w"]), int(layer["c_in"]))
    model = keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.Conv2DTranspose(
                int(layer["c_out"]),
                (int(layer["k_h"]), int(layer["k_w"])),
                (int(layer["stride_h"]), int(layer["stride_w"])),
                layer["padding"].lower(),
            ),
        ]
    )
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if dtype == "int8":
        rng = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([rng.standard_normal(shape, "f4")] for _ in range(2))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()):
        return converter.convert()


def onnx_model(layer, _):
    """An ONNX model of one ConvTranspose with the same geometry, padded explicitly as PyTorch exports it."""
    from onnx import TensorProto, helper, numpy_helper

    size, kernel, strides = (tuple(int(layer[f"{name}_{axis}"]) for axis in "hw") for name in ("in", "k", "stride"))
    axes = sd.plan(size, kernel, strides, layer["padding"]).axes
    pads = [(a.p, (a.n - 1) * a.s + a.k - a.p - a.o) for a in axes]
    rng = np.random.default_rng(0)
    w = rng.standard_normal((int(layer["c_in"]), int(layer["c_out"]), *(a.k for a in axes)), "f4")
    node = helper.make_node(
        "ConvTranspose",
        ["x", "w", "b"],
        ["y"],
        strides=[a.s for a in axes],
        pads=[max(before, 0) for before, _ in pads] + [max(after, 0) for _, after in pads],
        output_padding=[max(-after, 0) for _, after in pads],
    )
    shapes = [[1, w.shape[0], *(a.n for a in axes)], [1, w.shape[1], *(a.o for a in axes)]]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip("xy", shapes, strict=True)]
    stored = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(rng.standard_normal(w.shape[1], "f4"), "b")]
    graph = helper.make_graph([node], "layer", ports[:1], ports[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def _litert(model):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    port = interpreter.get_input_details()[0]
    interpreter.set_tensor(port["index"], _values(port["shape"], port["dtype"]))
    return interpreter.invoke


def _onnxruntime(model):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"x": _values(session.get_inputs()[0].shape, np.float32)})


def _openvino(model):
    import openvino

    compiled = openvino.compile_model(
        openvino.Core().read_model(io.BytesIO(model)),
        "CPU",
        {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"},
    )
    return partial(compiled.create_infer_request().infer, {0: _values(compiled.input(0).shape, np.float32)})


def _values(shape, dtype):
    rng = np.random.default_rng(0)
    return rng.integers(-128, 128, shape, dtype) if dtype == np.int8 else rng.standard_normal(shape, dtype)


def cycles(model, configuration):
    """Total cycles that Vela estimates; infinite where a part is left to the CPU, which it does not count."""
    totals, operators = vela.compile_model(model, configuration)
    return totals["cycles"] if (operators["placed"] == "NPU").all() else float("inf")


def _mean(gains):
    finite = gains.replace([0, np.inf], np.nan).dropna()
    return np.exp(np.log(finite).mean()) if len(finite) else np.nan


if __name__ == "__main__":
    main(sys.argv[1:])

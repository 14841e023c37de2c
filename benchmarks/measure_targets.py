"""What the runtimes and compilers here make of each form: evidence for convert/targets.

python benchmarks/measure_targets.py [TARGET ...]

Every transposed convolution of the benchmark networks becomes a model of its own, native and in
each form, and is timed on one thread in LiteRT (XNNPACK; float32 and int8), ONNX Runtime and
OpenVINO (CPU; float32), medians of interleaved turns, or compiled by Vela for three Ethos-U
configurations (int8; the compiler's own estimate of cycles). Writes data/measured/targets.csv: cost
in milliseconds or cycles and the gain over native, with its 95 % interval if timed; a form that
leaves part of the model to the CPU has no cost and a gain of 0.
"""

import contextlib
import io
import sys

import numpy as np
import pandas as pd
from rich.progress import track

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.core.layer import Layer
from splitdeconv.means import geometric_mean
from splitdeconv.study import measured
from splitdeconv.toolchains import cpu, vela
from splitdeconv.toolchains.models import onnx, tflite

NAME = "targets"
DIGITS = 12  # cycles are whole numbers of up to ten digits
FORMS = {
    "split": "concat",
    "rows": "concat",
    "stacked": "concat",
    "split d2s": "depth_to_space",
    "stacked d2s": "depth_to_space",
}
KEY = ["target", "layer", "geometry"]
COLUMNS = [
    "target",
    "dtype",
    "layer",
    "geometry",
    "form",
    "cost",
    "gain",
    "low",
    "high",
    *measured.ORIGIN,
]
GAINS = {"gain": "speedup", "low": "low", "high": "high"}
VELA = ("ethos_u55", "ethos_u65", "ethos_u85")
DTYPES = {"xnnpack": ("float32", "int8"), "onnxruntime": ("float32",), "openvino": ("float32",)}
# Those of the text detector and the segmentation model in splitdeconv.pretrained, and two as in
# U-Nets.
WHOLE = [
    Layer.from_axes("", sd.plan((size, size), 2, 2).axes, channels, padding="SAME")
    for size, channels in (
        (160, (24, 24)),
        (320, (24, 1)),
        (128, (16, 1)),
        (32, (256, 128)),
        (64, (128, 64)),
    )
]
# What makes two layers different ones.
SIZES = ["in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride_h", "stride_w", "padding"]


def layers():
    """The transposed convolutions of the benchmark networks, and some of kernel = stride."""
    table = pd.concat(
        {name: networks.layer_table(name) for name in networks.names()}, names=["network"]
    )
    table = table[table["kind"] == "deconv"].reset_index()
    return pd.concat([table, pd.DataFrame([layer.row() for layer in WHOLE])]).drop_duplicates(SIZES)


def main(targets):
    """Measure `targets`, or all; delete rows of the table to have them measured again."""
    table = measured.read(NAME).reindex(columns=COLUMNS)
    for _, layer in track(list(layers().iterrows()), "measuring layers"):
        for target in targets or ["xnnpack", "onnxruntime", "openvino", *VELA]:
            if (table[KEY] == [target, *names(layer)]).all(axis=1).any():
                continue
            for dtype in DTYPES.get(target, ("int8",)):
                rows = measured.stamp(pd.DataFrame(measure(target, dtype, layer)))
                table = pd.concat([table, rows]) if len(table) else rows.reindex(columns=COLUMNS)
    measured.write(NAME, table, digits=DIGITS)
    forms = table[table["form"] != "native"]
    gains = forms.pivot_table(
        index=["target", "dtype"], columns="form", values="gain", aggfunc=_mean
    )
    print("geometric mean of native / form\n" + gains.round(2).to_string())


def names(layer):
    """A layer's size and geometry as the table writes them."""
    size = f"{layer['in_h']}x{layer['in_w']}x{layer['c_in']}-{layer['c_out']}"
    return size, f"{layer['k_h']}x{layer['k_w']} s{layer['stride_h']} {layer['padding']}"


def measure(target, dtype, layer):
    """One row per form of one layer."""
    native = native_model(layer, target, dtype)
    models = {"native": native}
    for name, interleave in FORMS.items():
        with contextlib.suppress(sd.SplitDeconvError):  # depth_to_space where it cannot be
            options = {"form": name.split()[0], "interleave": interleave}
            models[name] = sd.convert(native, verify=False, **options).model
    size, geometry = names(layer)
    first = {"target": target, "dtype": dtype, "layer": size, "geometry": geometry}
    if target in VELA:
        costs = {name: cycles(model, target) for name, model in models.items()}
        gains = {
            name: costs["native"] / cost if np.isfinite(cost) else 0.0
            for name, cost in costs.items()
        }
        return [
            {**first, "form": name, "cost": costs[name], "gain": round(gains[name], 3)}
            for name in models
        ]
    runtime = next(name for name, of_target in cpu.TARGETS.items() if of_target == target)
    times = cpu.measure(runtime, models, threads=(1,), turns=41, budget=8.0)
    return [
        {**first, "form": row["form"], "cost": float(f"{row['seconds'] * 1e3:.4g}")}
        | {column: round(row[source], 3) for column, source in GAINS.items()}
        for _, row in times.iterrows()
    ]


def keras_model(layer):
    """One Conv2DTranspose with seeded weights."""
    import keras

    keras.utils.set_random_seed(0)
    kernel, strides = (
        tuple(int(layer[f"{name}_{axis}"]) for axis in "hw") for name in ("k", "stride")
    )
    transposed = keras.layers.Conv2DTranspose(
        int(layer["c_out"]), kernel, strides, layer["padding"].lower()
    )
    return keras.Sequential(
        [keras.Input([int(layer[name]) for name in ("in_h", "in_w", "c_in")]), transposed]
    )


def native_model(layer, target, dtype):
    """The layer as a file that the target reads."""
    model = keras_model(layer)
    if target in ("onnxruntime", "openvino"):
        return onnx.export(model)
    samples = np.random.default_rng(0).standard_normal((2, *model.inputs[0].shape[1:]), "f4")
    with contextlib.redirect_stdout(io.StringIO()):
        return tflite.export(model, calibration=samples if dtype == "int8" else None)


def cycles(model, configuration):
    """Total cycles that Vela estimates; infinite where a part is left to the CPU."""
    totals, operators = vela.compile_model(model, configuration)
    return totals["cycles"] if (operators["placed"] == "NPU").all() else float("inf")


def _mean(gains):
    """Over the layers that both ran; a cost that is not known gives a gain of 0 or infinity."""
    return geometric_mean(gains.replace([0, np.inf], np.nan))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Time a network's transposed convolutions in every form on this CPU, and compare their values.

A network is one of the benchmark's, or a model file: its layers are timed with random values in
float32 like those of the benchmark, and as a whole it runs in the runtime of its format.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import bench
from ..core.definition import rounding_bound
from ..core.layer import Layer
from ..core.plan import with_form
from ..core.typing import NumpyArray
from ..dlp.workload import workload
from ..extras import require
from ..networks.counts import reason_to_skip
from ..networks.registry import NETWORKS, build
from ..ops import conv2d_transpose
from . import own_models

FORMS = ("native", "nzp", "split", "auto")
#: The largest difference of a whole network's float32 outputs, relative to their magnitude: a sum
#: of m terms is off by about sqrt(m) 2^-24 of its size. With m up to 25,088 and at most 30 layers
#: on one path that is below 30 * 160 * 6e-8.
ALLOWED = 3e-4


def time_layers(
    name: str, *, forms: Sequence[str] = FORMS, turns: int = 15, budget: float = 20.0, seed: int = 0
) -> pd.DataFrame:
    """Time each transposed convolution of a network alone, forms in turn, and check its values.

    Args:
        name: a benchmark network, or the path of a model file.
        forms: "native" (the baseline of the speedups) and others.
        turns, budget: as for `splitdeconv.bench.interleaved`, for each layer.
        seed: of inputs and filters, standard normal.

    Returns:
        DataFrame, one row per layer and form: layer, form, the columns of
            `splitdeconv.bench.summarize`, ``error``, the largest difference from the native result
            in float32, ``ratio``, that difference over what rounding allows
            (`splitdeconv.core.definition.rounding_bound`), ``skipped``, the reason where a form
            was not run, ``runs``, the form that "auto" chooses, and ``shape`` in words. Where
            "auto" chooses another form of the table, it has that form's numbers: it is the same
            program, and timing it twice would only show noise.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for row in _deconvolutions(name):
        x = rng.standard_normal((1, row.in_h, row.in_w, row.c_in), "float32")
        shape = (row.k_h, row.k_w, row.c_out // row.groups, row.c_in)
        filters = rng.standard_normal(shape, "float32")
        reasons = {form: reason_to_skip(row, form) for form in forms}
        chosen = with_form(row.plan(), row.c_out).form
        timed = [form for form in forms if form != "auto" or chosen not in forms]
        functions = {form: _layer(row, x, filters, form) for form in timed if not reasons[form]}
        values = {form: function() for form, function in functions.items()}
        bound = rounding_bound(x, filters, row.plan(), float(np.finfo("float32").eps) / 2)
        part = bench.summarize(bench.interleaved(functions, turns=turns, budget=budget), seed=seed)
        differences = [np.abs(values[form] - values["native"]) for form in part["name"]]
        part["error"] = [difference.max() for difference in differences]
        part["ratio"] = [(difference / bound.clip(1e-30)).max() for difference in differences]
        if "auto" not in timed and "auto" in forms:
            part = pd.concat([part, part[part["name"] == chosen].assign(name="auto")])
        part = _with_skipped(part, reasons)
        part["runs"] = part["form"].replace("auto", chosen)
        parts.append(part.assign(layer=row.name, shape=_shape(row)))
    return pd.concat(parts, ignore_index=True)


def time_network(
    name: str, *, forms: Sequence[str] = FORMS, turns: int = 15, budget: float = 60.0, seed: int = 0
) -> pd.DataFrame:
    """Time a whole network in each form of its transposed convolutions: batch 1, weights constant.

    Args:
        name, forms, turns, budget, seed: as for `time_layers`; the budget is for the network.

    Returns:
        DataFrame, one row per form: form, the columns of `splitdeconv.bench.summarize`, ``error``,
            the largest difference from the native network's outputs, ``magnitude``, the largest of
            those outputs, ``allowed``, the largest error that rounding explains, and ``skipped``.
            Of a model file, errors and bounds are those of its verification, without magnitude.
    """
    if name not in NETWORKS:
        timed = own_models.time_file(name, forms=forms, turns=turns, budget=budget, seed=seed)
        return timed.assign(layer="whole network")
    deconvs = _deconvolutions(name)
    reasons = {}
    for form in forms:
        reasons[form] = next(filter(None, (reason_to_skip(row, form) for row in deconvs)), None)
    rng = np.random.default_rng(seed)
    functions, inputs = {}, list[NumpyArray]()
    for form in (form for form in forms if not reasons[form]):
        model = build(name, form, seed=seed)
        if not inputs:
            inputs = [rng.standard_normal((1, *x.shape[1:]), "float32") for x in model.inputs]
        functions[form] = bench.frozen(model, *inputs)
    values = {form: _flat(function()) for form, function in functions.items()}
    part = bench.summarize(bench.interleaved(functions, turns=turns, budget=budget), seed=seed)
    part["error"] = [np.abs(values[form] - values["native"]).max() for form in part["name"]]
    part["magnitude"] = np.abs(values["native"]).max()
    part["allowed"] = ALLOWED * part["magnitude"]
    return _with_skipped(part, reasons).assign(layer="whole network")


def library(network: str = "") -> str:
    """The library that computes here, as named in figures.

    Args:
        network: a network that runs as a whole; its layers run in the library of Keras' backend.

    Returns:
        "TensorFlow" with its setting of oneDNN, or "JAX"; for model files of other formats, the
        runtime of the format.
    """
    runtime = own_models.runtime(network)
    if runtime is not None:
        return runtime
    if require("keras", "tensorflow").backend.backend() == "jax":
        return "JAX"
    return f"TensorFlow, oneDNN {os.environ.get('TF_ENABLE_ONEDNN_OPTS', 'default')}"


def _deconvolutions(name: str) -> list[Layer]:
    rows = workload(name).itertuples(index=False)
    return [layer for layer in map(Layer.from_row, rows) if layer.kind == "deconv"]


def _shape(row: Layer) -> str:
    """What a layer reads and writes, height x width x channels."""
    before, after = (row.in_h, row.in_w, row.c_in), (row.out_h, row.out_w, row.c_out)
    return " \u2192 ".join("\u00d7".join(map(str, lengths)) for lengths in (before, after))


def _layer(row: Layer, x: NumpyArray, filters: NumpyArray, form: str) -> Callable[[], Any]:
    """A function without arguments that runs one layer, its filters constant."""
    output = (1, row.out_h, row.out_w, row.c_out)
    crops = [(row.before_h, row.end_h), (row.before_w, row.end_w)]
    options: dict[str, Any] = {
        "strides": (row.stride_h, row.stride_w),
        "padding": crops if row.padding == "EXPLICIT" else row.padding,
        "dilations": (row.dilation_h, row.dilation_w),
        "form": form,
    }
    return bench.compiled(lambda x: conv2d_transpose(x, filters, output, **options), x)


def _flat(outputs: Any) -> NumpyArray:
    """All outputs of a network in one vector."""
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return np.concatenate([np.ravel(y) for y in outputs])


def _with_skipped(part: pd.DataFrame, reasons: Mapping[str, str | None]) -> pd.DataFrame:
    """One row per form, in order; forms that were not run have a reason instead of numbers."""
    part = part.set_index("name").reindex(list(reasons)).rename_axis("form").reset_index()
    return part.assign(skipped=part["form"].map(reasons))

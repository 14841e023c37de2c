"""Time a network's transposed convolutions in every form on this CPU, and compare their values."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import bench
from ..core.definition import rounding_bound
from ..core.layer import Layer
from ..core.typing import NumpyArray
from ..extras import require
from ..networks.counts import reason_to_skip
from ..networks.registry import build
from ..networks.table import layers
from ..ops import conv2d_transpose

FORMS = ("native", "nzp", "split", "auto")


def time_layers(
    name: str, *, forms: Sequence[str] = FORMS, turns: int = 15, budget: float = 20.0, seed: int = 0
) -> pd.DataFrame:
    """Time each transposed convolution of a network alone, forms in turn, and check its values.

    Args:
        name: a benchmark network.
        forms: "native" (the baseline of the speedups) and others.
        turns, budget: as for `splitdeconv.bench.interleaved`, for each layer.
        seed: of inputs and filters, standard normal.

    Returns:
        DataFrame, one row per layer and form: layer, form, the columns of
            `splitdeconv.bench.summarize`, ``error``, the largest difference from the native result
            in float32, ``ratio``, that difference over what rounding allows
            (`splitdeconv.core.definition.rounding_bound`), and ``skipped``, the reason where a form
            was not run.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for row in _deconvolutions(name):
        x = rng.standard_normal((1, row.in_h, row.in_w, row.c_in), "float32")
        shape = (row.k_h, row.k_w, row.c_out // row.groups, row.c_in)
        filters = rng.standard_normal(shape, "float32")
        reasons = {form: reason_to_skip(row, form) for form in forms}
        functions = {form: _layer(row, x, filters, form) for form in forms if not reasons[form]}
        values = {form: function() for form, function in functions.items()}
        bound = rounding_bound(x, filters, row.plan(), float(np.finfo("float32").eps) / 2)
        part = bench.summarize(bench.interleaved(functions, turns=turns, budget=budget), seed=seed)
        differences = [np.abs(values[form] - values["native"]) for form in part["name"]]
        part["error"] = [difference.max() for difference in differences]
        part["ratio"] = [(difference / bound.clip(1e-30)).max() for difference in differences]
        parts.append(_with_skipped(part, reasons).assign(layer=row.name))
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
            those outputs, and ``skipped``.
    """
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
    return _with_skipped(part, reasons).assign(layer="whole network")


def library() -> str:
    """The library that computes here, as named in figures: that of Keras' backend.

    Returns:
        "TensorFlow" with its setting of oneDNN, or "JAX".
    """
    if require("keras", "tensorflow").backend.backend() == "jax":
        return "JAX"
    return f"TensorFlow, oneDNN {os.environ.get('TF_ENABLE_ONEDNN_OPTS', 'default')}"


def _deconvolutions(name: str) -> list[Layer]:
    return [layer for layer in layers(name) if layer.kind == "deconv"]


def _layer(row: Layer, x: NumpyArray, filters: NumpyArray, form: str) -> Callable[[], Any]:
    """A function without arguments that runs one layer, its filters constant."""
    output = (1, row.out_h, row.out_w, row.c_out)
    options: dict[str, Any] = {
        "strides": (row.stride_h, row.stride_w),
        "padding": row.padding,
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

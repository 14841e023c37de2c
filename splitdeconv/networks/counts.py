"""Operations of a network by method: only those of transposed convolutions differ."""

from typing import Any

import pandas as pd

from ..core.forms import COUNTS
from ..core.layer import Layer
from ..core.plan import auto_form
from .table import layers

METHODS = COUNTS


def operation_counts(model: Any) -> pd.DataFrame:
    """Multiply-accumulates of each layer, by method.

    Args:
        model: what `layer_table` takes, or such a table.

    Returns:
        DataFrame, one row per layer: name, kind, and a column for each of `METHODS`, as in
        `SplitPlan.macs`. Layers other than "deconv" cost the same in all of them.
    """
    rows = []
    table = isinstance(model, pd.DataFrame)
    records = model.itertuples(index=False) if table else ()
    for layer in map(Layer.from_row, records) if table else layers(model):
        counts = dict.fromkeys(METHODS, layer.macs)
        if layer.kind == "deconv":
            counts = layer.plan().macs(layer.c_in, layer.c_out)
        rows.append({"name": layer.name, "kind": layer.kind, **counts})
    return pd.DataFrame(rows)


def reason_to_skip(layer: Layer, form: str) -> str | None:
    """Why a transposed convolution should not be run in a form, or None.

    Args:
        layer: of kind "deconv".
        form: a form of `splitdeconv.plan`, or "auto".
    """
    if form == "auto":
        form = auto_form(layer.plan().axes, layer.c_out, layer.groups)
    count = len(layer.plan(form).convolutions)
    if count > 256:
        return f"{count:,} convolutions: more calls than work"
    waste = layer.stride_h * layer.stride_w
    if form == "nzp" and waste > 100:
        return f"{waste:,} times the useful operations"
    return None

"""Operations of a network by method: every transposed convolution planned, every other layer as it is."""

import pandas as pd

from ..core.plan import plan
from .table import layer_table

METHODS = ("useful", "exact", "nzp", "split", "rows", "stacked", "paper")


def layer_plan(row, form="split"):
    """The plan of a transposed convolution.

    Args:
        row: a row of `layer_table` of kind "deconv".
        form: a form of `splitdeconv.plan`.

    Returns:
        A `SplitPlan`.
    """
    return plan(
        (row.in_h, row.in_w),
        (row.k_h, row.k_w),
        (row.stride_h, row.stride_w),
        ((row.before_h, row.end_h), (row.before_w, row.end_w)),
        output_shape=(row.out_h, row.out_w),
        dilations=(row.dilation_h, row.dilation_w),
        groups=row.groups,
        form=form,
    )


def operation_counts(model) -> pd.DataFrame:
    """Multiply-accumulates of each layer, by method.

    Args:
        model: what `layer_table` takes.

    Returns:
        DataFrame, one row a layer: name, kind, and a column for each of `METHODS`, meant as in `SplitPlan.macs`. Layers
        of another kind than "deconv" cost the same in all of them.
    """
    rows = []
    for row in layer_table(model).itertuples():
        counts = dict.fromkeys(METHODS, row.macs)
        if row.kind == "deconv":
            counts = layer_plan(row).macs(row.c_in, row.c_out)
        rows.append({"name": row.name, "kind": row.kind, **counts})
    return pd.DataFrame(rows)

"""The published layers of the benchmark networks as layer tables; no network is built."""

import pandas as pd

from ..core.layer import COLUMNS
from ..core.plan import plan
from ..networks.gap import published_layers


def layer_table(network: str) -> pd.DataFrame:
    """The published layers of a network, all of square kernels and strides, and SAME.

    Args:
        network: as `splitdeconv.networks.published_layers` names it, for instance ``"DCGAN"``.

    Returns:
        A table with the columns of `splitdeconv.networks.layer_table`.
    """
    rows = []
    for row in published_layers().query("network == @network").itertuples():
        record = {
            "name": row.layer,
            "kind": row.kind,
            "c_in": row.c_in,
            "c_out": row.c_out,
            "groups": 1,
            "padding": row.padding,
        }
        before = 0, 0  # a dense layer or a convolution: its padding is not published
        if row.kind == "deconv":
            height, width = plan((row.in_h, row.in_w), (row.k_h, row.k_w), row.stride).axes
            before = height.p, width.p
        pairs = {
            "in": (row.in_h, row.in_w),
            "k": (row.k_h, row.k_w),
            "stride": (row.stride, row.stride),
            "dilation": (1, 1),
            "out": (row.out_h, row.out_w),
            "before": before,
        }
        for column, (along_h, along_w) in pairs.items():
            record |= {f"{column}_h": along_h, f"{column}_w": along_w}
        rows.append(record)
    return pd.DataFrame(rows, columns=COLUMNS)

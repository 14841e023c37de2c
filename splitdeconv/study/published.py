"""The published layers of the benchmark networks as layer tables, so that no network has to be
built.
"""

import pandas as pd

from ..core.layer import COLUMNS
from ..core.plan import plan
from ..networks.gap import published_layers


def layer_table(network: str) -> pd.DataFrame:
    """The published layers of a network, whose kernels and strides are square and whose padding is
    SAME.

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
        before: tuple[int, ...] = (
            0,
            0,
        )  # a dense layer or a convolution: its padding is not published
        if row.kind == "deconv":
            before = tuple(
                axis.p for axis in plan((row.in_h, row.in_w), (row.k_h, row.k_w), row.stride).axes
            )
        pairs = {
            "in": (row.in_h, row.in_w),
            "k": (row.k_h, row.k_w),
            "stride": (row.stride, row.stride),
            "dilation": (1, 1),
            "out": (row.out_h, row.out_w),
            "before": before,
        }
        for column, (height, width) in pairs.items():
            record |= {f"{column}_h": height, f"{column}_w": width}
        rows.append(record)
    return pd.DataFrame(rows, columns=COLUMNS)

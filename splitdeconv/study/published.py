"""The published layers of the benchmark networks as layer tables; no network is built."""

from pathlib import Path

import pandas as pd

from ..core.layer import COLUMNS
from ..core.plan import plan
from ..networks.gap import published_layers

EXPLANATIONS = Path(__file__).resolve().parents[2] / "data" / "reference" / "explanations.csv"


def explained(network: str) -> pd.DataFrame:
    """Layers whose operations add up to a published total that no known network has.

    An explanation of the sum, not a layer list: layers of `published_layers`, some of them counted
    with other channels.

    Args:
        network: as `layer_table`.

    Returns:
        DataFrame, one row per layer: ``layer``, ``times``, ``kernel``, ``c_in``, ``c_out``,
            ``mmac``, millions of multiply-accumulates of all ``times`` together, and ``changed``,
            whether the channels are not the layer's own. Empty where no sum is explained.
    """
    changes = pd.read_csv(EXPLANATIONS).query("network == @network").set_index("layer")
    rows = []
    for row in published_layers().query("network == @network").itertuples():
        if changes.empty:
            break
        name, _, times = row.layer.partition(" (")
        changed = row.layer in changes.index
        channels = changes.loc[row.layer] if changed else row
        each = row.mac / (row.c_in * row.c_out) * (channels.c_in * channels.c_out)
        count = int(times.removesuffix("x)") or 1)
        rows.append(
            {
                "layer": name,
                "times": count,
                "kernel": f"{row.k_h}x{row.k_w}",
                "c_in": channels.c_in,
                "c_out": channels.c_out,
                "mmac": count * each / 1e6,
                "changed": changed,
            }
        )
    columns = ["layer", "times", "kernel", "c_in", "c_out", "mmac", "changed"]
    return pd.DataFrame(rows, columns=columns)


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

"""Tables of layers to test with, without a model, and arrays that are nobody's processor."""

from types import SimpleNamespace

import pandas as pd
from hypothesis import strategies as st

from splitdeconv.networks.table import COLUMNS
from splitdeconv.study.published import layer_table as networks
from tests.geometries import cases

__all__ = [
    "ALL",
    "arrays",
    "dot_array",
    "layer",
    "networks",
    "of_case",
    "planar",
    "systolic",
    "table",
]

ALL = ("none", "A", "W", "WA")


def systolic(rows, cols):
    return SimpleNamespace(
        name="systolic",
        rows=rows,
        cols=cols,
        dataflows=("output_stationary", "weight_stationary", "input_stationary"),
        skipping=ALL,
    )


def dot_array(rows, cols):
    return SimpleNamespace(
        name="dot", rows=rows, cols=cols, dataflows=("dot_product",), skipping=ALL
    )


def layer(
    kind,
    sizes,
    kernel,
    strides,
    outputs,
    c_in,
    c_out,
    padding="SAME",
    dilations=(1, 1),
    groups=1,
    before=(0, 0),
):
    """A row of a table; `before`: what a deconvolution crops first, or a convolution pads."""
    row = {
        "name": "layer",
        "kind": kind,
        "c_in": c_in,
        "c_out": c_out,
        "groups": groups,
        "padding": padding,
    }
    pairs = {
        "in": sizes,
        "k": kernel,
        "stride": strides,
        "dilation": dilations,
        "out": outputs,
        "before": before,
    }
    row |= {
        f"{name}_{side}": pair[i] for name, pair in pairs.items() for i, side in enumerate("hw")
    }
    return row


def table(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def of_case(case):
    """A transposed convolution of at most two axes as a table of one layer."""
    axes = case.plan().axes
    flat = (1,) * (2 - len(axes))

    def pair(name, missing=flat):
        return (*missing, *(getattr(axis, name) for axis in axes))

    crops = pair("p", tuple(0 for _ in flat))
    sizes = (pair("n"), pair("k"), pair("s"), pair("o"), case.cin, case.cout)
    return table(layer("deconv", *sizes, "", pair("d"), case.groups, crops))


def planar():
    """Cases of one or two axes."""
    return cases().filter(lambda case: case.rank < 3)


def arrays():
    """Rows and columns of an array, the degenerate ones included."""
    return st.tuples(st.integers(1, 40), st.integers(1, 12))

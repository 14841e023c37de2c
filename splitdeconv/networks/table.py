"""What a built model computes: one row per use of a convolution, transposed convolution or dense layer."""

import gc
from functools import lru_cache
from math import prod

import pandas as pd

from ..core.geometry import resolve
from ..errors import SplitDeconvError
from ..extras import require
from .registry import build, checked

COLUMNS = [
    *("name", "kind", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride_h", "stride_w"),
    *("dilation_h", "dilation_w", "groups", "padding", "out_h", "out_w", "macs"),
    *("before_h", "before_w", "end_h", "end_w"),
]


def layer_table(model, **options) -> pd.DataFrame:
    """The layers of a model that multiply, in the order of execution.

    Args:
        model: a network's name, which is built for the purpose, or a functional or sequential `keras.Model` of static
            spatial size. Models within it are walked, too; a layer used twice has two rows.
        **options: the network's own, such as `size`, with a name.

    Returns:
        A table of `COLUMNS`. `kind` is "conv", "deconv" or "dense"; `padding` is "SAME", "VALID", or empty for dense
        layers; lengths along a missing axis are 1. `macs` are useful multiply-accumulates per image: a deconvolution's
        ``in_h * in_w * k_h * k_w * c_in * c_out / groups``, a convolution's the same over its outputs. `before_h`
        to `end_w` are a deconvolution's padding in numbers, the outputs it crops (0 in other rows): with them,
        ``output_shape=(out_h, out_w)`` and the lengths, `splitdeconv.plan` has all it needs. The word alone is not
        enough, because Keras' `output_padding` moves the crop of "SAME".

    Raises:
        SplitDeconvError: an unknown name; a model whose layers cannot be walked, whose sizes are not static, or with a
            layer this table cannot describe.

    Example:
        >>> import splitdeconv as sd
        >>> table = sd.networks.layer_table("dcgan")
        >>> print(table[["name", "kind", "in_h", "k_h", "stride_h", "c_out", "macs"]])
              name    kind  in_h  k_h  stride_h  c_out      macs
        0       fc   dense     1    1         1  16384   1638400
        1  deconv1  deconv     8    5         2    128  52428800
        2  deconv2  deconv    16    5         2     64  52428800
        3  deconv3  deconv    32    5         2      3   4915200
    """
    if isinstance(model, str):
        return _named(model, tuple(sorted(checked(model, options).items()))).copy()
    return pd.DataFrame([_row(*use) for use in _uses(model)], columns=COLUMNS)


@lru_cache(maxsize=32)
def _named(name, options):
    table = layer_table(build(name, "native", seed=None, **dict(options)))
    # A model is a cycle of references: its weights, half a gigabyte for an FCN, would wait for the next collection.
    gc.collect()
    return table


def _uses(model, path=""):
    """(name, layer, input shape, output shape) for every use of a layer with a kernel."""
    keras = require("keras", "tensorflow")
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs)
    # Keras has no public list of a model's calls in order; this is the one that it executes and prints summaries from.
    nodes = getattr(model, "_nodes_by_depth", None)
    if nodes is None:
        raise SplitDeconvError(
            "the model's layers cannot be walked",
            where="layer_table",
            expected="a network's name, or a built functional or sequential keras.Model",
            got=f"{type(model).__name__} {getattr(model, 'name', '')}".strip(),
        )
    for node in (node for depth in sorted(nodes, reverse=True) for node in nodes[depth] if not node.is_input):
        layer, name = node.operation, path + node.operation.name
        if isinstance(layer, keras.Model):
            yield from _uses(layer, f"{name}/")
        elif any(len(weight.shape) > 1 for weight in getattr(layer, "weights", ())):
            yield name, layer, node.input_tensors[0].shape, node.output_tensors[0].shape


def _row(name, layer, in_shape, out_shape):
    layers = require("keras", "tensorflow").layers
    deconv = isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose)
    depthwise = isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D)
    conv = depthwise or isinstance(layer, layers.Conv1D | layers.Conv2D)
    padding = layer.padding.upper() if deconv or conv else ""
    if not (deconv or conv or isinstance(layer, layers.Dense)) or len(in_shape) > 4 or padding == "CAUSAL":
        raise SplitDeconvError(
            "a layer is not of a kind this table describes",
            where=name,
            expected="1-D and 2-D convolutions and transposed convolutions, SAME or VALID, and dense layers",
            got=f"{type(layer).__name__} {padding}".strip() + f", input shape {tuple(in_shape)}",
        )
    channels = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
    in_size, out_size = _spatial(in_shape, channels, name), _spatial(out_shape, channels, name)
    geometry, crops = {"k": (), "stride": (), "dilation": ()}, {"before": (0, 0), "end": (0, 0)}
    if deconv or conv:
        geometry = {"k": layer.kernel_size, "stride": layer.strides, "dilation": layer.dilation_rate}
    if deconv:
        crops = _crops(in_size, *geometry.values(), padding, layer.output_padding)
    row = {"name": name, "kind": "deconv" if deconv else "conv" if conv else "dense"}
    row |= {"c_in": in_shape[channels], "c_out": out_shape[channels]}
    row |= {"groups": in_shape[channels] if depthwise else getattr(layer, "groups", 1)}
    row |= {"padding": padding}
    for key, value in {"in": in_size, "out": out_size, **geometry}.items():
        row[f"{key}_h"], row[f"{key}_w"] = _pair(value)
    for key, value in crops.items():
        row[f"{key}_h"], row[f"{key}_w"] = _pair(value, missing=0)
    positions = prod(in_size if deconv else out_size)
    row["macs"] = positions * row["k_h"] * row["k_w"] * row["c_in"] * row["c_out"] // row["groups"]
    return row


def _spatial(shape, channels, name):
    size = tuple(length for axis, length in enumerate(shape) if axis not in (0, channels % len(shape)))
    if None in size:
        raise SplitDeconvError(
            "operations cannot be counted without the spatial size",
            where=name,
            expected="a model of static height and width",
            got=f"shape {tuple(shape)}",
            fix="build it with a fixed input size",
        )
    return size


def _crops(size, kernel, strides, dilations, padding, output_padding):
    """What a transposed convolution crops at either end of each axis."""
    axes = resolve(size, kernel, strides, padding, output_padding=output_padding, dilations=dilations)
    return {
        "before": [a.p for a in axes],
        "end": [max((a.n - 1) * a.s + a.k_e - a.p - a.o, 0) for a in axes],
    }


def _pair(values, missing=1):
    return (missing,) * (2 - len(values)) + tuple(values)

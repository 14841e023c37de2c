"""What a built model computes: one row per use of a convolution or dense layer."""

import gc
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from ..core.geometry import known, resolve
from ..core.layer import COLUMNS, Layer
from ..errors import SplitDeconvError, check_choice
from ..extras import require
from . import shipped
from .registry import NETWORKS, build, checked


def layer_table(model: Any, **options: Any) -> pd.DataFrame:
    """The layers of a model that have multiplications, in order of execution.

    Args:
        model: a network's name, or a functional or sequential `keras.Model` of static spatial size.
            Models within it are walked, too; a layer used twice has two rows.
        **options: the network's own, such as `size`, with a name. The network is then built for the
            purpose; without options, its table is part of the package and no framework is needed.

    Returns:
        A table of `splitdeconv.core.layer.COLUMNS`. `kind` is "conv", "deconv" or "dense";
        `padding` is "SAME", "VALID", or empty for dense layers; lengths along a missing axis are 1.
        `macs` are useful multiply-accumulates per image: a deconvolution's
        ``in_h * in_w * k_h * k_w * c_in * c_out / groups``, a convolution's the same over its
        outputs. `before_h` to `end_w` are a deconvolution's padding in numbers, the outputs it
        crops (0 in other rows): together with ``output_shape=(out_h, out_w)`` and the lengths, they
        are what `splitdeconv.plan` needs. The word alone is not enough, because Keras'
        `output_padding` moves the crop of "SAME".

    Raises:
        SplitDeconvError: an unknown name; a model whose layers cannot be walked, whose sizes are
            not static, or with a layer this table cannot describe.

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
    return pd.DataFrame([layer.row() for layer in layers(model, **options)], columns=COLUMNS)


def layers(model: Any, **options: Any) -> tuple[Layer, ...]:
    """The rows of `layer_table` as records; arguments and errors are the same."""
    if not isinstance(model, str):
        return tuple(_layer(*use) for use in _uses(model))
    if not options:
        check_choice(model, NETWORKS, "network")
        return shipped.layers(model)
    return built(model, **options)


def built(name: str, **options: Any) -> tuple[Layer, ...]:
    """The layers of a benchmark network, from the model that is built for the purpose."""
    return _named(name, tuple(sorted(checked(name, options).items())))


@lru_cache(maxsize=32)
def _named(name: str, options: tuple[tuple[str, Any], ...]) -> tuple[Layer, ...]:
    rows = layers(build(name, "native", seed=None, **dict(options)))
    # A model is a reference cycle; its weights, half a gigabyte for an FCN, would stay until the
    # next collection.
    gc.collect()
    return rows


def _uses(model: Any, path: str = "") -> Iterator[tuple[str, Any, Sequence[Any], Sequence[Any]]]:
    """(name, layer, input shape, output shape) for every use of a layer with a kernel."""
    keras = require("keras", "tensorflow")
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs)
    # Keras has no public list of a model's calls in order. It executes this one and prints
    # summaries from it.
    nodes = getattr(model, "_nodes_by_depth", None)
    if nodes is None:
        raise SplitDeconvError(
            "the model's layers cannot be walked",
            where="model",
            expected="a network's name, or a built functional or sequential keras.Model",
            got=f"{type(model).__name__} {getattr(model, 'name', '')}".strip(),
        )
    for node in (
        node for depth in sorted(nodes, reverse=True) for node in nodes[depth] if not node.is_input
    ):
        layer, name = node.operation, path + node.operation.name
        if isinstance(layer, keras.Model):
            yield from _uses(layer, f"{name}/")
        elif any(len(weight.shape) > 1 for weight in getattr(layer, "weights", ())):
            yield name, layer, node.input_tensors[0].shape, node.output_tensors[0].shape


def _layer(
    name: str, layer: Any, in_shape: Sequence[int | None], out_shape: Sequence[int | None]
) -> Layer:
    """One use of a layer, whose shapes are those of its input and output."""
    kinds = require("keras", "tensorflow").layers
    deconv = isinstance(layer, kinds.Conv1DTranspose | kinds.Conv2DTranspose)
    depthwise = isinstance(layer, kinds.DepthwiseConv1D | kinds.DepthwiseConv2D)
    conv = depthwise or isinstance(layer, kinds.Conv1D | kinds.Conv2D)
    padding = layer.padding.upper() if deconv or conv else ""
    if (
        not (deconv or conv or isinstance(layer, kinds.Dense))
        or len(in_shape) > 4
        or padding == "CAUSAL"
    ):
        raise SplitDeconvError(
            "a layer is not of a kind this table describes",
            where=name,
            expected="1-D and 2-D convolutions and transposed convolutions, SAME or VALID, "
            "and dense layers",
            got=f"{type(layer).__name__} {padding}".strip() + f", input shape {tuple(in_shape)}",
        )
    channels = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
    sizes, outputs = _spatial(in_shape, channels, name), _spatial(out_shape, channels, name)
    ends = known(in_shape[channels]), known(out_shape[channels])
    if not deconv and not conv:
        return Layer.from_lengths(name, "dense", sizes, ends, outputs=outputs)
    groups = ends[0] if depthwise else getattr(layer, "groups", 1)
    kernel, strides, dilations = layer.kernel_size, layer.strides, layer.dilation_rate
    if deconv:
        axes = resolve(
            sizes,
            kernel,
            strides,
            padding,
            output_padding=layer.output_padding,
            dilations=dilations,
        )
        return Layer.from_axes(name, axes, ends, groups=groups, padding=padding)
    return Layer.from_lengths(
        name,
        "conv",
        sizes,
        ends,
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        groups=groups,
        padding=padding,
        outputs=outputs,
    )


def _spatial(shape: Sequence[int | None], channels: int, name: str) -> tuple[int, ...]:
    size = tuple(
        length for axis, length in enumerate(shape) if axis not in (0, channels % len(shape))
    )
    lengths = tuple(length for length in size if length is not None)
    if len(lengths) < len(size):
        raise SplitDeconvError(
            "operations cannot be counted without the spatial size",
            where=name,
            expected="a model of static height and width",
            got=f"shape {tuple(shape)}",
            fix="build it with a fixed input size",
        )
    return lengths

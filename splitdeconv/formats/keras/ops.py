"""Operations in the graph of a Keras model that are not layers: `keras.ops` on symbolic tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.geometry import resolve
from ...extras import require
from ..site import Site
from .copy import layers_of

if TYPE_CHECKING:
    import keras
else:
    keras = require("keras", "tensorflow")

_PROBLEM = (
    "keras.ops.conv_transpose is called directly, without a layer that could be swapped: "
    "use a keras.layers.Conv{rank}DTranspose with this kernel as its weights"
)


def operations_of(model: keras.Model) -> list[keras.Operation]:
    """The operations in the graph of a model and its submodels that are not layers; each once."""
    graphs = [layer for layer in layers_of(model) if isinstance(layer, keras.Model)]
    nodes = (node for graph in graphs for node in getattr(graph, "operations", ()))
    return list(dict.fromkeys(node for node in nodes if not isinstance(node, keras.Layer)))


def called_directly(model: keras.Model) -> list[Site]:
    """The transposed convolutions among these, once per call."""
    return [
        _site(operation, node)
        for operation in operations_of(model)
        if type(operation).__name__ == "ConvTranspose"
        and type(operation).__module__.startswith("keras.")
        for node in operation._inbound_nodes
    ]


def _site(operation: keras.Operation, node: Any) -> Site:
    """The report's record of one call."""
    x, kernel = _arguments(*node.arguments.args, **node.arguments.kwargs)
    shape, filters = tuple(x.shape), tuple(kernel.shape)
    rank = len(shape) - 2
    first = operation.data_format == "channels_first"
    axes = resolve(
        shape[2:] if first else shape[1:-1],
        filters[:rank],
        operation.strides,
        operation.padding,
        output_padding=operation.output_padding,
        dilations=operation.dilation_rate,
    )
    return Site(
        name=operation.name,
        operator="keras.ops.conv_transpose",
        axes=axes,
        groups=1,
        in_channels=shape[1 if first else -1],
        out_channels=filters[-2],
        dtype=str(x.dtype),
        batch=shape[0],
        problem=_PROBLEM.format(rank=rank),
    )


def _arguments(inputs: Any, kernel: Any) -> tuple[Any, Any]:
    return inputs, kernel

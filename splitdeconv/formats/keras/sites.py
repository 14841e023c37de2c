"""The transposed convolutions among the layers of a Keras model, and their twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import layers as twins
from ...core.geometry import resolve
from ...extras import require
from ..site import Site

if TYPE_CHECKING:
    import keras

    from ..input_shapes import Shape
else:
    keras = require("keras", "tensorflow")

#: The layer that replaces each transposed convolution of Keras.
TWINS: dict[type[keras.Layer], type[keras.Layer]] = {
    getattr(keras.layers, f"Conv{rank}DTranspose"): getattr(twins, f"SplitConv{rank}DTranspose")
    for rank in (1, 2, 3)
}

#: Longer dimensions are not those of a tensor that Keras computes.
_TOO_LONG = 2**31


def is_twin(layer: keras.Layer) -> bool:
    """Whether a layer is already split; twins are subclasses of Keras' layers, with their names."""
    return isinstance(layer, tuple(TWINS.values()))


def kind_of(layer: keras.Layer) -> type[keras.Layer] | None:
    """The Keras class of a transposed convolution that is to be listed; None for other layers."""
    if is_twin(layer):
        return None
    return next((cls for cls in TWINS if isinstance(layer, cls)), None)


def site_of(index: int, layer: keras.Layer) -> Site:
    """The report's record of one layer.

    Args:
        index: its position among the layers of the model.
        layer: a layer for which `kind_of` returns a class.
    """
    shape, first = _input_shape(layer), layer.data_format == "channels_first"
    channels = layer.kernel.shape[-1] if layer.built and type(layer) in TWINS else None
    problem = axes = None
    if type(layer) not in TWINS:
        problem = f"{type(layer).__name__} is a custom class; only Keras' own computation is known"
    elif not layer.built or shape is None:
        problem = "it has no weights yet: build the model, or call it once on data"
    else:
        axes = resolve(
            shape[2:] if first else shape[1:-1],
            layer.kernel_size,
            layer.strides,
            layer.padding,
            output_padding=layer.output_padding,
            dilations=layer.dilation_rate,
        )
    return Site(
        name=layer.path if getattr(layer, "path", None) else layer.name,
        operator=next(cls.__name__ for cls in TWINS if isinstance(layer, cls)),
        axes=axes,
        groups=1,
        in_channels=channels,
        out_channels=layer.filters,
        dtype=layer.compute_dtype,
        batch=shape[0] if shape else None,
        problem=problem,
        key=index,
    )


def _input_shape(layer: keras.Layer) -> Shape | None:
    """The input shape of a layer, None where it differs between calls; None if not built.

    A layer inside a wrapper has only the shape that the file says it was built for, of which Keras
    reads no more than the channels. What cannot be a shape is unknown.
    """
    shapes = [tuple(tensor.shape) for node in layer._inbound_nodes for tensor in node.input_tensors]
    if not shapes and layer.built:
        built = layer.get_build_config() or {}
        shapes = [tuple(map(_size, built["input_shape"]))] if built.get("input_shape") else []
        if shapes and len(shapes[0]) != layer.rank + 2:
            shapes = [(None,) * (layer.rank + 2)]
    if not shapes:
        return None
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True))


def _size(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _TOO_LONG else None

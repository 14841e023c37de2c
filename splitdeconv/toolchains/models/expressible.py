"""What of a Keras model the ONNX exporter can express; everything else is refused by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SplitDeconvError
from ...extras import require

if TYPE_CHECKING:
    import keras


def _ends(layer: Any) -> str | None:
    axis = layer.axis if isinstance(layer.axis, int) else tuple(layer.axis)
    return None if axis in (-1, len(layer.output.shape) - 1) else f"axis {axis}"


def _group(layer: Any) -> str | None:
    grouped = layer.groups not in (-1, layer.input.shape[-1])
    flat = len(layer.input.shape) != 4
    return f"{layer.groups} groups" if grouped else _ends(layer) or ("no image" if flat else None)


def _scalar(layer: Any) -> str | None:
    several = np.ndim(layer.scale) or np.ndim(layer.offset)
    return "a scale for each channel" if several else None


def _plain_relu(layer: Any) -> str | None:
    plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    return None if plain else "a bound, slope or threshold"


def _equal(layer: Any) -> str | None:
    return None if len({tuple(x.shape) for x in layer.input}) == 1 else "unequal shapes"


def _undilated(layer: Any) -> str | None:
    dilated = any(np.atleast_1d(layer.dilation_rate) > 1)
    return f"dilation {layer.dilation_rate}" if dilated else None


def _anything(layer: Any) -> str | None:
    return None


#: Per layer: a function that names what the exporter cannot express of its settings, or None.
_LAYERS: dict[str, Callable[[Any], str | None]] = {
    "InputLayer": _anything,
    "Reshape": _anything,
    "Flatten": _anything,
    "Dense": lambda layer: None if len(layer.input.shape) == 2 else "an input of rank above 2",
    "Conv2D": _anything,
    "Conv2DTranspose": _undilated,
    "Activation": _anything,
    "ReLU": _plain_relu,
    "LeakyReLU": _anything,
    "ELU": _anything,
    "BatchNormalization": _ends,
    "GroupNormalization": _group,
    "Rescaling": _scalar,
    "UpSampling2D": lambda layer: (
        None if layer.interpolation == "nearest" else f"{layer.interpolation} interpolation"
    ),
    "MaxPooling2D": _anything,
    "ZeroPadding2D": _anything,
    "Cropping2D": _anything,
    "Concatenate": _ends,
    "Add": _equal,
    "Dropout": _anything,
}


def check(model: "keras.Model") -> None:
    """Refuse a model with a layer, or a setting of one, that the ONNX exporter does not know.

    Args:
        model: a functional or sequential model.

    Raises:
        SplitDeconvError: naming the layer and what is unknown.
    """
    keras = require("keras", "tensorflow")
    # A sequential model has layers only; others can also have operations, such as a sum by "+".
    for layer in getattr(model, "operations", model.layers):
        kind = type(layer).__name__
        # A class of another package may share a name with one of Keras' and compute something else.
        if kind not in _LAYERS or type(layer) is not getattr(keras.layers, kind, None):
            raise refusal(layer, "the layer")
        if len(layer._inbound_nodes) != 1:
            raise refusal(layer, f"a layer that is used {len(layer._inbound_nodes)} times")
        if layer.compute_dtype != "float32":
            raise refusal(layer, f"computation in {layer.compute_dtype}")
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise refusal(layer, "channels first")
        ranks = {len(x.shape) for x in keras.tree.flatten([layer.input, layer.output])}
        if ranks - {2, 4}:
            raise refusal(layer, f"a tensor of rank {max(ranks - {2, 4})}")
        unknown = _LAYERS[kind](layer)
        if unknown:
            raise refusal(layer, unknown)


def refusal(layer: Any, what: str) -> SplitDeconvError:
    """The error for a layer that cannot be exported.

    Args:
        layer: the layer.
        what: what of it is unknown.
    """
    settings = layer.get_config() if hasattr(layer, "get_config") else ""
    return SplitDeconvError(
        f"this layer cannot be exported to ONNX: {what} is unknown to this exporter",
        where=layer.name,
        expected="a layer of the benchmark networks, channels last, in float32",
        got=f"{type(layer).__name__} {settings}"[:200],
        fix="export the model with a tool of its framework, then use splitdeconv convert",
    )

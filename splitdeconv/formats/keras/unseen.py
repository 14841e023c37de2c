"""Layers of a Keras model whose computation is unknown; see `splitdeconv.formats.unseen`."""

from collections.abc import Iterable
from typing import Any

#: Keras layers that call functions given by the user.
_CALLERS = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")


def names(operations: Iterable[Any], known: tuple[str, ...]) -> list[str]:
    """The layers and operations of a Keras model that run custom code.

    Args:
        operations: the layers, models and operations.
        known: prefixes of the modules whose code is known.
    """
    return [
        f"{type(layer).__name__} {layer.name!r}"
        for layer in operations
        if _computes_by_own_code(type(layer), known)
    ]


def _computes_by_own_code(cls: type, known: tuple[str, ...]) -> bool:
    if cls.__module__.startswith(known):
        return cls.__name__ in _CALLERS
    # A subclass of a Keras class may not change what it computes. Keras' own use TensorFlow's.
    trusted = (*known, "tensorflow.", "builtins")
    others = (base for base in cls.__mro__ if not base.__module__.startswith(trusted))
    return any({"call", "__call__"} & set(vars(base)) for base in others)

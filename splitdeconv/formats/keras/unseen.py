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
        f"{type(one).__name__} {one.name!r}"
        for one in operations
        if _computes_by_own_code(type(one), known)
    ]


def _computes_by_own_code(cls: type, known: tuple[str, ...]) -> bool:
    if cls.__module__.startswith(known):
        return cls.__name__ in _CALLERS
    # A subclass of a Keras class may not change what it computes. Keras' own use TensorFlow's.
    others = (
        one
        for one in cls.__mro__
        if not one.__module__.startswith((*known, "tensorflow.", "builtins"))
    )
    return any({"call", "__call__"} & set(vars(one)) for one in others)

"""Layers of a Keras model whose computation nobody can see; see `splitdeconv.formats.unseen`."""

from collections.abc import Iterable

#: Layers of Keras that call what a user gave them.
_CALLERS = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")


def names(operations: Iterable[object], known: tuple[str, ...]) -> list[str]:
    """The layers and operations of a Keras model that compute by code of a user's.

    Args:
        operations: the layers, models and operations.
        known: how the names of modules begin whose code is known.
    """
    return [f"{type(one).__name__} {one.name!r}" for one in operations if _computes_by_own_code(type(one), known)]


def _computes_by_own_code(cls, known):
    if cls.__module__.startswith(known):
        return cls.__name__ in _CALLERS
    # A class may add to one of Keras' without touching what it computes. Keras' own rest on TensorFlow's.
    others = (one for one in cls.__mro__ if not one.__module__.startswith((*known, "tensorflow.", "builtins")))
    return any({"call", "__call__"} & set(vars(one)) for one in others)

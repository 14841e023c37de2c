"""A model to be run: its bytes, or the path of a file that runtimes read themselves."""

import os
from pathlib import Path

import numpy as np


def content(model: bytes | Path) -> bytes:
    """The bytes of a model."""
    return model.read_bytes() if isinstance(model, Path) else model


def for_litert(model: bytes | Path) -> dict:
    """Arguments that tell a LiteRT interpreter where a model is.

    A file is mapped. But where a constant is an input as well, setting it writes into the memory
    that holds the model: a copy is at hand for that.
    """
    from .tflite.flow import sets_constants

    if isinstance(model, Path) and not sets_constants(np.memmap(model, np.uint8, "r")):
        return {"model_path": str(model)}
    return {"model_content": bytes(bytearray(content(model)))}


def for_onnxruntime(model: bytes | Path, path: str | None) -> tuple[bytes | str, str | None]:
    """What ONNX Runtime is given, and the folder in which it is to look for the model's other files.

    Of a file that it reads itself, it looks beside that; elsewhere for bytes only.

    Args:
        model: bytes, or the path of a file.
        path: where its references count from; None if that is not known.
    """
    from .onnx.storage.outside import refers

    folder = path and os.path.dirname(os.path.abspath(path))
    if isinstance(model, Path):
        elsewhere = path and os.path.realpath(folder) != os.path.realpath(model.parent)
        if not elsewhere or not refers(data := model.read_bytes()):
            return str(model), None
        model = data
    return model, folder

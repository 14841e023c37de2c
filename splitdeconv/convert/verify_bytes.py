"""A model to be run: its bytes, or the path of a file that runtimes read themselves."""

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
    from .tflite_flow import sets_constants

    if isinstance(model, Path) and not sets_constants(np.memmap(model, np.uint8, "r")):
        return {"model_path": str(model)}
    return {"model_content": bytes(bytearray(content(model)))}

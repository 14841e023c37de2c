"""A model to be run: its bytes, or the path of a file that runtimes read themselves."""

from pathlib import Path


def content(model: bytes | Path) -> bytes:
    """The bytes of a model."""
    return model.read_bytes() if isinstance(model, Path) else model

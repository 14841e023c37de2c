"""A model to be run: its bytes, or the path of a file that runtimes read themselves."""

import mmap
from pathlib import Path
from typing import TypeAlias

#: The bytes of a file, read or mapped.
Bytes: TypeAlias = bytes | mmap.mmap


def content(model: bytes | Path) -> bytes:
    """The bytes of a model."""
    return model.read_bytes() if isinstance(model, Path) else model

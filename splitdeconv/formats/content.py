"""A model to run: its bytes, or the path of a file that the runtime reads itself."""

import mmap
from pathlib import Path
from typing import TypeAlias

#: The bytes of a file, read or memory-mapped.
Bytes: TypeAlias = bytes | mmap.mmap


def content(model: bytes | Path) -> bytes:
    """The bytes of a model."""
    return model.read_bytes() if isinstance(model, Path) else model

"""A model to run: its bytes, or the path of a file that the runtime reads itself."""

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import keras
    import torch

#: The bytes of a file, read or memory-mapped.
Bytes: TypeAlias = bytes | mmap.mmap
#: A model as a format accepts it: bytes, the path of a file, or an object that the format uses. To
#: a type checker it is anything, because each format narrows it to what it accepts.
Source: TypeAlias = Any
#: A model in memory.
ModelObject: TypeAlias = "keras.Model | torch.export.ExportedProgram | torch.nn.Module"


def content(model: bytes | Path) -> bytes:
    """The bytes of a model."""
    return model.read_bytes() if isinstance(model, Path) else model

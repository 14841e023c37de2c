"""ONNX models whose large tensors lie in files beside them: whether a model has such, and which stay there."""

import mmap
from pathlib import Path

from ..graph import scopes
from ..parse import is_external, locate

#: Bytes up to which a tensor is brought inside: `onnx.save_model` leaves those inside by default, too.
SMALL = 1024


def staying(model, folder) -> list:
    """The tensors that a model keeps in other files when it is written: large dense initializers.

    Args:
        model: a ModelProto.
        folder: where it lies.

    Raises:
        SplitDeconvError: one of the tensors cannot be read.
    """
    stored = (tensor for scope in scopes(model) for tensor in getattr(scope.graph, "initializer", ()))
    return [tensor for tensor in stored if is_external(tensor) and locate(tensor, folder)[2] > SMALL]


def refers(data: bytes) -> bool:
    """Whether the bytes of a model may refer to other files: they then hold the word for it."""
    return b"location" in data


def refers_to_files(path: Path) -> bool:
    """As `refers`, of a model file, which is mapped and not read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped.find(b"location") >= 0

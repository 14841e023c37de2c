"""ONNX models with large tensors in external files: find out which of them stay there."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from ..graph import scopes
from ..tensors import is_external, locate

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

#: Size up to which a tensor is moved inside, the default threshold of `onnx.save_model`.
SMALL = 1024


def staying(model: ModelProto, folder: str | Path | None) -> list[TensorProto]:
    """The tensors that stay in external files when a model is written: large dense initializers.

    Args:
        model: a ModelProto.
        folder: the folder of the model.

    Raises:
        SplitDeconvError: one of the tensors cannot be read.
    """
    return [
        tensor
        for scope in scopes(model)
        for tensor in getattr(scope.graph, "initializer", ())
        if is_external(tensor) and locate(tensor, folder).size > SMALL
    ]


def refers(data: bytes) -> bool:
    """Whether a model given as bytes may refer to other files: it then contains the keyword."""
    return b"location" in data


def refers_to_files(path: Path) -> bool:
    """Like `refers`, for a model file, which is mapped and not read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped.find(b"location") >= 0

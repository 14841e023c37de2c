"""ONNX models with large tensors in external files: find out which of them stay there."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ....extras import require
from ..graph import scopes
from ..tensors import STRING, is_external, locate

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
    return [t for t in _initializers(model) if is_external(t) and locate(t, folder).size > SMALL]


def inside(model: ModelProto) -> list[TensorProto]:
    """The tensors in a model that may go to an external file: large dense initializers."""
    return [
        tensor
        for tensor in _initializers(model)
        if not is_external(tensor) and tensor.data_type != STRING and tensor.ByteSize() > SMALL
    ]


def stored(tensor: TensorProto) -> bytes:
    """The values of a tensor as an external file stores them: raw, in little-endian order."""
    if not tensor.HasField("raw_data"):
        numpy_helper = require("onnx.numpy_helper", "onnx")
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor))
    raw: bytes = tensor.raw_data
    return raw


def _initializers(model: ModelProto) -> Iterator[TensorProto]:
    for scope in scopes(model):
        yield from getattr(scope.graph, "initializer", ())


def refers(data: bytes) -> bool:
    """Whether a model given as bytes may refer to other files: it then contains the keyword."""
    return b"location" in data


def refers_to_files(path: Path) -> bool:
    """Like `refers`, for a model file, which is mapped and not read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped.find(b"location") >= 0

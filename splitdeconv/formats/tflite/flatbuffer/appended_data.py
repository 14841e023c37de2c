"""Constants and options that a TFLite file stores after its flatbuffer, as in models above 2 GB.

A buffer without data of its own then has an offset from the beginning of the file and a size; a
custom operator has these for its options. The interpreter treats offsets 0 and 1 as absent
(tflite/core/interpreter_builder.cc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import SplitDeconvError
from .bounds import beyond

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from .objects import ModelT

_FIRST = 2  # the smallest valid offset


def bring_inside(model: ModelT, data: bytes, end: int, where: str) -> int:
    """Give parts that are stored outside the flatbuffer their data, as views without copying.

    Args:
        model: a `ModelT`, which is modified.
        data: the file.
        end: the end of the flatbuffer.
        where: the name of the file in errors.

    Returns:
        The end of the data that belongs to the model.

    Raises:
        SplitDeconvError: a part extends beyond the file, or is in another file.
    """
    if getattr(model, "externalBuffers", None) or getattr(model, "externalBufferGroups", None):
        raise SplitDeconvError(
            "the TFLite file stores data in other files",
            where=where,
            expected="weights inside the file",
            got="external buffers, which name other files",
            fix="export the model into one file, or convert the model it was made from",
        )
    for number, buffer in enumerate(model.buffers or ()):
        if buffer.data is None and buffer.offset >= _FIRST:
            buffer.data = _part(data, buffer.offset, buffer.size, f"buffer {number}", where)
            end = max(end, buffer.offset + buffer.size)
        buffer.offset = buffer.size = 0
    for operator in (
        operator for graph in model.subgraphs or () for operator in graph.operators or ()
    ):
        start, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
        if start >= _FIRST:
            operator.customOptions = _part(
                data, start, size, "the options of a custom operator", where
            )
            end = max(end, start + size)
        operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return end


def holds(buffer: Any) -> bool:
    """Whether a `Buffer` of the schema's readers has data, inside the flatbuffer or after it."""
    return bool(buffer.DataLength() or (buffer.Offset() >= _FIRST and buffer.Size()))


def _part(data: bytes, start: int, size: int, what: str, where: str) -> NumpyArray:
    if start + size > len(data):
        raise beyond(where, what, start, start + size, len(data))
    return np.frombuffer(data, np.uint8, size, start)

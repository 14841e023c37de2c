"""Constants and options that a TFLite file keeps behind its flatbuffer, as exporters write models that may exceed 2 GB.

A buffer without data of its own then states an offset from the beginning of the file and a size; a custom operator does
so for its options. The interpreter takes 0 and 1 for no offset (tflite/core/interpreter_builder.cc).
"""

import numpy as np

from ....errors import SplitDeconvError
from .bounds import damaged

_FIRST = 2  # the smallest offset that counts


def bring_inside(model, data: bytes, end: int, where: str) -> int:
    """Give every part of a model that lies outside its flatbuffer as data of its own: views, nothing is copied.

    Args:
        model: a `ModelT`; changed.
        data: the file.
        end: where the flatbuffer ends.
        where: what to call the file in a refusal.

    Returns:
        Where what belongs to the model ends.

    Raises:
        SplitDeconvError: a part reaches beyond the file, or lies in another one.
    """
    if getattr(model, "externalBuffers", None) or getattr(model, "externalBufferGroups", None):
        raise SplitDeconvError(
            "the TFLite file keeps data in other files",
            where=where,
            expected="weights in the file itself",
            got="external buffers, which name the files that hold them",
            fix="export the model into one file, or convert the model that it was made from",
        )
    for number, buffer in enumerate(model.buffers or ()):
        if buffer.data is None and buffer.offset >= _FIRST:
            buffer.data = _part(data, buffer.offset, buffer.size, f"buffer {number}", where)
            end = max(end, buffer.offset + buffer.size)
        buffer.offset = buffer.size = 0
    for operator in (operator for graph in model.subgraphs or () for operator in graph.operators or ()):
        start, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
        if start >= _FIRST:
            operator.customOptions = _part(data, start, size, "the options of a custom operator", where)
            end = max(end, start + size)
        operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return end


def holds(buffer) -> bool:
    """Whether a `Buffer` of the schema's readers holds anything, inside the flatbuffer or behind it."""
    return bool(buffer.DataLength() or (buffer.Offset() >= _FIRST and buffer.Size()))


def _part(data, start, size, what, where):
    if start + size > len(data):
        raise damaged(where, f"{what}: bytes {start} to {start + size} of a file of {len(data)}")
    return np.frombuffer(data, np.uint8, size, start)

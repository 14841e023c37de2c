"""Read and write TFLite models: bytes are checked before they are read, and aligned when written.

The object API of the schema does both. It keeps weights as views of the bytes, so that nothing is
copied until the model is written.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import SplitDeconvError
from ....extras import require
from .appended_data import bring_inside
from .bounds import damaged, extent, schema

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from .objects import BufferT, ModelT

_IDENTIFIER = b"TFL3"
# Offsets are 32-bit, and signed ones must reach across the file.
_MOST_BYTES = 2**31 - 1
#: Size in bytes of constants that are not copied unnecessarily.
_LARGE = 1 << 20
_END_OF_ZIP = struct.Struct("<4s4H2LH")
_ZIP_ENTRY = struct.Struct("<4s6H3L5H2L")


def read(data: bytes, where: str) -> tuple[ModelT, bytes]:
    """The model in a file, and the bytes that were appended to it.

    Args:
        data: the file. The constants of the result are views of it.
        where: the name of the file in errors.

    Returns:
        (`ModelT` of the schema's object API, bytes after the model; metadata tools append a zip of
        labels). Data that the file stores after its flatbuffer is in the `ModelT` like all other
        data.

    Raises:
        SplitDeconvError: the bytes are not a valid TFLite flatbuffer, use a newer schema, or keep
            weights in other files.
    """
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        raise SplitDeconvError(
            "not a TFLite model",
            where=where,
            expected="a flatbuffer with the identifier TFL3",
            got=f"{len(data)} bytes"
            + (f" with {bytes(data[4:8])!r} in its place" if len(data) >= 8 else ""),
        )
    end = extent(data, where)
    generated = schema()
    try:
        model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(data))
    except (struct.error, ValueError, IndexError, TypeError, OverflowError) as error:
        # A number may extend beyond the end of the file; only offsets have been checked.
        raise damaged(where, f"unreadable field: {error}") from None
    end = bring_inside(model, data, end, where)
    for graph in model.subgraphs or ():
        # Either vector may be missing.
        graph.tensors, graph.operators = graph.tensors or [], graph.operators or []
    tail = data[end:]
    return model, tail if any(tail) else b""


def write(model: ModelT, tail: bytes = b"") -> bytes:
    """The file of a model, followed by the bytes that were appended to the original.

    Raises:
        SplitDeconvError: it would exceed the size limit of a flatbuffer.
    """
    return b"".join(_parts(model, tail))


def save(model: ModelT, path: str | Path, tail: bytes = b"") -> None:
    """Like `write`, but into the file `path`, which needs one copy less of a large model."""
    with open(path, "wb") as file:
        file.writelines(_parts(model, tail))


def _parts(model: ModelT, tail: bytes) -> tuple[bytes | memoryview, ...]:
    constants = sum(0 if b.data is None else len(b.data) for b in model.buffers)
    if constants + (1 << 24) > _MOST_BYTES:
        raise SplitDeconvError(
            "the model is too large for one flatbuffer",
            where="the TFLite file",
            expected="less than 2 GB",
            got=f"{constants:,} bytes of constants",
            fix="convert with form split, which adds no weights",
        )
    # Reserve enough space at once: a builder that is too small copies itself into one of twice the
    # size.
    parts = sum(len(g.tensors or ()) + len(g.operators or ()) for g in model.subgraphs)
    builder = _builder(constants + 600 * parts + (1 << 16))
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    body = memoryview(builder.Bytes)[builder.Head() :]
    return (body, _moved(tail, len(body))) if len(tail) else (body,)


def _builder(size: int) -> Any:
    """A builder that aligns byte vectors to 16 bytes, as the schema requires; Python's does not."""
    base: Any = require("flatbuffers", "tflite").Builder

    class Builder(base):
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802
            return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)

        def CreateNumpyVector(self, x: NumpyArray) -> int:  # noqa: N802
            if x.dtype != np.uint8 or x.nbytes < _LARGE:
                return super().CreateNumpyVector(x)
            self.StartVector(1, x.size, 1)  # as in the base class, which makes three copies
            self.head -= x.size
            memoryview(self.Bytes)[self.head : self.head + x.size] = np.ascontiguousarray(x).data
            self.vectorNumElems = x.size
            return self.EndVector()

    return Builder(size)


def _moved(tail: bytes, start: int) -> bytes:
    """Appended bytes, moved to `start`, with the absolute offsets of a zip archive adjusted.

    Layout of the archive: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.12 (entry) and 4.3.16 (end).
    Any other data is kept unchanged.
    """
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _END_OF_ZIP.size:
        return tail
    *head, count, length, old, comment = _END_OF_ZIP.unpack_from(tail, end)
    position, moved = end - length, []
    directory = start + position
    for _ in range(count):
        if (
            position < 0
            or position + _ZIP_ENTRY.size > end
            or tail[position : position + 4] != b"PK\x01\x02"
        ):
            return tail
        *entry, offset = _ZIP_ENTRY.unpack_from(tail, position)
        moved.append((position, *entry, offset + directory - old))
        position += _ZIP_ENTRY.size + sum(entry[10:13])
    if any(not 0 <= fields[-1] < 2**32 for fields in moved):
        return tail
    archive = bytearray(tail)
    for fields in moved:
        _ZIP_ENTRY.pack_into(archive, *fields)
    _END_OF_ZIP.pack_into(archive, end, *head, count, length, directory, comment)
    return bytes(archive)


def view(buffer: BufferT) -> NumpyArray:
    """The bytes of a buffer, without copying; empty if it has none."""
    data = buffer.data
    return np.zeros(0, np.uint8) if data is None else np.asarray(data, np.uint8)

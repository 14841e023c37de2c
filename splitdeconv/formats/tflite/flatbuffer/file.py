"""Bytes to a TFLite model in memory and back: checked before they are read, aligned when they are written.

The schema's own object API does both; it keeps weights as views of the bytes, so that nothing is copied until the end.
"""

import struct

import numpy as np

from ....errors import SplitDeconvError
from ....extras import require
from .bounds import damaged, extent, schema
from .outside import bring_inside

_IDENTIFIER = b"TFL3"
# Offsets are 32-bit and signed ones must reach across the file.
_MOST_BYTES = 2**31 - 1
#: Bytes of constants that are not copied more often than needed.
_LARGE = 1 << 20
_END_OF_ZIP = struct.Struct("<4s4H2LH")
_ZIP_ENTRY = struct.Struct("<4s6H3L5H2L")


def read(data: bytes, where: str):
    """The model in a file, and the bytes that were appended to it.

    Args:
        data: the file. The result's constants are views of it.
        where: what to call it in a refusal.

    Returns:
        (`ModelT` of the schema's object API, bytes behind the model: metadata tools append a zip of labels). What the
        file keeps behind its flatbuffer is in the `ModelT` like everything else.

    Raises:
        SplitDeconvError: the bytes are no sound TFLite flatbuffer, belong to a newer schema, or keep weights in other
            files.
    """
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        raise SplitDeconvError(
            "this is no TFLite model",
            where=where,
            expected="a flatbuffer with the identifier TFL3",
            got=f"{len(data)} bytes" + (f" with {bytes(data[4:8])!r} in its place" if len(data) >= 8 else ""),
        )
    end = extent(data, where)
    generated = schema()
    try:
        model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(data))
    except (struct.error, ValueError, IndexError, TypeError, OverflowError) as error:
        # A number that lies across the end of the file; every offset has been checked.
        raise damaged(where, f"a field that cannot be read: {error}") from None
    end = bring_inside(model, data, end, where)
    for graph in model.subgraphs or ():
        # Either vector may be left out.
        graph.tensors, graph.operators = graph.tensors or [], graph.operators or []
    tail = data[end:]
    return model, tail if any(tail) else b""


def write(model, tail=b"") -> bytes:
    """The file of a model, with what was appended to the original appended again.

    Raises:
        SplitDeconvError: it would exceed what a flatbuffer can address.
    """
    return b"".join(_parts(model, tail))


def save(model, path, tail=b"") -> None:
    """As `write`, into the file `path`: large models are held once less."""
    with open(path, "wb") as file:
        file.writelines(_parts(model, tail))


def _parts(model, tail):
    constants = sum(0 if b.data is None else len(b.data) for b in model.buffers)
    if constants + (1 << 24) > _MOST_BYTES:
        raise SplitDeconvError(
            "the model is too large for one flatbuffer",
            where="the TFLite file",
            expected="less than 2 GB",
            got=f"{constants:,} bytes of constants",
            fix="convert with form split, which adds no weights",
        )
    # Room enough at once: a builder that is too small copies itself into one of twice the size.
    parts = sum(len(g.tensors or ()) + len(g.operators or ()) for g in model.subgraphs)
    builder = _builder(constants + 600 * parts + (1 << 16))
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    body = memoryview(builder.Bytes)[builder.Head() :]
    return (body, _moved(tail, len(body))) if len(tail) else (body,)


def _builder(size):
    """A builder that puts byte vectors on 16-byte boundaries, as the schema demands of buffers; its Python forgets."""
    base = require("flatbuffers", "tflite").Builder

    class Builder(base):
        def StartVector(self, elemSize, numElems, alignment):  # noqa: N802
            return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)

        def CreateNumpyVector(self, x):  # noqa: N802
            if x.dtype != np.uint8 or x.nbytes < _LARGE:
                return super().CreateNumpyVector(x)
            self.StartVector(1, x.size, 1)  # as its own, which makes three copies on the way
            self.head -= x.size
            memoryview(self.Bytes)[self.head : self.head + x.size] = np.ascontiguousarray(x)
            self.vectorNumElems = x.size
            return self.EndVector()

    return Builder(size)


def _moved(tail, start):
    """Appended bytes, to lie at `start` now. A zip archive counts from the file's beginning, so its entries are moved.

    Layout of the archive: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.12 (entry) and 4.3.16 (end). Anything else is kept
    as it is.
    """
    tail = bytearray(tail)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _END_OF_ZIP.size:
        return bytes(tail)
    *head, count, length, old, comment = _END_OF_ZIP.unpack_from(tail, end)
    position, moved = end - length, []
    directory = start + position
    for _ in range(count):
        if position < 0 or position + _ZIP_ENTRY.size > end or tail[position : position + 4] != b"PK\x01\x02":
            return bytes(tail)
        *entry, offset = _ZIP_ENTRY.unpack_from(tail, position)
        moved.append((position, *entry, offset + directory - old))
        position += _ZIP_ENTRY.size + sum(entry[10:13])
    if any(not 0 <= entry[-1] < 2**32 for entry in moved):
        return bytes(tail)
    for entry in moved:
        _ZIP_ENTRY.pack_into(tail, *entry)
    _END_OF_ZIP.pack_into(tail, end, *head, count, length, directory, comment)
    return bytes(tail)


def view(buffer) -> np.ndarray:
    """A buffer's bytes, without copying; empty where it has none."""
    data = buffer.data
    return np.zeros(0, np.uint8) if data is None else np.asarray(data, np.uint8)

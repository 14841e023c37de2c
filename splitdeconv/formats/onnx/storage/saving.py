"""Save an ONNX model whose large tensors are in external files, or load it into one piece.

A model refers to these files by paths relative to its own folder, and runtimes do not follow paths
that lead out of it. A result keeps its references where they lead to the same files. Anywhere else,
it is saved with a copy of the tensors in one file of its own, named after it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .... import output
from ....errors import SplitDeconvError
from ....extras import require
from ..model import OnnxModel
from ..tensors import LARGEST, all_tensors, inlined, is_external, locate
from .external_data import refers, staying

if TYPE_CHECKING:
    from typing import BinaryIO

    from onnx import TensorProto

    from ..tensors import Place

#: Alignment of tensors in a file: pages, which runtimes can map.
_PAGE = 4096
_CHUNK = 1 << 22


def completed(data: bytes, folder: str | Path) -> bytes:
    """A model with all its data inside.

    Args:
        data: its bytes.
        folder: where the external files are.

    Raises:
        SplitDeconvError: it would exceed protobuf's 2 GiB, or a file cannot be read.
    """
    if not refers(data):
        return data
    model = OnnxModel.parse(data, path=Path(folder) / "model")
    if (size := len(data) + model.bytes_outside) > LARGEST:
        raise SplitDeconvError(
            "the model is too large for one file in memory",
            where="result.model",
            expected=f"up to {LARGEST} bytes, external data included",
            got=f"{size} bytes",
            fix="save it in the folder of the original (result.save, splitdeconv convert)",
        )
    return model.serialize()


def save(data: bytes, folder: str | Path, path: str | Path, overwrite: bool = False) -> Path:
    """Write a model so that it loads from its new location; copy external tensors only if needed.

    Args:
        data: the model's bytes.
        folder: where the external files are.
        path: the file to write.
        overwrite: whether existing files may be replaced.

    Raises:
        SplitDeconvError: as for `output.write`, for the model and for the file NAME.data beside it;
            or a tensor cannot be read.
    """
    path = output.check(path, overwrite)
    target = Path(os.path.realpath(path))
    folder = Path(os.path.realpath(folder))
    if folder == target.parent or not refers(data):
        return output.write(path, data, overwrite)
    model = require("onnx", "onnx").load_model_from_string(data)
    beside = target.with_name(f"{target.name}.data")
    large = staying(model, folder)
    places = _move(large, folder, beside)
    moved = {id(tensor) for tensor in large}
    # A converted model holds its small tensors itself; an original that is kept may not.
    for tensor in filter(is_external, all_tensors(model)):
        if id(tensor) not in moved:
            tensor.CopyFrom(inlined(tensor, folder))
    if places:
        output.check(beside, overwrite)
        new = not beside.exists()
        output.write(beside, lambda partial: _fill(partial, places), overwrite)
    try:
        return output.write(path, model.SerializeToString(deterministic=True), overwrite)
    except SplitDeconvError:
        if places and new:
            beside.unlink(missing_ok=True)
        raise


def _move(tensors: Iterable[TensorProto], folder: Path, beside: Path) -> dict[Place, int]:
    """Make tensors refer to their location as seen from a new folder, or to the file `beside`.

    Returns:
        The contents of that file: the position in it by (file, offset, bytes).
    """
    places: dict[Place, int] = {}
    end = 0
    for tensor in tensors:
        part = locate(tensor, folder)
        source, offset, size = part
        if source == Path(os.path.realpath(beside)):
            raise SplitDeconvError(
                "the output cannot be written",
                where=str(beside),
                expected="a file that the model itself does not read",
                got=str(source),
                fix="choose another name",
            )
        if beside.parent in source.parents:
            location = source.relative_to(beside.parent)
        else:
            location = Path(beside.name)
            if part not in places:
                places[part] = end
                end = -(-(end + size) // _PAGE) * _PAGE
            offset = places[part]
        del tensor.external_data[:]
        for key, value in (("location", location.as_posix()), ("offset", offset), ("length", size)):
            tensor.external_data.add(key=key, value=str(value))
    return places


def _fill(path: str | Path, places: Mapping[Place, int]) -> None:
    """Copy parts of files into one file, a few megabytes at a time; holes stay holes."""
    with open(path, "wb") as target:
        for (source, start, size), place in places.items():
            with open(source, "rb") as file:
                for begin, end in _stretches(file, start, start + size):
                    file.seek(begin)
                    target.seek(place + begin - start)
                    while begin < end and (part := file.read(min(_CHUNK, end - begin))):
                        target.write(part)
                        begin += len(part)
            target.truncate(max(place + size, target.seek(0, os.SEEK_END)))


def _stretches(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of the stored parts of a file range; all of it if holes are not reported."""
    if not hasattr(os, "SEEK_DATA"):
        yield start, stop
        return
    while start < stop:
        try:
            start = os.lseek(file.fileno(), start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # the rest is a hole
        end = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), stop)
        if start < end:
            yield start, end
        start = end

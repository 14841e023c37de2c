"""Save an ONNX model whose large tensors are in external files, or load it into one piece.

A model refers to these files by paths relative to its own folder, and runtimes do not follow paths
that lead out of it. A result keeps its references where they lead to the same files. Anywhere else,
it is saved with a copy of the tensors in one file of its own, named after it. On request, the large
tensors that it holds itself go to that file as well.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .... import output
from ....errors import SplitDeconvError
from ....extras import require
from ..model import OnnxModel
from ..tensors import LARGEST, all_tensors, inlined, is_external, locate
from .external_data import inside, refers, staying, stored

if TYPE_CHECKING:
    from typing import BinaryIO

    from onnx import TensorProto

    from ..tensors import Place

#: Alignment of tensors in a file: pages, which runtimes can map.
_PAGE = 4096
_CHUNK = 1 << 22
#: What goes to the file NAME.data: positions by the place or the bytes that are copied there.
Contents: TypeAlias = "dict[Place | bytes, int]"


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


def save(
    data: bytes,
    folder: str | Path | None,
    path: str | Path,
    overwrite: bool = False,
    external: bool = False,
) -> Path:
    """Write a model so that it loads from its new location; copy external tensors only if needed.

    Args:
        data: the model's bytes.
        folder: where the external files are; None if there are none.
        path: the file to write.
        overwrite: whether existing files may be replaced.
        external: whether the large tensors that the model holds go to NAME.data, too.

    Raises:
        SplitDeconvError: as for `output.write`, for the model and for the file NAME.data beside it;
            or a tensor cannot be read.
    """
    path = output.check(path, overwrite)
    target = Path(os.path.realpath(path))
    home = None if folder is None else Path(os.path.realpath(folder))
    moves = home not in (None, target.parent) and refers(data)
    if not moves and not external:
        return output.write(path, data, overwrite)
    model = require("onnx", "onnx").load_model_from_string(data)
    beside = target.with_name(f"{target.name}.data")
    contents: Contents = {}
    large = staying(model, home) if home is not None else []
    _refuse_if_read(large, home, beside)
    if moves:
        _move(large, home, beside, contents)
        moved = {id(tensor) for tensor in large}
        # A converted model holds its small tensors itself; an original that is kept may not.
        for tensor in filter(is_external, all_tensors(model)):
            if id(tensor) not in moved:
                tensor.CopyFrom(inlined(tensor, home))
    if external:
        for tensor in inside(model):
            held = stored(tensor)
            _refer(tensor, Path(beside.name), _placed(contents, held, len(held)), len(held))
    if contents:
        output.check(beside, overwrite)
        new = not beside.exists()
        output.write(beside, lambda partial: _fill(partial, contents), overwrite)
    try:
        return output.write(path, model.SerializeToString(deterministic=True), overwrite)
    except SplitDeconvError:
        if contents and new:
            beside.unlink(missing_ok=True)
        raise


def _refuse_if_read(tensors: Iterable[TensorProto], folder: Path | None, beside: Path) -> None:
    """Refuse to write over a file that the model reads."""
    own = Path(os.path.realpath(beside))
    if any(locate(tensor, folder).path == own for tensor in tensors):
        raise SplitDeconvError(
            "the output cannot be written",
            where=str(beside),
            expected="a file that the model itself does not read",
            got=str(own),
            fix="choose another name",
        )


def _move(
    tensors: Iterable[TensorProto], folder: Path | None, beside: Path, contents: Contents
) -> None:
    """Make tensors refer to their location as seen from a new folder, or to the file `beside`."""
    for tensor in tensors:
        part = locate(tensor, folder)
        location, offset = Path(beside.name), part.offset
        if beside.parent in part.path.parents:
            location = part.path.relative_to(beside.parent)
        else:
            offset = _placed(contents, part, part.size)
        _refer(tensor, location, offset, part.size)


def _placed(contents: Contents, part: Place | bytes, size: int) -> int:
    """The position of a part in the file NAME.data, where it is added unless it is there."""
    if part not in contents:
        last = next(reversed(contents), None)
        end = 0 if last is None else contents[last] + _size(last)
        contents[part] = -(-end // _PAGE) * _PAGE
    return contents[part]


def _size(part: Place | bytes) -> int:
    return len(part) if isinstance(part, bytes) else part.size


def _refer(tensor: TensorProto, location: Path, offset: int, size: int) -> None:
    """Let a tensor refer to a part of a file instead of what it holds or referred to."""
    other = type(tensor)(
        data_type=tensor.data_type, dims=tensor.dims, name=tensor.name, doc_string=tensor.doc_string
    )
    other.metadata_props.extend(tensor.metadata_props)
    other.data_location = type(tensor).EXTERNAL
    for key, value in (("location", location.as_posix()), ("offset", offset), ("length", size)):
        other.external_data.add(key=key, value=str(value))
    tensor.CopyFrom(other)


def _fill(path: str | Path, contents: Mapping[Place | bytes, int]) -> None:
    """Write parts into one file, those of files a few megabytes at a time; holes stay holes."""
    with open(path, "wb") as target:
        for part, place in contents.items():
            if isinstance(part, bytes):
                target.seek(place)
                target.write(part)
                continue
            source, start, size = part
            with open(source, "rb") as file:
                for begin, end in _stretches(file, start, start + size):
                    file.seek(begin)
                    target.seek(place + begin - start)
                    while begin < end and (chunk := file.read(min(_CHUNK, end - begin))):
                        target.write(chunk)
                        begin += len(chunk)
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

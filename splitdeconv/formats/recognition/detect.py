"""Identify a model's format by content, not by name; give the next command for other files."""

import mmap
import os
import stat
from pathlib import Path

from ...errors import SplitDeconvError
from ...limits.bounds import LARGEST
from ..format import Format
from ..registry import beginning_with, holding, listed
from . import kinds, recipes


def read_model(model: object) -> tuple[bytes, str | None]:
    """The bytes of a model given as bytes or as a path, and the path.

    Raises:
        SplitDeconvError: for the same reasons as `look`.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return bytes(model), None
    _, size, path = look(model)
    assert path is not None  # it is not bytes
    try:
        with open(path, "rb") as file:
            return file.read(size), path
    except OSError as error:
        raise _unreadable(Path(path), error) from None


def look(model: object) -> tuple[bytes, int, str | None]:
    """The first bytes of a model given as bytes or as a path, its size, and the path.

    Raises:
        SplitDeconvError: the file does not exist, is a directory, empty, too large, or unreadable.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return bytes(model[:64]), len(model), None
    if not isinstance(model, str | os.PathLike):
        raise SplitDeconvError(
            "not a recognised model",
            where="model",
            expected=f"a {listed()} model as path or bytes, or one in memory",
            got=f"{type(model).__module__}.{type(model).__name__}",
        )
    path = Path(model)
    try:
        held = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise _unreadable(path, error) from None
    if stat.S_ISDIR(held.st_mode):
        raise _refuse(*kinds.describe_folder(path), path)
    if not stat.S_ISREG(held.st_mode):  # reading it may never end
        raise _refuse("a pipe, a socket or a device", "save the model in a file", path)
    if not held.st_size:  # files in /proc also report a size of 0, and some never end
        raise _refuse("an empty file", recipes.AGAIN, path)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise _unreadable(path, error) from None
    if held.st_size > LARGEST:
        raise _too_large(path, head, held.st_size)
    return head, held.st_size, str(path)


def likely(model: object) -> Format | None:
    """The format of a model given as bytes or as a path, which is only mapped; None for others.

    Raises:
        SplitDeconvError: for the same reasons as `look`.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return holding(bytes(model))
    path = look(model)[2]
    assert path is not None  # it is not bytes
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return holding(mapped)


def detect(data: bytes, where: str | Path = "the model") -> str:
    """The name of a model's format, such as "tflite", "onnx" or "keras".

    Args:
        data: its bytes.
        where: its name in errors.

    Raises:
        SplitDeconvError: it is empty or not a model; the error gives the next command if known.
    """
    file_format = holding(data)
    if file_format is None:
        raise _refuse(*kinds.describe(data, where), where)
    return file_format.name


def _too_large(path: Path, head: bytes, size: int) -> SplitDeconvError:
    """The error for a file that is too large; HDF5 files and checkpoints get specific advice."""
    if head.startswith(b"\x89HDF"):
        fix = recipes.filled(recipes.LEGACY, path)
        raise _refuse("an HDF5 file: legacy Keras, or weights alone", fix, path)
    if head.startswith(b"\x80"):
        detect(head, path)
    file_format = beginning_with(head)
    fixes = {
        "tflite": recipes.SMALLER,
        "keras": f"if it is a PyTorch checkpoint: {recipes.TO_PT2}",
    }
    name = "" if file_format is None else file_format.name
    return SplitDeconvError(
        "the model is too large",
        where=str(path),
        expected=f"a {listed()} model of at most {LARGEST:,} bytes",
        got=f"{size:,} bytes",
        fix=fixes.get(name, "convert only a part of the model"),
    )


def _unreadable(path: Path, error: Exception) -> SplitDeconvError:
    got = getattr(error, "strerror", None) or str(error)
    return SplitDeconvError(
        "the model cannot be read",
        where=str(path),
        expected=f"a {listed()} model",
        got=got,
        fix="check path and permissions",
    )


def _refuse(what: str, fix: str, where: str | Path) -> SplitDeconvError:
    return SplitDeconvError(
        "unsupported model format",
        where=str(where),
        expected=f"a {listed()} model",
        got=what,
        fix=fix,
    )

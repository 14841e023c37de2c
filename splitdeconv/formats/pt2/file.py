"""Read and write .pt2 files; a file is vetted before PyTorch reads it."""

from __future__ import annotations

import io
import logging
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SplitDeconvError
from ...extras import require
from ..recognition import archives
from . import vet

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def is_program(archive: zipfile.ZipFile) -> bool:
    """Whether an archive is a program of `torch.export.save`, as since PyTorch 2.8."""
    names = {name.partition("/")[2] for name in archive.namelist()}
    return "archive_format" in names and any(name.startswith("models/") for name in names)


def load(data: bytes | Path, where: str) -> ExportedProgram:
    """The program in a .pt2 file.

    Args:
        data: its bytes, or its path.
        where: its name in errors.

    Raises:
        SplitDeconvError: it is damaged, of a newer version, or holds code.
    """
    torch = require("torch", "torch")
    content = io.BytesIO(data if isinstance(data, bytes) else data.read_bytes())
    try:
        with zipfile.ZipFile(content) as archive:
            vet.check(archive, where)
            _check_samples(archive, where)
        content.seek(0)
        with _quietly():
            return torch.export.load(content)
    except SplitDeconvError:
        raise
    except MemoryError:
        raise
    # PyTorch's readers raise whatever the contents lead them to.
    except Exception as error:
        raise vet.damaged(where, error) from None


def save(program: ExportedProgram) -> bytes:
    """The .pt2 file of a program."""
    buffer = io.BytesIO()
    with _quietly():
        require("torch", "torch").export.save(program, buffer)
    return buffer.getvalue()


def _check_samples(archive: zipfile.ZipFile, where: str) -> None:
    """Refuse example inputs other than tensors and numbers, which PyTorch would unpickle."""
    torch = require("torch", "torch")
    for name in archive.namelist():
        content = archive.read(name) if "/data/sample_inputs/" in name else b""
        if not content:
            continue
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except (pickle.UnpicklingError, *archives.BROKEN) as error:
            raise vet.refuse(where, name, f"a pickle: {error}") from None


@contextmanager
def _quietly() -> Iterator[Any]:
    """Keep PyTorch's warnings on its own code, and its log of caught errors, off the terminal."""
    log = logging.getLogger("torch")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)

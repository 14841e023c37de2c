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

from ....errors import SplitDeconvError
from ....extras import require
from ...recognition import archives
from . import members, vet
from .refusals import damaged, refuse

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
    try:
        with zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else data) as archive:
            held = members.read(archive, where)
        held = vet.checked(held, where)
        _check_samples(held, where)
        # torch.export.load would hide why a file cannot be read, and read it in older ways.
        package = require("torch.export.pt2_archive._package", "torch")
        with _quietly():
            programs = package.load_pt2(held.packed()).exported_programs
        program: ExportedProgram = next(iter(programs.values()))
        return program
    except SplitDeconvError:
        raise
    except MemoryError:
        raise
    # PyTorch's readers raise whatever the contents lead them to.
    except Exception as error:
        raise damaged(where, error) from None


def save(program: ExportedProgram) -> bytes:
    """The .pt2 file of a program."""
    buffer = io.BytesIO()
    with _quietly():
        require("torch", "torch").export.save(program, buffer)
    return buffer.getvalue()


def _check_samples(held: members.Members, where: str) -> None:
    """Refuse example inputs other than tensors and numbers, which PyTorch would unpickle."""
    torch = require("torch", "torch")
    for name, content in held.data.items():
        if not name.startswith("data/sample_inputs/") or not content:
            continue
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except (pickle.UnpicklingError, *archives.BROKEN) as error:
            raise refuse(where, name, f"a pickle: {error}") from None


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

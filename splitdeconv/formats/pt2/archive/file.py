"""Read and write .pt2 files; a file is vetted before PyTorch reads it."""

from __future__ import annotations

import io
import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import SplitDeconvError
from ....extras import require
from . import members, samples, vet
from .refusals import damaged

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
        held = _rewritten(vet.checked(held, where), where)
        # torch.export.load would hide why a file cannot be read, and read it in older ways.
        package = require("torch.export.pt2_archive._package", "torch")
        with _quietly():
            programs = package.load_pt2(held.packed()).exported_programs
        program: ExportedProgram = next(iter(programs.values()))
        _check_tensors(program, where)
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


def _rewritten(held: members.Members, where: str) -> members.Members:
    """The members with the example inputs written anew."""
    return members.Members(
        {
            name: samples.rewritten(content, where, name)
            if name.startswith("data/sample_inputs/")
            else content
            for name, content in held.data.items()
        }
    )


def _check_tensors(program: ExportedProgram, where: str) -> None:
    """Refuse a program whose graph speaks of other tensors than are stored."""
    stored = {**program.state_dict, **program.constants}
    kinds = ("inputs_to_parameters", "inputs_to_buffers", "inputs_to_lifted_tensor_constants")
    names: dict[str, str] = {}
    for kind in kinds:
        names |= getattr(program.graph_signature, kind)
    for node in program.graph.nodes:
        tensor = stored.get(names.get(node.name, ""))
        meant = node.meta.get("val")
        if node.op != "placeholder" or tensor is None or meant is None:
            continue
        if (tensor.shape, tensor.dtype) != (meant.shape, meant.dtype):
            got = f"{list(tensor.shape)} of {tensor.dtype} is stored"
            raise damaged(
                where,
                ValueError(
                    f"the graph reads {names[node.name]} as {list(meant.shape)} of {meant.dtype}, "
                    f"and {got}"
                ),
            )


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

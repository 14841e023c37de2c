"""The members of a .pt2 archive, copied by their exact names into an archive of our own.

PyTorch looks members up regardless of case, takes the first of several of one name, and reads every
file under `models/` as a program. What it would read must be what was vetted.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import NamedTuple

from ....errors import SplitDeconvError
from ...recognition import archives
from .refusals import damaged, refuse

#: What a program is stored in, by the names below the archive's folder.
_MEMBERS = re.compile(
    r"models/\w+\.json|data/weights/(weight_\d+|\w+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|\w+_constants_config\.json)|data/sample_inputs/\w+\.pt"
    r"|byteorder|version|\.data/\w+|\.format_version|\.storage_alignment|archive_format"
    r"|archive_version",
    re.ASCII,
)
#: Tensors in other members than these are pickles.
_TENSORS = ("data/weights/", "data/constants/")
#: What PyTorch would load as a library, or run.
_COMPILED = ("data/aotinductor/", "data/executorch/", "mtia/")
_ROOT = "archive"


class Members(NamedTuple):
    """The members of an archive by their names below its folder."""

    data: dict[str, bytes]

    @property
    def model(self) -> str:
        """The name of the program."""
        return next(name for name in self.data if name.startswith("models/"))

    def packed(self) -> io.BytesIO:
        """An archive that holds them and nothing else."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in self.data.items():
                archive.writestr(f"{_ROOT}/{name}", data)
        buffer.seek(0)
        return buffer


def read(archive: zipfile.ZipFile, where: str) -> Members:
    """The members of a program's archive.

    Args:
        archive: the opened file.
        where: its name in errors.

    Raises:
        SplitDeconvError: it holds compiled code, several programs, or members that PyTorch and
            others would read differently; or a member is damaged.
    """
    data: dict[str, bytes] = {}
    seen: set[str] = set()
    for item in archive.infolist():
        name = item.filename.partition("/")[2]
        if name.startswith(_COMPILED):
            raise refuse(where, item.filename, "compiled code")
        if item.is_dir() or name.startswith("extra/"):
            continue  # texts beside the program, which is all that is converted
        if not _MEMBERS.fullmatch(name) or name.casefold() in seen:
            pickled = name.startswith(_TENSORS) and name.casefold() not in seen
            got = "a pickle" if pickled else "a member that PyTorch does not write"
            raise refuse(where, item.filename, got)
        seen.add(name.casefold())
        if item.compress_type != zipfile.ZIP_STORED:
            # PyTorch compresses nothing; a few bytes could stand for more than there is memory.
            raise damaged(where, ValueError(f"the member {item.filename} is compressed"))
        try:
            data[name] = archive.read(item)
        except archives.BROKEN as error:
            raise damaged(where, error) from None
    models = [name for name in data if name.startswith("models/")]
    if len(models) != 1:
        raise SplitDeconvError(
            "the .pt2 file does not hold one program",
            where=where,
            expected="one program, as torch.export.save writes it",
            got=f"{len(models)} programs",
            fix="save the program alone with torch.export.save(program, 'model.pt2')",
        )
    return Members(data)

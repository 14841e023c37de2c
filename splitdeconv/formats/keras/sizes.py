"""Check that a .keras file contains the weights that it declares, before any of them is loaded.

A few bytes can declare gigabytes: a highly compressed member, or a dataset without contents.
"""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from ...extras import require

#: Limits on the uncompressed size of an archive: a multiple of its size, or a number of bytes.
_TIMES, _BYTES = 4, 64 << 20
#: Bytes that HDF5 itself needs besides the weights.
_SLACK = 1 << 16


def opened(data: bytes | Path) -> zipfile.ZipFile:
    """The zip archive of a .keras file."""
    return zipfile.ZipFile(data if isinstance(data, Path) else BytesIO(data))


def excess(data: bytes | Path) -> str | None:
    """The inconsistency between the sizes in a .keras file, as text; None if there is none.

    Args:
        data: the file's bytes or path.
    """
    held = data.stat().st_size if isinstance(data, Path) else len(data)
    with opened(data) as archive:
        members = {entry.filename: entry.file_size for entry in archive.infolist()}
        total, most = sum(members.values()), max(_BYTES, _TIMES * held)
        if total > most:
            return f"{held:,} bytes that expand to {total:,}"
        for name in (name for name in members if name.endswith(".h5")):
            with archive.open(name) as file:
                declared = _declared(file)
            if declared > members[name] + _SLACK:
                return (
                    f"{name} declares {declared:,} bytes of weights but contains {members[name]:,}"
                )
    return None


def _declared(file: IO[bytes]) -> int:
    """Bytes of all datasets in an HDF5 file; links are not followed."""
    h5py = require("h5py", "tensorflow")
    sizes: list[int] = []

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size * item.dtype.itemsize)

    with h5py.File(file, "r") as tree:
        tree.visititems(visit)
    return sum(sizes)

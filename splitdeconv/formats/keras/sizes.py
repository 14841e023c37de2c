"""Whether a .keras file holds the weights that it declares, told before any of them is loaded.

A few bytes can declare gigabytes: a compressed member that unfolds, or a dataset without contents.
"""

import zipfile
from io import BytesIO
from pathlib import Path

from ...extras import require

#: What the members of an archive may unfold to: so many times its size, or so many bytes.
_TIMES, _BYTES = 4, 64 << 20
#: What HDF5 itself takes beside the weights.
_SLACK = 1 << 16


def opened(data: bytes | Path) -> zipfile.ZipFile:
    """The archive that a .keras file is."""
    return zipfile.ZipFile(data if isinstance(data, Path) else BytesIO(data))


def excess(data: bytes | Path) -> str | None:
    """What is wrong with the sizes in a .keras file, in words; None if nothing is.

    Args:
        data: the file's bytes or path.
    """
    held = data.stat().st_size if isinstance(data, Path) else len(data)
    with opened(data) as archive:
        members = {entry.filename: entry.file_size for entry in archive.infolist()}
        total, most = sum(members.values()), max(_BYTES, _TIMES * held)
        if total > most:
            return f"{held:,} bytes that unfold to {total:,}"
        for name in (name for name in members if name.endswith(".h5")):
            with archive.open(name) as file:
                declared = _declared(file)
            if declared > members[name] + _SLACK:
                return f"{name} declares {declared:,} bytes of weights and holds {members[name]:,}"
    return None


def _declared(file):
    """Bytes of all datasets in an HDF5 file; links are not followed."""
    h5py, sizes = require("h5py", "tensorflow"), []

    def visit(_, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size * item.dtype.itemsize)

    with h5py.File(file, "r") as tree:
        tree.visititems(visit)
    return sum(sizes)

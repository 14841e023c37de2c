"""Text files from the user, which must be regular files of a reasonable size."""

import os
import stat
from importlib.resources.abc import Traversable
from pathlib import Path

from ..errors import SplitDeconvError, shorten

#: Bytes; a hundred times the package's longest file.
LARGEST = 1 << 20


def read_text(path: Path | Traversable, where: str, what: str) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Args:
        path: a `pathlib.Path` or a traversable resource.
        where: the file as an error names it.
        what: the kind of file, such as "a data file".

    Raises:
        SplitDeconvError: not a regular file, larger than `LARGEST`, unreadable, or not UTF-8.
    """
    try:
        size = _size(path, where, what) if isinstance(path, Path) else LARGEST
        with path.open("rb") as file:
            # At most the size that was checked: a file may grow, and some files under /proc never
            # end.
            return file.read(size).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, SplitDeconvError):
            raise
        got = getattr(error, "strerror", None) or str(error)
        raise _unreadable(where, what, "a readable text file in UTF-8", shorten(got, 200)) from None


def _size(path: Path, where: str, what: str) -> int:
    """Bytes of a regular file; opening a pipe or a device could block, or never end."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(where, what, "a regular file", "a folder, device or pipe")
    if status.st_size > LARGEST:
        raise _unreadable(where, what, f"at most {LARGEST:,} bytes", f"{status.st_size:,} bytes")
    return status.st_size


def _unreadable(where: str, what: str, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        f"{what} cannot be read",
        where=shorten(where, 200),
        expected=expected,
        got=got,
        fix="check the path",
    )

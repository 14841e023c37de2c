"""The temporary folder through which this process and its child exchange files."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import SplitDeconvError

#: Error numbers for a full file system.
FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def folder() -> Iterator[Path]:
    """Create a folder that is removed at the end of the block.

    Raises:
        SplitDeconvError: the folder cannot be created.
    """
    try:
        made = TemporaryDirectory(prefix="splitdeconv-", ignore_cleanup_errors=True)
    except OSError as error:
        raise refuse(
            os.environ.get("TMPDIR", "the system's temporary folder"), error.strerror
        ) from None
    with made:
        yield Path(made.name)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes only to the folder `path`.

    Raises:
        SplitDeconvError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise refuse(path.parent, error.strerror) from None


def refuse(where: str | Path, got: str | None = None) -> SplitDeconvError:
    """The error for a temporary folder that cannot be used."""
    return SplitDeconvError(
        "the temporary folder cannot be used",
        where=str(where),
        expected="permission to write, and room for a copy of the model",
        got=got or os.strerror(errno.ENOSPC),
        fix="free some space, or set the environment variable TMPDIR to another folder",
    )

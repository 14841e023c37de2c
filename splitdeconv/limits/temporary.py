"""The temporary folder in which this process and its child exchange files."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import SplitDeconvError

#: Numbers of the errors that say that a file system is full.
FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, removed at the end of the block.

    Raises:
        SplitDeconvError: there is no place for one.
    """
    try:
        made = TemporaryDirectory(prefix="splitdeconv-", ignore_cleanup_errors=True)
    except OSError as error:
        raise refuse(os.environ.get("TMPDIR", "the system's temporary folder"), error.strerror) from None
    with made:
        yield Path(made.name)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block in which only the folder `path` is written.

    Raises:
        SplitDeconvError: it cannot be.
    """
    try:
        yield
    except OSError as error:
        raise refuse(path.parent, error.strerror) from None


def refuse(where: str | Path, got: str | None = None) -> SplitDeconvError:
    """The refusal for a temporary folder that cannot be used."""
    return SplitDeconvError(
        "the temporary folder cannot be used",
        where=str(where),
        expected="permission to write, and room for a copy of the model",
        got=got or os.strerror(errno.ENOSPC),
        fix="make room, or set the environment variable TMPDIR to another folder",
    )

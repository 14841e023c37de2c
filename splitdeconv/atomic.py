"""Write files completely or not at all: under a unique name beside the target, then renamed."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, new: bool = False, suffix: str = ""
) -> Iterator[Path]:
    """An empty file beside `path`, renamed to it if the block ends well and removed if not.

    A link stays a link: the file that it leads to is replaced. The mode of a file that is replaced
    is kept.

    Args:
        path: the file to write.
        new: refuse to replace a file, even one that appears while the block runs.
        suffix: what the temporary name ends in.

    Yields:
        The path to write to.

    Raises:
        OSError: the file cannot be written; `FileExistsError` if it exists and `new` is set, or if
            what exists is not a regular file.
    """
    path = Path(os.path.realpath(path))
    # Cut, because a long name with an addition can be too long; random, because a process id is not
    # unique between threads and containers.
    partial = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.partial{suffix}")
    try:
        mode = _create(partial, path)
        yield partial
        with partial.open("rb") as file:
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if new:
            _name(partial, path)
        else:
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _create(partial: Path, path: Path) -> int:
    """Create the partial file; return the mode that the finished file is to have."""
    try:
        held = path.lstat()
    except FileNotFoundError:
        held = None
    if held is not None and not stat.S_ISREG(held.st_mode):
        raise FileExistsError(17, "not a regular file")
    # Private while it is written: users who may read the folder may not be allowed to read the
    # file.
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if held is None else 0o600)
    try:
        if held is None:
            return stat.S_IMODE(os.fstat(file).st_mode)
        with suppress(PermissionError):  # only root gives files away
            os.fchown(file, held.st_uid, held.st_gid)
        return held.st_mode & 0o777
    finally:
        os.close(file)


def _name(partial: Path, path: Path) -> None:
    """Give the partial file its name in one step that fails if the name is taken."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: take the name first, then rename
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            partial.replace(path)
        except BaseException:
            path.unlink()
            raise

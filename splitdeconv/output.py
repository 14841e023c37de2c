"""Where a result is written: checked before any work is done, and written whole or not at all."""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from .atomic import replacing
from .errors import SplitDeconvError


def check(
    path: str | os.PathLike[str],
    overwrite: bool = False,
    read: Iterable[str | os.PathLike[str]] = (),
) -> Path:
    """Refuse an output path that cannot be written, before any work is spent on it.

    Only a regular file is ever replaced: never a device, a pipe, a socket or a folder. A link is
    followed.

    Args:
        path: the file to write.
        overwrite: whether an existing file may be replaced, or a dangling link followed.
        read: files that are read, which are never replaced; other names among them do not count.

    Raises:
        SplitDeconvError: the folder is missing or read-only, or the path leads to something that
            may not be replaced.
    """
    path = Path(path)
    if same(path, filter(os.path.exists, read)):
        fix = "choose another name"
        raise _refused(path, "a file of its own", "a file that is read as well", fix)
    try:
        status, target = _stat(path), Path(os.path.realpath(path))
        folder = target.parent
        missing = not folder.is_dir()
        # /proc/self/fd holds links that lead to files whose names are gone.
        elsewhere = status is not None and not os.path.samestat(status, target.lstat())
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a null character
        got, fix = getattr(error, "strerror", None) or str(error), "choose another name or folder"
        raise _refused(path, "a path that can be written", got, fix) from None
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise _refused(path, "the name of a file", "a folder", "add a file name")
    if elsewhere or (status is not None and not stat.S_ISREG(status.st_mode)):
        got, fix = "a device, a pipe or a socket", "choose the name of a file"
        raise _refused(path, "a regular file", got, fix)
    if missing:
        raise _refused(path, "an existing folder", f"no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        got, fix = f"no permission in {folder}", "choose another folder"
        raise _refused(path, "a folder that can be written", got, fix)
    if status is not None and not overwrite:
        raise _exists(path, "a file that is already there")
    if status is None and path.is_symlink() and not overwrite:
        raise _exists(path, f"a link to {target}, which does not exist")
    return path


def same(path: str | os.PathLike[str], others: Iterable[str | os.PathLike[str]]) -> bool:
    """Whether a path leads to one of the other files, by whatever name or link."""
    return any(_alike(path, other) for other in others)


def _alike(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them does not exist, or not yet
        return os.path.abspath(path) == os.path.abspath(other)


def write(
    path: str | os.PathLike[str],
    content: bytes | Callable[[Path], object],
    overwrite: bool = False,
) -> Path:
    """Write a file in one step.

    Args:
        path: the file to write.
        content: its bytes, or a function that writes it under the path it is given.
        overwrite: whether an existing file may be replaced, or a dangling link followed.

    Raises:
        SplitDeconvError: as `check`; or writing fails, with nothing left behind.
    """
    path = check(path, overwrite)
    try:
        # Keras recognises formats by the suffix, so the temporary name ends like a model's.
        with replacing(path, new=not overwrite, suffix=".keras") as partial:
            if isinstance(content, bytes):
                partial.write_bytes(content)
            else:
                content(partial)
    except FileExistsError:
        raise _exists(path, "a file that appeared meanwhile") from None
    except OSError as error:
        got, fix = error.strerror or str(error), "make room or choose another folder"
        raise _refused(path, "room and permission to write", got, fix) from None
    return path


def _stat(path: Path) -> os.stat_result | None:
    """What the path leads to; None if nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _exists(path: Path, got: str) -> SplitDeconvError:
    fix = "choose another name, or allow it with --overwrite (overwrite=True)"
    return _refused(path, "a new file", got, fix)


def _refused(path: Path, expected: str, got: str, fix: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the output cannot be written", where=str(path), expected=expected, got=got, fix=fix
    )

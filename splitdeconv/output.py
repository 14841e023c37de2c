"""Where a result is written: checked before any work is done, and written whole or not at all."""

import os
import stat
from pathlib import Path

from .atomic import replacing
from .errors import SplitDeconvError


def check(path, overwrite=False) -> Path:
    """Refuse an output path that cannot be written, before any work is spent on it.

    Only a regular file is ever replaced: never a device, a pipe, a socket or a folder. A link is
    followed.

    Args:
        path: the file to write.
        overwrite: whether an existing file may be replaced, or a dangling link followed.

    Raises:
        SplitDeconvError: the folder is missing or read-only, or the path leads to something that
            may not be replaced.
    """
    path = Path(path)
    try:
        found, target = _stat(path), Path(os.path.realpath(path))
        folder = target.parent
        missing = not folder.is_dir()
        # /proc/self/fd holds links that lead to files whose names are gone.
        elsewhere = found is not None and not os.path.samestat(found, target.lstat())
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a null character
        got = getattr(error, "strerror", None) or str(error)
        raise _refuse(
            path, "a path that can be written", got, "choose another name or folder"
        ) from None
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise _refuse(path, "the name of a file", "a folder", "add a file name")
    if elsewhere or (found is not None and not stat.S_ISREG(found.st_mode)):
        raise _refuse(
            path, "a regular file", "a device, a pipe or a socket", "choose the name of a file"
        )
    if missing:
        raise _refuse(path, "an existing folder", f"no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refuse(
            path,
            "a folder that can be written",
            f"no permission in {folder}",
            "choose another folder",
        )
    if found is not None and not overwrite:
        raise _exists(path, "a file that is already there")
    if found is None and path.is_symlink() and not overwrite:
        raise _exists(path, f"a link to {target}, which does not exist")
    return path


def write(path, content, overwrite=False) -> Path:
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
        raise _refuse(
            path,
            "room and permission to write",
            error.strerror or str(error),
            "make room or choose another folder",
        ) from None
    return path


def _stat(path):
    """What the path leads to; None if nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _exists(path, got):
    return _refuse(
        path,
        "a new file",
        got,
        "choose another name, or allow it with --overwrite (overwrite=True)",
    )


def _refuse(path, expected, got, fix):
    return SplitDeconvError(
        "the output cannot be written", where=str(path), expected=expected, got=got, fix=fix
    )

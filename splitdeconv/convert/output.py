"""Files appear whole or not at all: written under a temporary name in the same folder, then renamed."""

import os
from pathlib import Path

from ..errors import SplitDeconvError


def check(path, overwrite=False) -> Path:
    """Refuse an output path that cannot be written, before any work is spent on it.

    Args:
        path: the file to write.
        overwrite: whether a file of that name may be replaced.

    Raises:
        SplitDeconvError: the folder is missing or read-only, the path is a folder, or the file is there already.
    """
    path = Path(path)
    folder = path.parent
    try:
        path.is_dir(), folder.is_dir(), path.exists()
    except OSError as error:  # a name too long, a folder without permission
        raise _refuse(path, "a path that can be written", error.strerror, "choose another name or folder") from None
    if path.is_dir():
        raise _refuse(path, "the name of a file", "a folder", "add a file name")
    if not folder.is_dir():
        raise _refuse(path, "an existing folder", f"no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refuse(path, "a folder that can be written", f"no permission in {folder}", "choose another folder")
    if path.exists() and not overwrite:
        raise _refuse(
            path,
            "a new file",
            "a file that is already there",
            "choose another name, or allow it with --overwrite (overwrite=True)",
        )
    return path


def check_suffix(path, kind):
    """Refuse a name that ends as another format's: whoever opens the file goes by it.

    Args:
        path: the file to write.
        kind: "tflite", "onnx" or "keras".

    Raises:
        SplitDeconvError: the name ends as that of another of these formats.
    """
    suffix = Path(path).suffix.lower()
    if suffix in {".tflite", ".onnx", ".keras"} - {f".{kind}"}:
        fix = f"name it {Path(path).with_suffix(f'.{kind}').name}; the format stays what it was"
        raise _refuse(path, f"a name for a .{kind} file", f"one that ends in {suffix}", fix)


def write(path, content, overwrite=False) -> Path:
    """Write a file in one step.

    Args:
        path: the file to write.
        content: its bytes, or a function that writes it under the path it is given.
        overwrite: whether a file of that name may be replaced.

    Raises:
        SplitDeconvError: as `check`; or writing fails, with nothing left behind.
    """
    path = check(path, overwrite)
    # Keras tells formats by the suffix, so the temporary name ends like a model's; a long one has to stay legal.
    partial = path.with_name(f".{path.name[:40]}.{os.getpid()}.partial.keras")
    try:
        if isinstance(content, bytes):
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        else:
            content(partial)
        if path.exists() and not overwrite:  # appeared meanwhile
            raise FileExistsError(17, "the file appeared meanwhile")
        partial.replace(path)
    except OSError as error:
        raise _refuse(
            path, "room and permission to write", error.strerror or str(error), "make room or choose another folder"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _refuse(path, expected, got, fix):
    return SplitDeconvError("the output cannot be written", where=str(path), expected=expected, got=got, fix=fix)

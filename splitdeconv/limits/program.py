"""Run a third-party program until it ends or times out. None of its processes survive."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .bounds import machine_memory
from .ending import ended
from .guard import Guarded

# The number of bytes to keep from the end of a program's output, enough for any report.
_KEPT = 1 << 20


@dataclass(frozen=True)
class Run:
    """A program that has ended.

    Args:
        code: its exit code, or the signal that ended it as a negative number.
        printed: its standard output. Bytes that are not text are replaced.
        errors: its standard error.
    """

    code: int
    printed: str
    errors: str

    @property
    def ending(self) -> str:
        """How it ended, in words, with the last line of its output."""
        return ended(self.code, self.errors.strip() or self.printed)


def run(
    command: Sequence[str | os.PathLike[str]],
    timeout: float,
    folder: str | os.PathLike[str] | None = None,
    memory: int | None = None,
) -> Run:
    """Run a command without input.

    Args:
        command: the program and its arguments.
        timeout: seconds.
        folder: folder for its temporary files; removed if this process is killed meanwhile.
        memory: bytes that each of its processes may write to; None for the memory of the machine.

    Raises:
        subprocess.TimeoutExpired: it took longer and was killed.
        OSError: it cannot be run.
    """
    variables = dict(os.environ)
    if folder is not None:
        variables["TMPDIR"] = str(_made(Path(folder) / "tmp"))
    # Use files, because reading a pipe would block until the last process that holds it has ended.
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        with Guarded(
            command,
            folder,
            memory=machine_memory() if memory is None else memory,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=errors,
            env=variables,
        ) as process:
            code = process.wait(timeout)
        return Run(code, last(printed), last(errors))


def last(file: IO[bytes], most: int | None = None) -> str:
    """The end of the contents of a file, as text."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (_KEPT if most is None else most)))
    return file.read().decode(errors="replace")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder

"""A program of somebody else's, run to its end or to the end of its time. Nothing outlives it."""

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

# Bytes of what a program prints that are kept, the last: enough for any report, whatever else it
# prints.
_KEPT = 1 << 20


@dataclass(frozen=True)
class Run:
    """A program that has ended.

    Args:
        code: its exit code, or the signal that ended it as a negative number.
        printed: what it printed. Bytes that are not text are replaced.
        errors: what it printed on the stream of errors.
    """

    code: int
    printed: str
    errors: str

    @property
    def ending(self) -> str:
        """How it ended, in words, with the last line that it said."""
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
        folder: where it puts temporary files; removed if this process is killed meanwhile.
        memory: bytes that each process of it may write to; None for all that the machine has.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was ended.
        OSError: it cannot be run.
    """
    variables = dict(os.environ)
    if folder is not None:
        variables["TMPDIR"] = str(_made(Path(folder) / "tmp"))
    # Files, for a pipe would be waited for until the last process that holds it has ended.
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
    """The end of what was written to a file, as text."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (_KEPT if most is None else most)))
    return file.read().decode(errors="replace")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder

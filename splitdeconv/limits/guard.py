"""Child processes that end with this one, however it ends, together with all they started."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_SCRIPT = str(Path(__file__).with_name("_guard.py"))


class Guarded:
    """A command in a new session; a context manager that ends the command on exit.

    Args:
        command: list of the program and its arguments.
        folder: folder to remove if this process ends first.
        memory: bytes that each of its processes may write to; None for no limit.
        **options: options of `subprocess.Popen`.

    Raises:
        OSError: the command cannot be run.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        folder: str | os.PathLike[str] | None = None,
        memory: int | None = None,
        **options: Any,
    ) -> None:
        self._line, theirs = socket.socketpair()
        self._process = None
        try:
            with theirs:
                ours = [
                    str(os.getpid()),
                    str(theirs.fileno()),
                    str(memory or ""),
                    str(folder or ""),
                ]
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", _SCRIPT, *ours, *map(str, command)],
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    **options,
                )
            problem = int(self._line.recv(16) or 0)
            if problem:
                raise OSError(problem, os.strerror(problem), str(command[0]))
        except BaseException:
            self.end()
            self._close_streams()
            raise
        self.stdin, self.stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> "Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def returncode(self) -> int | None:
        """The exit code, or the signal that ended it as a negative number; None while it runs."""
        return None if self._process is None else self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the command to end, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        assert self._process is not None  # it was started by the constructor
        return self._process.wait(timeout)

    def end(self) -> None:
        """Kill the command and everything it started."""
        with suppress(OSError):  # it has ended
            self._line.send(b".")
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._line.close()

    def _close_streams(self) -> None:
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

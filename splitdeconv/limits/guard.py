"""Child processes that end with this one, whatever ends it, and so does what they started."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_SCRIPT = str(Path(__file__).with_name("_guard.py"))


class Guarded:
    """A command in a session of its own; a context manager at whose end it has ended.

    Args:
        command: list of the program and its arguments.
        folder: removed if this process ends first.
        **options: of `subprocess.Popen`.

    Raises:
        OSError: the command cannot be run.
    """

    def __init__(self, command, folder=None, **options):
        self._line, theirs = socket.socketpair()
        self._process = None
        try:
            with theirs:
                arguments = [str(os.getpid()), str(theirs.fileno()), str(folder or "")]
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", _SCRIPT, *arguments, *map(str, command)],
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    **options,
                )
            problem = int(self._line.recv(16) or 0)
        except BaseException:
            self.end()
            raise
        self.stdin, self.stdout = self._process.stdin, self._process.stdout
        if problem:
            self.end()
            raise OSError(problem, os.strerror(problem), str(command[0]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    @property
    def returncode(self):
        """The exit code, or the signal that ended it as a negative number; None while it runs."""
        return self._process.poll()

    def wait(self, timeout=None):
        """The exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        return self._process.wait(timeout)

    def end(self):
        """Kill it, and what it started."""
        with suppress(OSError):  # it has ended
            self._line.send(b".")
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._line.close()

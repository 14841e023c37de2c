"""A child process that answers one line of JSON with another, and a reason wherever it does not."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from .. import privacy
from ..limits.guard import Guarded
from . import process


class Child:
    """A module of this package, run as a process of its own; started at the first task, again after it was lost.

    Args:
        module: dotted name; it answers each line on its standard input with a line.
        environment: variables to set there, beside those of this process.
        folder: removed if this process is killed while the child runs.
    """

    def __init__(self, module, environment, folder=None):
        self._command = [sys.executable, "-P", "-m", module]  # -P: a file named numpy.py here must not be imported
        self._environment, self._folder = environment, folder
        self._process = self._errors = self._lines = None

    def ask(self, task, timeout):
        """Its answer to a task, or ``{"reason": ...}`` where it crashed or took longer than `timeout` seconds."""
        if self._process is None:
            self._start()
        try:
            with contextlib.suppress(OSError):  # a pipe without reader: the end is in the queue
                self._process.stdin.write(json.dumps(task) + "\n")
                self._process.stdin.flush()
            line = self._lines.get(timeout=timeout)
        except Empty:
            self.close()
            return {"reason": f"took longer than {timeout:g} s"}
        if line is None:
            return {"reason": self._lost()}
        try:
            return json.loads(line)
        except ValueError:
            self.close()
            return {"reason": f"an answer that is not understood: {line.strip()[:80]!r}"}

    def close(self):
        """End the process, and what it started."""
        if self._process is not None:
            self._process.end()
            self._reader.join()
            for stream in (self._process.stdin, self._process.stdout, self._errors):
                with contextlib.suppress(OSError):
                    stream.close()
            self._process = None

    def _start(self):
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        self._errors, self._lines = tempfile.TemporaryFile(), Queue()  # noqa: SIM115 - closed with the process
        self._process = Guarded(
            self._command,
            self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            errors="replace",  # or the listening thread would end, and nobody would know
            env={**os.environ, **privacy.VARIABLES, "PYTHONPATH": os.pathsep.join(paths), **self._environment},
        )
        self._reader = Thread(target=self._listen, args=(self._process.stdout, self._lines), daemon=True)
        self._reader.start()

    @staticmethod
    def _listen(stream, lines):
        for line in stream:
            lines.put(line)
        lines.put(None)

    def _lost(self):
        """Why the process ended: its exit code and the last thing it said."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.close()
            return "the process closed its output and went on"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        self.close()
        return f"the process {process.ended(code, said)}"

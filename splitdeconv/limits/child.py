"""A child process that answers many tasks in turn, with a reason for every missing answer."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import IO, Any

from . import environment, temporary
from .bounds import machine_memory
from .ending import ended
from .guard import Guarded
from .lines import Lines
from .program import last

# Bytes of an answer; a process that never ends its line must not fill this process's memory.
_LONGEST = 1 << 30
_PATIENCE = 5  # seconds for an operation that should be immediate


class Child:
    """A module that runs as a separate process; a context manager that ends it on exit.

    The module answers each line on its standard input with a line, as `loop.serve` does. It is
    started for the first task, and restarted whenever it was lost. If there is no answer, the
    result is ``{"reason": ...}``.

    Args:
        module: dotted name.
        variables: variables to set in its environment in addition to those of this process.
        memory: bytes that it may write to; None for the memory of the machine.

    Attributes:
        folder: folder for files that accompany tasks; removed at the end of the context.
    """

    folder: Path

    def __init__(
        self, module: str, variables: Mapping[str, str] | None = None, memory: int | None = None
    ) -> None:
        self._command = environment.command(module)
        self._variables, self._memory = dict(variables or {}), memory
        self._open = contextlib.ExitStack()
        self._worker: _Worker | None = None

    def __enter__(self) -> "Child":
        self.folder = self._open.enter_context(temporary.folder())
        with temporary.writing(self.folder):
            (self.folder / "tmp").mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        self._open.close()

    def ask(self, task: Any, timeout: float) -> Any:
        """Return its answer to a task, or ``{"reason": ...}`` if it was lost or took too long.

        Args:
            task: JSON-serializable, of any size.
            timeout: seconds in total, including the start of the process and reading the task.
        """
        end = time.monotonic() + timeout
        if self._worker is not None and self._worker.lines.stray():
            self._close()  # out of step: its next line may answer another task
        if self._worker is None:
            try:
                self._worker = self._start()
            except OSError as error:
                return {"reason": f"the process cannot be started: {error.strerror}"}
        worker = self._worker
        worker.lines.write(json.dumps(task).encode())
        try:
            line = worker.lines.read.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            self._close()
            return {"reason": f"took longer than {timeout:g} s"}
        if line is None:
            return {"reason": self._lost(worker)}
        try:
            if not line.endswith(b"\n") and len(line) >= _LONGEST:
                raise ValueError("the line has no end")
            return json.loads(line)
        except ValueError:
            self._close()
            text = line[:400].decode(errors="replace").strip()
            return {"reason": f"unexpected answer: {text[:80]!r}"}

    def _start(self) -> "_Worker":
        variables = environment.variables(self.folder / "tmp") | self._variables
        memory = machine_memory() if self._memory is None else self._memory
        return _Worker(self._command, self.folder, variables, memory)

    def _close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _lost(self, worker: "_Worker") -> str:
        """Why the process ended: its exit code and the last line of its output."""
        try:
            code = worker.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._close()
            return "the process closed its output but did not end"
        output = last(worker.errors)
        self._close()
        return f"the process {ended(code, output)}"


class _Worker:
    """The running process, and the lines to and from it."""

    def __init__(
        self, command: list[str], folder: Path, variables: Mapping[str, str], memory: int | None
    ) -> None:
        # Use a file, because it is only read after the process has ended, whatever its size.
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self.process = Guarded(
                command,
                folder,
                memory=memory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                env=variables,
            )
        except BaseException:
            self.errors.close()
            raise
        to, back = self.process.stdin, self.process.stdout
        assert to is not None
        assert back is not None
        self.lines = Lines(to, back, _LONGEST)

    def close(self) -> None:
        """End the process and everything it started."""
        self.process.end()
        self.lines.close()
        self.errors.close()

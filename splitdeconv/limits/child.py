"""A child process that answers many tasks in turn, and a reason wherever it does not."""

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

# Bytes of an answer; a process that never ends its line must not fill the memory of this one.
_LONGEST = 1 << 30
_PATIENCE = 5  # seconds for what takes none


class Child:
    """A module run as a process of its own; a context manager at whose end it has ended.

    It answers each line on its standard input with a line, as `loop.serve` does. It is started at
    the first task, and again after it was lost. A reason in place of an answer is
    ``{"reason": ...}``.

    Args:
        module: dotted name.
        variables: to set in its environment, beside those of this process.
        memory: bytes that it may write to; None for all that the machine has.

    Attributes:
        folder: for files that go with tasks; it lives as long as the context.
    """

    folder: Path

    def __init__(
        self,
        module: str,
        variables: Mapping[str, str] | None = None,
        memory: int | None = None,
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
        """Its answer to a task, or ``{"reason": ...}`` where it was lost or took too long.

        Args:
            task: fit for JSON, of any size.
            timeout: seconds for all of it, the start and the reading of the task as well.
        """
        end = time.monotonic() + timeout
        if self._worker is not None and self._worker.lines.stray():
            self._close()  # it is out of step: what it says next may be the answer to another task
        if self._worker is None:
            try:
                self._worker = self._start()
            except OSError as error:
                return {"reason": f"no process can be started: {error.strerror}"}
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
                raise ValueError("it has no end")
            return json.loads(line)
        except ValueError:
            self._close()
            said = line[:400].decode(errors="replace").strip()
            return {"reason": f"an answer that is not understood: {said[:80]!r}"}

    def _start(self) -> "_Worker":
        variables = environment.variables(self.folder / "tmp") | self._variables
        memory = machine_memory() if self._memory is None else self._memory
        return _Worker(self._command, self.folder, variables, memory)

    def _close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _lost(self, worker: "_Worker") -> str:
        """Why the process ended: its exit code and the last thing it said."""
        try:
            code = worker.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._close()
            return "the process closed its output and went on"
        said = last(worker.errors)
        self._close()
        return f"the process {ended(code, said)}"


class _Worker:
    """The running process, and the lines to and from it."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        variables: Mapping[str, str],
        memory: int | None,
    ) -> None:
        # A file, for it is read when the process has ended, however much it holds.
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
        """End the process, and what it started."""
        self.process.end()
        self.lines.close()
        self.errors.close()

"""Turn closed, full or abandoned standard streams, and interruptions, into an exit code.

It imports next to nothing, for an interruption may come while the rest is being imported.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # that of `typing`, which is not imported here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn, TextIO

    from typing_extensions import Buffer

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal that ends the command; libraries handle `KeyboardInterrupt` in their own ways.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.code = 128 + number  # the exit code that shells use
        super().__init__(number)


@contextmanager
def interruptible(last: bool = False) -> Iterator[Callable[[], None]]:
    """A block that SIGINT, SIGTERM and SIGHUP end.

    At first they end the process at once: nothing has been done, and an exception would surface in
    some library's imports. Later they raise `Interrupted`, so that the block can clean up. A second
    signal ends the process at once, and `splitdeconv.limits.guard` cleans up in its place.

    Args:
        last: whether the process ends after the block, so that Python's own handlers need not be
            restored.

    Yields:
        A function to call once there is something to clean up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # signals reach only the main thread
        return

    def leave(number: int, _: object) -> NoReturn:
        os._exit(128 + number)

    def interrupt(number: int, _: object) -> NoReturn:
        handle(leave)
        raise Interrupted(number)

    def handle(handler: Callable[[int, object], NoReturn]) -> None:
        for number in before:
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # A signal that is ignored stays ignored, as nohup requires.
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    handle(leave)
    try:
        yield lambda: handle(interrupt)
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if last else handler)


class _Stream(io.FileIO):
    """A standard stream that never fails: it drops what it cannot write and keeps the reason."""

    error: OSError | None = None

    def write(self, data: Buffer) -> int:
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


@contextmanager
def steady() -> Iterator[Callable[[], OSError | None]]:
    """A block in which standard output and error can be printed to, whatever they are connected to.

    Output to a closed stream is discarded, and so is output whose reader has gone, as with ``|
    head``.

    Yields:
        A function that returns why output was lost that may still be wanted, such as a full disk;
        None if none was lost.
    """
    before, out = (sys.stdout, sys.stderr), None
    _open_missing()
    if sys.stdout is sys.__stdout__:  # any other stream belongs to code that captures the output
        out, sys.stdout = _replaced(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        _, sys.stderr = _replaced(2, sys.stderr)

    def lost() -> OSError | None:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        return None if out is None or isinstance(out.error, BrokenPipeError) else out.error

    try:
        yield lost
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def _open_missing() -> None:
    """Open the closed ones of descriptors 0 to 2, or the next open file would take their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def _replaced(number: int, stream: TextIO | None) -> tuple[_Stream, TextIO]:
    """(the raw stream, the text stream on it) for one of the process' own."""
    raw = _Stream(number, "w", closefd=False)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    # A name that the terminal cannot encode must not cause a failure.
    text = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding,
        "backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
    )
    return raw, text

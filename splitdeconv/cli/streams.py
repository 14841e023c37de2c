"""Standard streams and signals of a command: closed, full or abandoned streams and interruptions
end in an exit code.

It imports next to nothing, for an interruption may come while the rest is being imported.
"""

import io
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal that ends the command. No `KeyboardInterrupt`: libraries handle that one in their
    own ways.

    Args:
        number: of the signal.
    """

    def __init__(self, number):
        self.code = 128 + number  # as shells tell it
        super().__init__(number)


@contextmanager
def interruptible(last=False):
    """A block that SIGINT, SIGTERM and SIGHUP end.

    At first they end the process at once: nothing has been done, and an exception would come to
    light somewhere in the imports of others. Later they raise `Interrupted`, so that the block
    tidies up; a second one ends the process at once again, and what it leaves undone
    `splitdeconv.limits.guard` does.

    Args:
        last: whether the process ends after the block, so that nobody needs Python's own handlers
            again.

    Yields:
        A function to call when there is something to tidy up from now on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # signals reach the main thread only
        return

    def leave(number, _):
        os._exit(128 + number)

    def interrupt(number, _):
        handle(leave)
        raise Interrupted(number)

    def handle(handler):
        for number in before:
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # What is ignored stays so: nohup is meant.
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

    def write(self, data):
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return len(data)


@contextmanager
def steady():
    """A block in which standard output and error can be printed to, whatever they are connected to.

    A stream that is closed swallows what is printed, and so does one whose reader has gone, as that
    of ``| head``.

    Yields:
        A function that gives the reason why output was lost on a stream that somebody may still
        want, such as a full disk; None if none was.
    """
    before, out = (sys.stdout, sys.stderr), None
    _open_missing()
    if sys.stdout is sys.__stdout__:  # another one is somebody's who captures what is printed
        out, sys.stdout = _replaced(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        _, sys.stderr = _replaced(2, sys.stderr)

    def lost():
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


def _open_missing():
    """Open the closed ones of descriptors 0 to 2, or the next file opened would take their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def _replaced(number, stream):
    """(the raw stream, the text stream on it) for one of the process' own."""
    raw = _Stream(number, "w", closefd=False)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    # A name that the terminal's encoding lacks is no reason to fail.
    text = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=number == 2 or raw.isatty()
    )
    return raw, text

"""A program of someone else's, run to its end or to the end of its time; nothing that it started outlives it."""

import os
import signal
import subprocess
import tempfile

from ..limits.guard import Guarded

# Bytes of what a program prints that are kept, the last: enough for any report, whatever else it prints.
_KEPT = 1 << 20


def run(command, timeout, folder=None):
    """Run a command without input.

    Args:
        command: list of the program and its arguments.
        timeout: seconds.
        folder: removed if this process is killed meanwhile.

    Returns:
        (exit code, what it printed, what it printed as errors). Bytes that are no text are replaced.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was ended.
        OSError: it cannot be run.
    """
    # Files, for a pipe would be waited for until the last process that holds it has ended.
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        with Guarded(command, folder, stdin=subprocess.DEVNULL, stdout=printed, stderr=errors) as process:
            code = process.wait(timeout)
        return code, _read(printed), _read(errors)


def ended(code, said=""):
    """How a process ended, in words: its exit code or signal, and the last line of what it said (no bare address)."""
    how = f"ended with code {code}" if code >= 0 else f"was ended by signal {-code} ({signal.strsignal(-code)})"
    lines = [line.strip() for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("http://", "https://"))]  # of a stack trace
    return how + (f": {lines[-1][:300]}" if lines else "")


def _read(file):
    file.seek(max(0, file.seek(0, os.SEEK_END) - _KEPT))
    return file.read().decode(errors="replace")

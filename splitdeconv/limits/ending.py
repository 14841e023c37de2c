"""Describe in words how a process ended."""

import signal

# Explanations that the name of a signal does not give.
_MEANINGS: dict[int, str] = {signal.SIGKILL: ", as the system does when memory runs out"}
_LONGEST = 300


def ended(code: int, output: str = "") -> str:
    """Describe how a process ended: its exit code or signal, and the last line of its output.

    Lines that contain only a URL, as at the end of some stack traces, are skipped.

    Args:
        code: the exit code, or the signal as a negative number.
        output: the output of the process.
    """
    how = f"ended with code {code}"
    if code < 0:
        how = f"was ended by signal {-code} ({signal.strsignal(-code)}){_MEANINGS.get(-code, '')}"
    lines = [line.strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("http://", "https://"))]
    return how + (f": {lines[-1][:_LONGEST]}" if lines else "")

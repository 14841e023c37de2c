"""How a process ended, in words."""

import signal

# What the name of a signal does not say.
_MEANINGS: dict[int, str] = {signal.SIGKILL: ", as the system does for lack of memory"}
_LONGEST = 300


def ended(code: int, said: str = "") -> str:
    """How a process ended: its exit code or signal, and the last line of what it said.

    A line that is a bare address, as stack traces end with, is passed over.

    Args:
        code: the exit code, or the signal as a negative number.
        said: what it printed.
    """
    how = f"ended with code {code}"
    if code < 0:
        how = f"was ended by signal {-code} ({signal.strsignal(-code)}){_MEANINGS.get(-code, '')}"
    lines = [line.strip() for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("http://", "https://"))]
    return how + (f": {lines[-1][:_LONGEST]}" if lines else "")

"""Share this machine among runs: those that time something hold it alone, the others together.

``python -m tools.machine COMMAND ...`` runs a command alone.
"""

import fcntl
import os
import sys
from contextlib import contextmanager
from pathlib import Path

LOCK = Path("build") / ".machine.lock"


@contextmanager
def hold(*, alone, waiting=lambda: None):
    """Hold the machine for the block: alone, or with all others that do not ask for that.

    Args:
        alone: whether nothing else may run meanwhile.
        waiting: called once if others must finish first.

    The lock is the open file's: the system releases it however the process ends.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with open(LOCK, "w") as lock:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, kind)
        yield lock


def main(command):
    """Become `command`, which keeps the lock until it ends."""
    with hold(
        alone=True, waiting=lambda: print("waiting until the machine is free", flush=True)
    ) as lock:
        os.set_inheritable(lock.fileno(), True)
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Processes that tests start, or that what they test starts."""

import time
from pathlib import Path


def gone(pid):
    """Whether a process has ended, waiting a little: killing takes effect when it is scheduled."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False

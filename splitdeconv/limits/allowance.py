"""The child's side of its limits: apply them, extend them for external data, report progress.

Progress is written to the file "pulse" of the exchange folder, which `sandbox` reads: the number of
bytes that the model keeps in other files, and the duration of the longest run of a model in
seconds.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .bounds import Limits

if sys.platform != "win32":
    import resource


class Allowance:
    """The resources that the parent allows this process to use.

    Args:
        folder: the exchange folder.
        limits: the initial limits.
    """

    def __init__(self, folder: str | Path, limits: Limits) -> None:
        self._folder, self._limits = Path(folder), limits
        self._outside, self._longest, self._told = 0, 0.0, time.monotonic()
        most = limits.grown(None)
        seconds = int(most.seconds * (os.cpu_count() or 1)) + 1
        _limit("RLIMIT_CPU", seconds, seconds)
        _limit("RLIMIT_CORE", 0, 0)
        _limit("RLIMIT_AS", limits.bytes, most.bytes)

    def outside(self, size: int) -> None:
        """Allow for `size` bytes of the model in other files."""
        self._outside = max(self._outside, size)
        _limit("RLIMIT_AS", self._limits.grown(self._outside).bytes)
        self._tell()

    @property
    def bytes_outside(self) -> int:
        """The number of bytes of the model in other files, as far as it has been reported."""
        return self._outside

    def ran(self, seconds: float) -> None:
        """Record the duration of a completed run of a model."""
        self._longest = max(self._longest, seconds)
        if time.monotonic() - self._told > 1:  # not more often, because runs are timed
            self._tell()

    def _tell(self) -> None:
        partial = self._folder / "pulse.partial"
        partial.write_text(f"{self._outside} {self._longest:.3f}")
        partial.replace(self._folder / "pulse")
        self._told = time.monotonic()


_current: Allowance | None = None


def begin(folder: str | Path, limits: Limits) -> None:
    """Apply limits for the rest of the lifetime of this process."""
    global _current
    _current = Allowance(folder, limits)


def outside(size: int) -> None:
    """Allow for `size` bytes of the model in other files; does nothing if no limits are set."""
    if _current is not None:
        _current.outside(size)


def bytes_outside() -> int:
    """The number of bytes passed to `outside`; 0 if no limits are set."""
    return 0 if _current is None else _current.bytes_outside


def watched(run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `run` so that every call reports progress."""
    if _current is None:
        return run

    def call(*arguments: Any) -> Any:
        start = time.monotonic()
        try:
            return run(*arguments)
        finally:
            _current.ran(time.monotonic() - start)

    return call


def _limit(name: str, soft: int, hard: int | None = None) -> None:
    """Set a limit and, with `hard`, its later maximum; a tighter existing limit is kept."""
    if sys.platform == "win32":  # it has no such limits
        return
    which = getattr(resource, name)
    with suppress(ValueError, OSError):
        held = resource.getrlimit(which)[1]
        if hard is None or resource.RLIM_INFINITY != held < hard:
            hard = held
        resource.setrlimit(
            which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
        )

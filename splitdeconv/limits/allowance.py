"""The child's side of its limits: it keeps them, asks for more where the model is larger than its
file, and tells that it gets on.

What it tells stands in the file "pulse" of the exchange folder: how many bytes of the model lie in
other files, and the seconds of the longest run of a model. `sandbox` reads it.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .bounds import Limits

try:
    import resource
except ImportError:  # only POSIX has it
    resource = None


class Allowance:
    """What this process may use, in the hands of a parent.

    Args:
        folder: of the exchange.
        limits: to begin with.
    """

    def __init__(self, folder: str | Path, limits: Limits) -> None:
        self._folder, self._limits = Path(folder), limits
        self._outside, self._longest, self._told = 0, 0.0, time.monotonic()
        most = limits.grown(None)
        seconds = int(most.seconds * os.cpu_count()) + 1
        _limit("RLIMIT_CPU", seconds, seconds)
        _limit("RLIMIT_CORE", 0, 0)
        _limit("RLIMIT_AS", limits.bytes, most.bytes)

    def outside(self, size: int) -> None:
        """Allow for `size` bytes of the model that lie in other files."""
        self._outside = max(self._outside, size)
        _limit("RLIMIT_AS", self._limits.grown(self._outside).bytes)
        self._tell()

    @property
    def bytes_outside(self) -> int:
        """How many bytes of the model lie in other files, as far as was told."""
        return self._outside

    def ran(self, seconds: float) -> None:
        """Count a run of a model that has ended."""
        self._longest = max(self._longest, seconds)
        if time.monotonic() - self._told > 1:  # no more often: runs are timed
            self._tell()

    def _tell(self) -> None:
        partial = self._folder / "pulse.partial"
        partial.write_text(f"{self._outside} {self._longest:.3f}")
        partial.replace(self._folder / "pulse")
        self._told = time.monotonic()


_current: Allowance | None = None


def begin(folder: str | Path, limits: Limits) -> None:
    """Take on limits for the rest of this process' life."""
    global _current
    _current = Allowance(folder, limits)


def outside(size: int) -> None:
    """Allow for `size` bytes of the model in other files; does nothing if no limits are set."""
    if _current is not None:
        _current.outside(size)


def bytes_outside() -> int:
    """What `outside` was told; 0 if no limits are set."""
    return 0 if _current is None else _current.bytes_outside


def watched(run: Callable[..., Any]) -> Callable[..., Any]:
    """A function that does as `run`, whose every call is a sign of life."""
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
    """Set a limit, and with `hard` how far it may be raised later; a tighter one stays."""
    if resource is None:
        return
    which = getattr(resource, name)
    with suppress(ValueError, OSError):
        held = resource.getrlimit(which)[1]
        if hard is None or resource.RLIM_INFINITY != held < hard:
            hard = held
        resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))

"""The interface of each runtime's module."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

#: Function from position, shape and NumPy type to the values of an input.
Draw = Callable[[int, tuple[int, ...], np.dtype], np.ndarray]
#: Runs a model; the result is ignored.
Run = Callable[[], Any]
#: Returns the outputs of a run.
Outputs = Callable[[], list[np.ndarray]]


class Runtime(Protocol):
    """A runtime: its package name, the extra that installs it, and the oldest usable version."""

    PACKAGE: str
    EXTRA: str
    OLDEST: tuple[int, int]

    def available(self) -> str | None:
        """Why nothing can be run here, as one sentence, or None if it can."""

    def load(self, data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
        """Load a file so that it is ready to run on fixed inputs."""

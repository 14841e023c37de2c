"""What each runtime's module offers."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

#: From place, shape and NumPy type to the values of an input.
Draw = Callable[[int, tuple[int, ...], np.dtype], np.ndarray]
#: Runs a model; what it returns is of no use.
Run = Callable[[], Any]
#: Returns the outputs of a run.
Outputs = Callable[[], list[np.ndarray]]


class Runtime(Protocol):
    """A runtime: its package on the index, the extra that brings it, its first usable version."""

    PACKAGE: str
    EXTRA: str
    OLDEST: tuple[int, int]

    def available(self) -> str | None:
        """Why nothing can be run here, as one sentence, or None if it can."""

    def load(self, data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
        """A file ready to run on fixed inputs."""

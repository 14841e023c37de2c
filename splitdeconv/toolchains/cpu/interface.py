"""The interface of each runtime's module."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np

from ...core.typing import NumpyArray

#: Function from position, shape and NumPy type to the values of an input.
Draw: TypeAlias = Callable[[int, tuple[int, ...], np.dtype[Any]], NumpyArray]
#: Runs a model; the result is ignored.
Run: TypeAlias = Callable[[], Any]
#: Returns the outputs of a run.
Outputs: TypeAlias = Callable[[], list[NumpyArray]]


class Runtime(Protocol):
    """A runtime: its package name, the extra that installs it, and the oldest usable version."""

    __name__: str
    PACKAGE: str
    EXTRA: str
    OLDEST: tuple[int, int]

    def available(self) -> str | None:
        """Why nothing can be run here, as one sentence, or None if it can."""

    def load(self, data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
        """Load a file so that it is ready to run on fixed inputs.

        Args:
            data: bytes of the file.
            threads: number of threads for the kernels.
            draw: function from position, shape and NumPy type to the values of an input.

        Returns:
            (a function that runs the model, one that returns the outputs of a run).

        Raises:
            SplitDeconvError: the runtime is missing or rejected the file.
        """

"""A runnable model: its inputs, and a call that maps arrays by name to arrays by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..core.typing import NumpyArray
from ..errors import one_line

#: Arrays by the name of an input or output.
Arrays: TypeAlias = dict[str, NumpyArray]

#: The fastest kernels of a runtime, its plain reference kernels, and those in between.
KERNELS = ("default", "reference", "builtin")
#: No kernels of a runtime: the operator is computed from its definition.
DEFINITION = "definition"


class RejectedError(Exception):
    """A runtime does not load a model, or does not accept an input. Other inputs may work."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Args:
        name: its name in the model.
        dtype: NumPy type; None for strings, sequences and the like.
        shape: lengths, None where dynamic; None if not even the rank is known.
        quantized: whether its integers represent real numbers.
        default: whether the model has a default value for it that a caller may replace.
        rows: the number of rows of the table that it indexes; None if unknown.
        lengths: whether it holds the number of valid, unpadded steps of other inputs.
    """

    name: str
    dtype: "np.dtype[Any] | None"
    shape: tuple[int | None, ...] | None
    quantized: bool = False
    default: bool = False
    rows: int | None = None
    lengths: bool = False


@dataclass(frozen=True)
class Runner:
    """An entry point of a model, ready to run.

    Args:
        inputs: one `Input` per input.
        run: maps arrays by name to arrays by name.
    """

    inputs: tuple[Input, ...]
    run: Callable[[Arrays], Arrays]

    def __call__(self, feed: Arrays) -> Arrays:
        """The outputs for the inputs `feed`."""
        return self.run(feed)


def number_type(name: object) -> "np.dtype[Any] | None":
    """A NumPy type; None for types that NumPy does not have."""
    try:
        dtype = np.dtype(name)  # type: ignore[call-overload]
    except TypeError:
        return None
    return dtype if dtype.kind in "fiub" else None


def rejected(error: Exception) -> RejectedError:
    """An exception of a runtime as a `RejectedError`, except that `MemoryError` is raised again.

    Raises:
        MemoryError: the error itself.
    """
    if isinstance(error, MemoryError):
        raise error
    return RejectedError(one_line(error, typed=True))

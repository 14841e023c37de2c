"""A model that can be run: its inputs, and a call from arrays by name to arrays by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import one_line

#: Arrays by the name of an input or output.
Arrays: TypeAlias = dict[str, np.ndarray]

#: Each runtime's fastest kernels, its plainest, and those between.
KERNELS = ("default", "reference", "builtin")
#: No kernels of a runtime's: an operator computed by its definition.
DEFINITION = "definition"


class RejectedError(Exception):
    """A runtime does not load a model, or does not take an input. Other inputs may be tried."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Args:
        name: as the model names it.
        dtype: NumPy type; None for strings, sequences and the like.
        shape: lengths, None where dynamic; None altogether where not even the rank is known.
        quantized: integers that stand for real numbers.
        default: whether the model has a value for it, which a caller may replace.
        rows: how many rows the table has that it is looked up in; None where that is not known.
        lengths: whether it says how many steps of other inputs are no padding.
    """

    name: str
    dtype: np.dtype | None
    shape: tuple[int | None, ...] | None
    quantized: bool = False
    default: bool = False
    rows: int | None = None
    lengths: bool = False


@dataclass(frozen=True)
class Runner:
    """An entry point of a model, ready to run.

    Args:
        inputs: one `Input` each.
        run: from arrays by name to arrays by name.
    """

    inputs: tuple[Input, ...]
    run: Callable[[Arrays], Arrays]

    def __call__(self, feed: Arrays) -> Arrays:
        """The outputs for the inputs `feed`."""
        return self.run(feed)


def number_type(name: object) -> np.dtype | None:
    """A NumPy type; None for what NumPy cannot hold."""
    try:
        dtype = np.dtype(name)  # type: ignore[call-overload]
    except TypeError:
        return None
    return dtype if dtype.kind in "fiub" else None


def rejected(error: Exception) -> RejectedError:
    """What a runtime raised, as an exception of ours; running out of memory stays what it is.

    Raises:
        MemoryError: the error itself.
    """
    if isinstance(error, MemoryError):
        raise error
    return RejectedError(one_line(error, typed=True))

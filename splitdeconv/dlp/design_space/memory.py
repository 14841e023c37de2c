"""Memory of a worker: reused while a block is computed, given back after it.

Dask starts its workers with ``MALLOC_TRIM_THRESHOLD_``, so that they give memory back at once. An
array of a block lives for microseconds; to ask the system for each anew took 40 % of a worker's
time. This concerns the C library of GNU; others do not read that variable.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Numbers of malloc.h, and bytes: more than the arrays of a block and the most that is allowed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _LARGEST = 2**28, 2**25


@contextmanager
def reused() -> Iterator[None]:
    """Keep the memory that is freed, and give it back at the end."""
    library = _library()
    yield
    if library is not None:
        library.malloc_trim(0)


@cache
def _library() -> Any:
    """The C library, set once per process to keep what is freed; None if it cannot."""
    try:
        library = ctypes.CDLL(None)
        library.malloc_trim.argtypes = [ctypes.c_size_t]
        library.mallopt(_TRIM_THRESHOLD, _KEPT)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    except (AttributeError, OSError, TypeError):
        return None
    return library

"""Recognise, in what runtimes, libraries and the system say, that the machine lacked something."""

import re

#: Messages of the system, its linker and its threads, of NumPy, TensorFlow, PyTorch and the C++
#: library. A compiler that reports on the memory of its device says something else.
_MEMORY = re.compile(
    r"failed to map segment|can(?:no|')t allocate memory|can't start new thread|bad_alloc"
    r"|\bMemoryError\b|(?:failed|unable) to allocate (?:memory|\d)|not enough memory"
    r"|OOM when allocating|out of memory(?! in memory space)",
    re.IGNORECASE,
)
_ROOM = re.compile(
    r"no space left on device|too many open files|resource temporarily unavailable",
    re.IGNORECASE,
)


def of_memory(text: str) -> bool:
    """Whether a message says that an allocation failed."""
    return _MEMORY.search(text) is not None


def of_anything(text: str) -> bool:
    """Whether a message says that memory, processes, descriptors or room on a disk were lacking."""
    return of_memory(text) or _ROOM.search(text) is not None

"""The time and memory that a child process may use."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import SplitDeconvError

#: Bytes of the largest possible model file; protobuf and flatbuffers hold no more.
LARGEST = (1 << 31) - 1

_GIB = 1 << 30
_SECONDS, _COPIES = 1e-6, 16  # for each byte of a model
# Bytes of external data up to which the address space grows; how often it is mapped at once.
_MOST_OUTSIDE, _MAPPED = 128 << 30, 4
_STACKS = 64 << 20  # per core: 8 MiB of address space in each of a few thread pools
# Where Linux states the memory of a container, for version 2 and version 1 of control groups.
_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int | None:
    """Bytes of memory of this machine or container; None if unknown."""
    known = []
    with suppress(AttributeError, OSError, ValueError):  # not POSIX
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CONTAINER:
        try:
            known.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # no such version; "max" if there is no limit
            continue
    return min((size for size in known if size > 0), default=None)


@dataclass(frozen=True)
class Limits:
    """The resources that the child may use.

    Args:
        seconds: total wall-clock time.
        bytes: address space.
        silence: seconds without progress, which means entering a stage or completing a run of a
            model. None for `seconds`.
        grows: additional seconds and bytes of address space per byte that the model keeps in other
            files; 0 for limits that the user has set.
    """

    seconds: float
    bytes: int
    silence: float | None = None
    grows: tuple[float, float] = (0, 0)

    @classmethod
    def of(
        cls,
        size: int,
        keras: bool = False,
        seconds: float | None = None,
        memory: float | None = None,
    ) -> "Limits":
        """The default limits for files of `size` bytes, or the limits that the user requests.

        Reading, rewriting and running a model takes a few copies of it, its activations, for which
        2 GiB leave room, the memory that TensorFlow maps, and the stacks of the threads that the
        runtimes start per core.

        Time is limited twice. A model that never finishes is stopped by the limit on silence: one
        minute (two for TensorFlow, which loads slowly) plus one second per megabyte, or 50 times
        the longest run of a model so far, because the plain kernels of a runtime can be that much
        slower than its fast ones. The total time is limited to ten times that, which is enough for
        8 samples of a model of about 100 GMAC on one core.

        Args:
            size: size in bytes of the model and the files that accompany it.
            keras: whether TensorFlow will be loaded.
            seconds, memory: limits to use instead; memory in GiB.

        Raises:
            SplitDeconvError: a limit is invalid.
        """
        for name, value, most in (("timeout", seconds, 10**8), ("memory", memory, 2**20)):
            if value is not None and not (isinstance(value, int | float) and 0 < value <= most):
                raise SplitDeconvError(
                    "invalid limit",
                    where=name,
                    expected=f"more than 0, at most {most:,}",
                    got=repr(value),
                )
        silence = (120 if keras else 60) + size * _SECONDS
        return cls(
            seconds or 10 * silence,
            int(memory * _GIB) if memory else _base(keras) + _COPIES * size,
            seconds or silence,
            (0 if seconds else _SECONDS, 0 if memory else _COPIES),
        )

    def grown(self, outside: int | None = None, longest: float = 0.0) -> "Limits":
        """Extend the limits for a model with external data or long runs.

        Args:
            outside: bytes of the model in other files; None for the maximum. The part beyond the
                largest file size is mapped, not copied.
            longest: seconds of the longest run so far.
        """
        outside = _MOST_OUTSIDE if outside is None else min(outside, _MOST_OUTSIDE)
        mapped = _MAPPED * max(0, outside - LARGEST)
        outside = min(outside, LARGEST)
        time, memory = self.grows
        silence = self.seconds if self.silence is None else self.silence
        return replace(
            self,
            seconds=self.seconds + 10 * time * outside,
            bytes=self.bytes + (int(memory * outside) + mapped if memory else 0),
            silence=max(silence + time * outside, 50 * longest),
        )

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s and {self.bytes / _GIB:.1f} GiB"


def _base(keras: bool) -> int:
    """Bytes of address space for an empty model."""
    return (3 if keras else 2) * _GIB + (os.cpu_count() or 1) * _STACKS

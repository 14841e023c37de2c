"""How much time and memory a child process may use."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import SplitDeconvError

#: Bytes of the largest model file; neither protobuf nor a flatbuffer holds more.
LARGEST = (1 << 31) - 1

_GIB = 1 << 30
_SECONDS, _COPIES = 1e-6, 16  # for each byte of a model
# Bytes of a model in other files, beyond which more address space is not given; times that they are
# mapped at once.
_MOST_OUTSIDE, _MAPPED = 128 << 30, 4
_STACKS = 64 << 20  # for each core: 8 MiB of address space in each of a few pools of threads
# Where Linux says how much memory a container has, version 2 and version 1 of control groups.
_CONTAINER = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def machine_memory() -> int | None:
    """Bytes of memory that this machine, or the container on it, has; None where that is unknown."""
    known = []
    with suppress(AttributeError, OSError, ValueError):  # not POSIX
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CONTAINER:
        try:
            known.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # no such version; "max" where there is no limit
            continue
    return min((size for size in known if size > 0), default=None)


@dataclass(frozen=True)
class Limits:
    """What the child may use.

    Args:
        seconds: of wall-clock time, in all.
        bytes: of address space.
        silence: seconds without a sign of life: a stage entered, or a run of a model ended. None
            for `seconds`.
        grows: the seconds and the bytes of address space to allow more for each byte that the model
            keeps in other files; 0 for what the user has fixed.
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
        """The default limits for files of `size` bytes, or those asked for.

        Reading, rewriting and running a model takes a few copies of it beside its activations, for
        which there is room below 2 GiB, what TensorFlow maps, and the stacks of the threads, which
        the runtimes start for each core.

        Time is limited twice. An endless model is stopped by its silence: a minute (two for
        TensorFlow, which takes long to load) and a second per megabyte, or 50 times the longest run
        of a model so far, since a runtime's plain kernels are that much slower than its fast ones.
        In all, ten times that may pass, which is meant for 8 samples of a model of some 100 GMAC on
        one core.

        Args:
            size: of the model and what comes with it, in bytes.
            keras: whether TensorFlow will be loaded.
            seconds, memory: what to allow instead; memory in GiB.

        Raises:
            SplitDeconvError: a limit that cannot be set.
        """
        for name, value, most in (("timeout", seconds, 10**8), ("memory", memory, 2**20)):
            if value is not None and not (isinstance(value, int | float) and 0 < value <= most):
                raise SplitDeconvError(
                    "the limit cannot be set",
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
        """These limits for a model that keeps so many bytes in other files, and whose longest run
        took so long.

        Args:
            outside: bytes; None for as many as are allowed for. What exceeds the largest file is
                mapped, not copied.
            longest: seconds.
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
    """Bytes of address space for a model of no size."""
    return (3 if keras else 2) * _GIB + (os.cpu_count() or 1) * _STACKS

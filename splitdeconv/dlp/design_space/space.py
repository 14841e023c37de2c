"""The points of a design space: their order, and the blocks in which they are computed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from ...core.typing import NumpyArray

#: The dimensions, besides the outer axes, whose every label is a job of its own.
WAYS = ("network", "method", "skip")


@dataclass(frozen=True)
class Block:
    """A box of points of one job, which are computed together.

    Args:
        job: its number.
        start, stop: the first label along each inner axis, and the last, exclusive.
    """

    job: int
    start: tuple[int, ...]
    stop: tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """All points, each at an index: its place in the result's dimensions, the last one fastest.

    Args:
        sizes: labels along each dimension, in the order of the result.
        outer: axes whose every label is a job of its own.
        inner: the other axes, in the order of the result.
        box: labels along each inner axis in a block; fewer at the end of an axis.
    """

    sizes: Mapping[str, int]
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    box: tuple[int, ...]

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return prod(self.sizes[name] for name in (*self.outer, *WAYS))

    @property
    def blocks(self) -> int:
        """Number of blocks of all jobs."""
        lengths = [self.sizes[name] for name in self.inner]
        return self.jobs * count_blocks(lengths, self.box)

    def each(self) -> Iterator[Block]:
        """All blocks, job by job."""
        steps = [
            [(start, min(start + step, self.sizes[name])) for start in range(0, size, step)]
            for name, step in zip(self.inner, self.box, strict=True)
            for size in (self.sizes[name],)
        ]
        for job in range(self.jobs):
            for ranges in product(*steps):
                start, stop = zip(*ranges, strict=True) if ranges else ((), ())
                yield Block(job, start, stop)

    def place(self, job: int) -> dict[str, int]:
        """The label of a job along each of its dimensions."""
        names = (*self.outer, *WAYS)
        labels = np.unravel_index(job, [self.sizes[name] for name in names])
        return {name: int(label) for name, label in zip(names, labels, strict=True)}

    def index(self, block: Block, names: Sequence[str] | None = None) -> NumpyArray:
        """Where the points of a block are in the dimensions of these names, by default in all.

        Returns:
            int64 of (parts, labels along each inner axis).
        """
        counted = [name for name in self.sizes if names is None or name in names]
        strides = {
            name: prod(self.sizes[other] for other in counted[place + 1 :])
            for place, name in enumerate(counted)
        }
        first = self.place(block.job)
        at = np.array(sum(first[name] * strides.get(name, 0) for name in first), dtype=np.int64)
        along = [("part", 0, self.sizes["part"])]
        along += zip(self.inner, block.start, block.stop, strict=True)
        for dimension, (name, start, stop) in enumerate(along):
            labels = np.arange(start, stop, dtype=np.int64) * strides.get(name, 0)
            at = at + labels.reshape([-1] + [1] * (len(along) - 1 - dimension))
        return at


def box(lengths: Sequence[int], points: int) -> tuple[int, ...]:
    """The box of at most so many points that has whole axes, from the last on, as far as possible.

    Boxes along the axis that is divided are of about the same length.
    """
    sizes = list[int]()
    for length in reversed(lengths):
        most = max(points, 1)
        pieces = -(-length // min(most, length))
        sizes.append(-(-length // pieces))
        points = points // length if pieces == 1 else 1
    return tuple(reversed(sizes))


def count_blocks(lengths: Sequence[int], box: Sequence[int]) -> int:
    """How many boxes cover axes of these lengths."""
    return prod(-(-length // step) for length, step in zip(lengths, box, strict=True))

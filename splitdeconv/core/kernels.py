"""Kernel sizes that a target accepts: the next one that holds a kernel, and what padding costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from ..errors import SplitDeconvError
from .arguments import positive

if TYPE_CHECKING:
    from .plan import SplitPlan

#: A length that each axis may have, whatever the others have; or the lengths of all axes.
Size: TypeAlias = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kernels:
    """The sizes that a convolution's kernel may have.

    Args:
        sizes: lengths, which each axis may have whatever the others have; and tuples, which are
            kernels of as many axes.

    Example:
        >>> from splitdeconv.core.kernels import Kernels
        >>> Kernels((1, 3, 5)).holding((2, 1))
        (3, 1)
        >>> Kernels(((1, 1), (3, 3))).holding((2, 1))
        (3, 3)
    """

    sizes: tuple[Size, ...]

    @classmethod
    def of(cls, sizes: Sequence[int | Sequence[int]], where: str) -> Kernels:
        """Kernel sizes from plain values, such as [1, 3] or [[1, 1], [3, 3]].

        Raises:
            SplitDeconvError: there are none, or one is not positive; `where` names the argument.
        """
        if isinstance(sizes, str | int) or not len(sizes):
            raise SplitDeconvError(
                "kernel sizes must be a list",
                where=where,
                expected="at least one length, or one kernel such as (3, 3)",
                got=repr(sizes),
            )
        return cls(
            tuple(
                tuple(positive(length, where) for length in size)
                if isinstance(size, Sequence)
                else positive(size, where)
                for size in sizes
            )
        )

    def plain(self) -> list[int | list[int]]:
        """The sizes as plain values, from which `of` makes them again."""
        return [list(size) if isinstance(size, tuple) else size for size in self.sizes]

    def holding(self, kernel: tuple[int, ...]) -> tuple[int, ...] | None:
        """The smallest size that has at least the taps of `kernel` along each axis; None without.

        Args:
            kernel: taps per axis.
        """
        return _holding(self, kernel)

    def __str__(self) -> str:
        return ", ".join(str(size) if isinstance(size, int) else named(size) for size in self.sizes)


@dataclass(frozen=True, slots=True)
class Padding:
    """What it costs to zero-pad the taps of a plan to accepted sizes.

    Args:
        sizes: the kernels that are padded and what they become, smallest first.
        cost: the operations of the padded plan, as a multiple of those of the form without it.
    """

    sizes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    cost: float

    def __str__(self) -> str:
        ways: dict[tuple[int, ...], list[str]] = {}
        for old, new in self.sizes:
            ways.setdefault(new, []).append(named(old))
        return ", ".join(f"{' and '.join(old)} -> {named(new)}" for new, old in ways.items())


def named(kernel: Sequence[int]) -> str:
    """A kernel size as text, such as 3x3."""
    return "x".join(map(str, kernel))


def padding(plan: SplitPlan) -> Padding | None:
    """What the padded taps of a plan cost; None if nothing is padded.

    Where the input size is open, the operations are those per block of outputs.
    """
    bare = plan.bare
    pairs = zip(bare.convolutions, plan.convolutions, strict=True)
    sizes = {(old.kernel_size, new.kernel_size) for old, new in pairs}
    padded = sorted((old, new) for old, new in sizes if old != new)
    return Padding(tuple(padded), plan.issued / bare.issued) if padded else None


@lru_cache(maxsize=1024)
def _holding(kernels: Kernels, kernel: tuple[int, ...]) -> tuple[int, ...] | None:
    lengths = [size for size in kernels.sizes if isinstance(size, int)]
    # Per axis, the shortest length is enough: it gives the fewest taps.
    longer = ([min((n for n in lengths if n >= k), default=0)] for k in kernel)
    wholes = (size for size in kernels.sizes if isinstance(size, tuple))
    fitting = [
        size
        for size in (*product(*longer), *wholes)
        if len(size) == len(kernel) and all(n >= k for n, k in zip(size, kernel, strict=True))
    ]
    return min(fitting, key=prod, default=None)

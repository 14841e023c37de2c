"""The sizes that a target accepts, as the key `accepts` of its file states them.

Every record cites its source. Where a value is "unknown", nothing is checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from ...core.kernels import Kernels, Size
from ...errors import SplitDeconvError

Unknown = Literal["unknown"]


@dataclass(frozen=True)
class Span:
    """All whole numbers from `first` to `last`."""

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


Sizes: TypeAlias = Annotated[
    tuple[Size, ...] | Span,
    "a list of lengths or of whole kernels such as [3, 3], or {first, last}",
]
Numbers: TypeAlias = Annotated[tuple[int, ...] | Span, "a list of numbers, or {first, last}"]


@dataclass(frozen=True)
class Convolution:
    """The plain convolutions that the target accepts.

    Args:
        source: the source of these statements.
        kernels: lengths that the kernel may have along each axis, or whole kernels such as [3, 3].
            Taps are zero-padded to the next of them.
        strides, dilations: accepted values, per axis.
        groups: accepted numbers of channel groups.
        channels: the number of which input and output channels must be multiples.
    """

    source: str
    kernels: Sizes | Unknown = "unknown"
    strides: Numbers | Unknown = "unknown"
    dilations: Numbers | Unknown = "unknown"
    groups: Numbers | Unknown = "unknown"
    channels: int | Unknown = "unknown"


@dataclass(frozen=True)
class Transposed:
    """The transposed convolutions that the target runs itself; the reason of a decision names them.

    Args:
        source: the source of these statements.
        kernels: as for `Convolution`, but nothing is padded.
        strides, dilations: accepted values, per axis.
        groups: accepted numbers of channel groups.
        stride_product: accepted products of the strides of all axes.
        scaled: accepted products of an input length and its stride.
    """

    source: str
    kernels: Sizes | Unknown = "unknown"
    strides: Numbers | Unknown = "unknown"
    dilations: Numbers | Unknown = "unknown"
    groups: Numbers | Unknown = "unknown"
    stride_product: Numbers | Unknown = "unknown"
    scaled: Numbers | Unknown = "unknown"


@dataclass(frozen=True)
class Concatenation:
    """Concatenations along the channels: each input has a multiple of `channels` of them."""

    source: str
    channels: int | Unknown = "unknown"


@dataclass(frozen=True)
class DepthToSpace:
    """The block sizes with which the target interleaves by DEPTH_TO_SPACE."""

    source: str
    blocks: Numbers | Unknown = "unknown"


@dataclass(frozen=True)
class Tensors:
    """The tensors that the target accepts.

    Args:
        source: the source of these statements.
        lengths: accepted spatial lengths. An open length is not checked.
        elements: the largest number of elements, an open batch counted as one image.
    """

    source: str
    lengths: Numbers | Unknown = "unknown"
    elements: int | Unknown = "unknown"


@dataclass(frozen=True)
class Requirements:
    """What a target accepts; None where no source says anything."""

    convolution: Convolution | None = None
    transposed: Transposed | None = None
    concatenation: Concatenation | None = None
    depth_to_space: DepthToSpace | None = None
    tensors: Tensors | None = None

    @cached_property
    def kernels(self) -> Kernels | None:
        """The sizes to which the taps of convolutions are padded; None if any or unknown."""
        known = self.convolution.kernels if self.convolution is not None else "unknown"
        return None if known == "unknown" else kernels_of(known)

    def check(self, where: str) -> None:
        """Reject values that no size can have.

        Args:
            where: the file, as an error names it.

        Raises:
            SplitDeconvError: a list is empty, a number is not positive, or a span ends before it
                begins.
        """
        for path, value in self._values():
            wrong = _wrong(value)
            if wrong is not None:
                raise SplitDeconvError(
                    f"invalid value of accepts.{path}: {wrong}",
                    where=where,
                    expected="positive numbers, first not above last",
                    got=_shown(value),
                    fix="write unknown where no source states it",
                )

    def _values(self) -> Iterator[tuple[str, object]]:
        for part in fields(self):
            record = getattr(self, part.name)
            for item in () if record is None else fields(record):
                if item.name != "source":
                    yield f"{part.name}.{item.name}", getattr(record, item.name)


def kernels_of(sizes: tuple[Size, ...] | Span) -> Kernels:
    """The sizes as those of kernels."""
    return Kernels(tuple(range(sizes.first, sizes.last + 1)) if isinstance(sizes, Span) else sizes)


def _wrong(value: object) -> str | None:
    """What is wrong with a value; None if nothing is."""
    if isinstance(value, Span):
        return "it ends before it begins" if value.last < value.first else _wrong(value.first)
    if isinstance(value, tuple):
        reasons = (reason for reason in map(_wrong, value) if reason is not None)
        return next(reasons, None) if value else "the list is empty"
    return "a number is not positive" if isinstance(value, int) and value < 1 else None


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)

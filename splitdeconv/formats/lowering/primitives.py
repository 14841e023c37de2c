"""The few operators that a channels-first format needs to hold a rewritten transposed convolution.

A format implements them once, and `lower` and `weights` write any plan with them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import numpy.typing as npt

    from ...core.typing import NumpyArray


@dataclass(frozen=True, slots=True)
class Scaled:
    """A run-time length: that of axis `index` of the reshaped value, times `mul` over `div`."""

    index: int
    mul: int = 1
    div: int = 1


#: A value in the graph: whatever a subclass of `Primitives` represents it by.
Value = TypeVar("Value")


class Primitives(ABC, Generic[Value]):
    """Emits operators; values are whatever the subclass returns for them."""

    @abstractmethod
    def convolve(
        self,
        value: Value,
        filters: Value,
        bias: Value | None,
        kernel: Sequence[int],
        pads: Sequence[tuple[int, int]],
        dilations: Sequence[int],
        groups: int,
    ) -> Value:
        """A convolution of stride 1.

        Args:
            value: the input, ``(N, Cin, *spatial)``.
            filters: ``(M, Cin // groups, *kernel)``.
            bias: ``(M,)``; None for none.
            kernel: the lengths of the filters.
            pads: zeros before and after each spatial axis.
            dilations: of each spatial axis.
            groups: channel groups.
        """

    @abstractmethod
    def depth_to_space(self, value: Value, block: int) -> Value:
        """``(N, block^2 * C, H, W)`` as ``(N, C, H * block, W * block)``, phases slowest."""

    @abstractmethod
    def constant(self, array: NumpyArray, hint: str = "constant") -> Value:
        """A constant in the model; `hint` says what it is, to be used in its name."""

    @abstractmethod
    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Concatenate along an axis; a single value is returned as it is."""

    @abstractmethod
    def split(self, value: Value, parts: int, axis: int) -> list[Value]:
        """Split into equal parts along an axis."""

    @abstractmethod
    def transpose(self, value: Value, order: Iterable[int]) -> Value:
        """Permute the axes."""

    @abstractmethod
    def gather(self, value: Value, indices: Sequence[int], axis: int) -> Value:
        """Select positions along an axis."""

    @abstractmethod
    def slice(self, value: Value, ranges: Mapping[int, tuple[int, int]]) -> Value:
        """Crop by ``{axis: (start, end)}``, the numbers of elements to remove at both ends."""

    @abstractmethod
    def expand(self, value: Value, like: Value, dtype: npt.DTypeLike) -> Value:
        """Broadcast a value of NumPy type `dtype` over the axes of `like`, whatever that holds."""

    @abstractmethod
    def pad(
        self, value: Value, pads: Sequence[tuple[int, int]], fill: NumpyArray | None = None
    ) -> Value:
        """Pad each axis with ``(before, after)`` zeros, or with `fill`."""

    @abstractmethod
    def reshape(self, value: Value, dims: Sequence[int | Scaled]) -> Value:
        """The same elements in another shape.

        Args:
            value: the value to reshape.
            dims: per axis a length, 0 to keep the length of that axis, -1 for the rest, or a
                `Scaled` length.
        """

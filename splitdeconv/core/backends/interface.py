"""What a backend offers: the few operations, on channels-last arrays, that a plan is run with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ..typing import Array, ArrayLike, NumpyArray

if TYPE_CHECKING:  # plans know no arrays, and arrays only the plan they are given
    from ..plan import SplitPlan

#: (before, after) for each axis: zeros to add, or where negative elements to drop.
Pads = Sequence[tuple[int, int]]


class Backend(Protocol):
    """A module of array operations.

    NumPy's lacks those at the end, which only `splitdeconv.ops` needs.
    """

    __name__: str

    def asarray(self, array: NumpyArray, like: Array) -> Array:
        """`array` in the library and type of `like`."""
        ...

    def shape(self, x: Array) -> tuple[Any, ...]:
        """Lengths of all axes: ints where known, else scalars that are computed when it runs."""
        ...

    def reshape(self, x: Array, lengths: Sequence[Any]) -> Array:
        """The elements in the same order under another shape."""
        ...

    def regroup(self, x: Array, apart: Sequence[Any], lengths: Sequence[Any]) -> Array:
        """Reshape to `lengths`; `apart` has the axes whose products are the old and new ones."""
        ...

    def transpose(self, x: Array, axes: Sequence[int]) -> Array:
        """The axes in another order."""
        ...

    def zeros_like(self, x: Array) -> Array:
        """Zeros of the shape and type of `x`."""
        ...

    def pad(self, x: Array, pads: Pads) -> Array:
        """Zeros before and after each axis; negative numbers slice."""
        ...

    def take(self, x: Array, indices: Sequence[Sequence[int]], axis: int) -> Array:
        """Gather along `axis`; it becomes the axes of `indices`."""
        ...

    def concat(self, parts: Sequence[Array], axis: int) -> Array:
        """Join along `axis`."""
        ...

    def split_channels(self, x: Array, parts: int) -> Sequence[Array]:
        """Equal parts of the last axis."""
        ...

    def depth_to_space(self, x: Array, s: int) -> Array:
        """(N, H, W, s*s*C) -> (N, H*s, W*s, C), the phase slowest in the channels."""
        ...

    def eager(self) -> bool:
        """Whether operations run at once."""
        ...

    def conv(self, x: Array, w: Array, pads: Pads, dilations: Sequence[int], groups: int) -> Array:
        """Correlate ``(N, *spatial, C)`` with ``(*taps, C // groups, channels)``, stride 1."""
        ...

    def conv_transpose(self, x: Array, filters: Array, plan: SplitPlan) -> Array:
        """The library's own transposed convolution."""
        ...

    # What follows the backends of frameworks have.

    def as_tensor(self, value: ArrayLike) -> Array:
        """`value` as an array of the library."""
        ...

    def scope(self, name: str) -> AbstractContextManager[Any]:
        """A name for the operations made within the block."""
        ...

    def static_values(self, vector: Any, count: int) -> tuple[int | None, ...]:
        """The entries of a shape, None where only known at run time; `count` if nothing is."""
        ...

    def channels_first(self, y: Array, like: Array) -> Array:
        """`y`, channels last, with its channels first; in the memory order of `like`, if any."""
        ...

    # PyTorch's alone: its tensors can lie on several devices and in several layouts.

    def check_arrays(self, x: Array, filters: Array, where: str) -> None:
        """Refuse tensors that cannot be multiplied."""
        ...

    # TensorFlow's, and the first PyTorch's: the others know every length before they run. Only
    # TensorFlow has operators with this package's signature.

    def check_shape(self, x: Array, expected: Any, known: Sequence[int | None]) -> Array:
        """`x`, once it is known to have the expected shape, of which `known` is static."""
        ...

    def native(self, rank: int) -> Any:
        """`tf.nn`'s own transposed convolution of a rank."""
        ...

"""The types that signatures of this package share."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

#: An array of NumPy, TensorFlow, JAX or PyTorch. To a type checker it is anything, because naming
#: the frameworks' classes would need the frameworks.
Array: TypeAlias = Any
#: An `Array`, or what the libraries make one of: numbers in nested lists.
ArrayLike: TypeAlias = Any
#: The lengths of all axes, as a list or an integer array; None for the default.
ShapeLike: TypeAlias = Any
#: An array of NumPy, of any type of numbers.
NumpyArray: TypeAlias = npt.NDArray[Any]
#: One value for all spatial axes, or one for each.
PerAxis: TypeAlias = int | Sequence[int]
#: The same, where a value may be unknown or left to the default.
OptionalPerAxis: TypeAlias = int | Sequence[int | None] | None
#: "SAME", "VALID", or a (before, end) pair of crops for each spatial axis.
Padding: TypeAlias = str | Sequence[Sequence[int]]

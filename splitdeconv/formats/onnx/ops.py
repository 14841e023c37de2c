"""The few ONNX operators of a rewritten transposed convolution, emitted as each opset requires.

A subclass decides where the nodes go: into a protobuf graph
(`splitdeconv.formats.onnx.rewrite.emit`) or onto the tape of an onnxscript rewrite rule
(`splitdeconv.formats.onnx.rewrite.rule`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from ...extras import require
from ..lowering.primitives import Primitives, Scaled, Value

if TYPE_CHECKING:
    import numpy.typing as npt

    from ...core.typing import NumpyArray

#: The end value for a Slice up to the end, as recommended by the ONNX specification.
TO_THE_END = 2**63 - 1
#: ONNX Runtime guarantees support from this opset on (its documentation, "ONNX opset support").
FIRST_OPSET = 7


class Ops(Primitives[Value]):
    """Emits operators; values are whatever the subclass returns for them.

    Args:
        opset: version of the default operator set that the nodes must be valid in.
        may_be_empty: whether values may have no elements at run time, as with a batch of 0.
    """

    def __init__(self, opset: int, may_be_empty: bool = True) -> None:
        self.opset, self.may_be_empty = opset, may_be_empty

    @overload
    def emit(
        self,
        kind: str,
        inputs: Sequence[Value],
        *,
        outputs: Literal[1] = 1,
        domain: str = "",
        **attributes: Any,
    ) -> Value: ...

    @overload
    def emit(
        self,
        kind: str,
        inputs: Sequence[Value],
        *,
        outputs: int,
        domain: str = "",
        **attributes: Any,
    ) -> list[Value]: ...

    @abstractmethod
    def emit(
        self,
        kind: str,
        inputs: Sequence[Value],
        *,
        outputs: int = 1,
        domain: str = "",
        **attributes: Any,
    ) -> Value | list[Value]:
        """Add a node; returns its output, or a list of outputs if `outputs` is not 1."""

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
        """A Conv with all attributes given."""
        return self.emit(
            "Conv",
            [value, filters] + ([] if bias is None else [bias]),
            kernel_shape=list(kernel),
            strides=[1] * len(pads),
            dilations=list(dilations),
            pads=[before for before, _ in pads] + [after for _, after in pads],
            group=groups,
        )

    def depth_to_space(self, value: Value, block: int) -> Value:
        """DepthToSpace in its first mode, where the phase varies slowest."""
        return self.emit("DepthToSpace", [value], blocksize=block)

    def integers(self, values: Sequence[int], hint: str) -> Value:
        """A constant vector of int64."""
        return self.constant(np.array(values, np.int64), hint)

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Concatenate along an axis; a single value is returned as it is."""
        return values[0] if len(values) == 1 else self.emit("Concat", values, axis=axis)

    def split(self, value: Value, parts: int, axis: int) -> list[Value]:
        """Split into equal parts along an axis."""
        if parts == 1:
            return [value]
        attributes: dict[str, Any] = {"num_outputs": parts} if self.opset >= 18 else {}
        return self.emit("Split", [value], outputs=parts, axis=axis, **attributes)

    def transpose(self, value: Value, order: Iterable[int]) -> Value:
        """Permute the axes."""
        return self.emit("Transpose", [value], perm=list(order))

    def gather(self, value: Value, indices: Sequence[int], axis: int) -> Value:
        """Select positions along an axis."""
        return self.emit("Gather", [value, self.integers(indices, "indices")], axis=axis)

    def slice(self, value: Value, ranges: Mapping[int, tuple[int, int]]) -> Value:
        """Crop by ``{axis: (start, end)}``, the numbers of elements to remove at both ends."""
        axes = sorted(ranges)
        starts = [ranges[axis][0] for axis in axes]
        ends = [-ranges[axis][1] or TO_THE_END for axis in axes]
        if self.opset < 10:
            return self.emit("Slice", [value], axes=axes, starts=starts, ends=ends)
        named = (("starts", starts), ("ends", ends), ("axes", axes))
        return self.emit("Slice", [value, *(self.integers(v, name) for name, v in named)])

    def expand(self, value: Value, like: Value, dtype: npt.DTypeLike) -> Value:
        """Broadcast a value of NumPy type `dtype` over the axes of `like`, whatever that holds."""
        if self.opset >= 8:
            return self.emit("Expand", [value, self.emit("Shape", [like])])
        # Nothing is greater than itself, not even NaN: this gives zeros of the required shape.
        kind = require("onnx", "onnx").helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        zeros = self.emit("Cast", [self.emit("Greater", [like, like])], to=kind)
        return self.emit("Add", [zeros, value])

    def pad(
        self, value: Value, pads: Sequence[tuple[int, int]], fill: NumpyArray | None = None
    ) -> Value:
        """Pad each axis with ``(before, after)`` zeros, or with `fill` from operator set 11 on."""
        flat = [before for before, _ in pads] + [after for _, after in pads]
        if self.opset < 11:
            return self.emit("Pad", [value], pads=flat)
        filled = [] if fill is None else [self.constant(fill, "fill")]
        return self.emit("Pad", [value, self.integers(flat, "pads"), *filled])

    def reshape(self, value: Value, dims: Sequence[int | Scaled]) -> Value:
        """The same elements in another shape.

        Args:
            value: the value to reshape.
            dims: per axis a length, 0 to keep the length of that axis, -1 for the rest, or a
                `Scaled` length. If more than one length is only known at run time, they are
                computed at run time. A single one is also computed if the value may be empty,
                because -1 is undefined for a value without elements.
        """
        dims = [
            0 if isinstance(d, Scaled) and (d.index, d.mul) == (i, d.div) else d
            for i, d in enumerate(dims)
        ]
        unknown = [i for i, d in enumerate(dims) if isinstance(d, Scaled)]
        if unknown and -1 not in dims and not self.may_be_empty:
            dims[unknown.pop()] = -1
        if not unknown:
            lengths = [d for d in dims if not isinstance(d, Scaled)]
            return self.emit("Reshape", [value, self.integers(lengths, "shape")])
        scaled = [d if isinstance(d, Scaled) else None for d in dims]
        shape = self.gather(self.emit("Shape", [value]), [d.index if d else 0 for d in scaled], 0)
        steps = (
            ("Mul", [d.mul if d else 0 for d in scaled]),
            ("Div", [d.div if d else 1 for d in scaled]),
            ("Add", [0 if isinstance(d, Scaled) else d for d in dims]),
        )
        for kind, operand in steps:
            if kind == "Mul" or set(operand) != {int(kind == "Div")}:
                shape = self.emit(kind, [shape, self.integers(operand, "factors")])
        return self.emit("Reshape", [value, shape])

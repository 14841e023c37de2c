"""The few ONNX operators of a rewritten transposed convolution, emitted as each opset requires.

A subclass decides where the nodes go: into a protobuf graph
(`splitdeconv.formats.onnx.rewrite.emit`) or onto the tape of an onnxscript rewrite rule
(`splitdeconv.formats.onnx.rewrite.rule`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ...extras import require

#: The end value for a Slice up to the end, as recommended by the ONNX specification.
TO_THE_END = 2**63 - 1
#: ONNX Runtime guarantees support from this opset on (its documentation, "ONNX opset support").
FIRST_OPSET = 7


@dataclass(frozen=True, slots=True)
class Scaled:
    """A run-time length: that of axis `index` of the reshaped value, times `mul` over `div`."""

    index: int
    mul: int = 1
    div: int = 1


class Ops(ABC):
    """Emits operators; values are whatever the subclass returns for them.

    Args:
        opset: version of the default operator set that the nodes must be valid in.
        may_be_empty: whether values may have no elements at run time, as with a batch of 0.
    """

    def __init__(self, opset, may_be_empty=True):
        self.opset, self.may_be_empty = opset, may_be_empty

    @abstractmethod
    def emit(self, kind, inputs, *, outputs=1, domain="", **attributes):
        """Add a node; returns its output, or a list of outputs if `outputs` is not 1."""

    @abstractmethod
    def constant(self, array, hint="constant"):
        """A constant in the model."""

    def integers(self, values, hint):
        """A constant vector of int64."""
        return self.constant(np.array(values, np.int64), hint)

    def concat(self, values, axis):
        """Concatenate along an axis; a single value is returned as it is."""
        return values[0] if len(values) == 1 else self.emit("Concat", values, axis=axis)

    def split(self, value, parts, axis):
        """Split into equal parts along an axis."""
        if parts == 1:
            return [value]
        attributes = {"num_outputs": parts} if self.opset >= 18 else {}
        return self.emit("Split", [value], outputs=parts, axis=axis, **attributes)

    def transpose(self, value, order):
        """Permute the axes."""
        return self.emit("Transpose", [value], perm=list(order))

    def gather(self, value, indices, axis):
        """Select positions along an axis."""
        return self.emit("Gather", [value, self.integers(indices, "indices")], axis=axis)

    def slice(self, value, ranges):
        """Crop by ``{axis: (start, end)}``, the numbers of elements to remove at both ends."""
        axes = sorted(ranges)
        starts = [ranges[axis][0] for axis in axes]
        ends = [-ranges[axis][1] or TO_THE_END for axis in axes]
        if self.opset < 10:
            return self.emit("Slice", [value], axes=axes, starts=starts, ends=ends)
        names = ("starts", "ends", "axes")
        return self.emit(
            "Slice",
            [
                value,
                *(self.integers(v, n) for v, n in zip((starts, ends, axes), names, strict=True)),
            ],
        )

    def expand(self, value, like, dtype):
        """Broadcast a value of NumPy type `dtype` over the axes of `like`; its values are ignored."""
        if self.opset >= 8:
            return self.emit("Expand", [value, self.emit("Shape", [like])])
        # Nothing is greater than itself, not even NaN: this gives zeros of the required shape.
        kind = require("onnx", "onnx").helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        zeros = self.emit("Cast", [self.emit("Greater", [like, like])], to=kind)
        return self.emit("Add", [zeros, value])

    def pad(self, value, pads):
        """Pad each axis with ``(before, after)`` zeros."""
        flat = [before for before, _ in pads] + [after for _, after in pads]
        if self.opset < 11:
            return self.emit("Pad", [value], pads=flat)
        return self.emit("Pad", [value, self.integers(flat, "pads")])

    def reshape(self, value, dims):
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
            return self.emit("Reshape", [value, self.integers(dims, "shape")])
        scaled = [d if isinstance(d, Scaled) else None for d in dims]
        shape = self.gather(self.emit("Shape", [value]), [d.index if d else 0 for d in scaled], 0)
        steps = (
            ("Mul", [d.mul if d else 0 for d in scaled]),
            ("Div", [d.div if d else 1 for d in scaled]),
            ("Add", [0 if d else length for d, length in zip(scaled, dims, strict=True)]),
        )
        for kind, operand in steps:
            if kind == "Mul" or set(operand) != {int(kind == "Div")}:
                shape = self.emit(kind, [shape, self.integers(operand, "factors")])
        return self.emit("Reshape", [value, shape])

"""Operators of a .tflite file that only move values: padding, slices, concatenation, reshapes.

They are written so that they are valid for other sizes as well, because a program may resize the
inputs of a model after loading it: slices count from both ends, and reshapes leave the batch open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..flatbuffer.bounds import make

if TYPE_CHECKING:
    from .edit import Editor

_SPATIAL = (1, 2)
#: Zeros before and after each spatial axis; negative numbers crop.
Pads: TypeAlias = tuple[tuple[int, int], ...]
#: The begin and the end of a part of a dimension.
Range: TypeAlias = tuple[int, int]


class Mover:
    """Adds such operators to a subgraph; methods return the index of the output tensor.

    Args:
        editor: an `Editor` on the subgraph.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor

    def pad(self, x: int, pads: Pads, label: str) -> int:
        """The tensor with this many zeros before and after each spatial axis."""
        if not any(map(any, pads)):
            return x
        n, h, w, c = self.editor.shape(x)
        shape = (n, h + sum(pads[0]), w + sum(pads[1]), c)
        paddings = self.editor.helper([(0, 0), *pads, (0, 0)], "paddings")
        return self.editor.operator("PAD", [x, paddings], x, shape, label, make("PadOptions"))

    def slice(self, x: int, ranges: Sequence[tuple[int, int] | None], label: str) -> int:
        """A part of the tensor: (begin, end) per dimension, None for all of it.

        An end on a spatial axis is stored as a distance from the end of the axis.
        """
        sizes = self.editor.shape(x)
        ranges = [None if r == (0, n) else r for r, n in zip(ranges, sizes, strict=True)]
        if not any(ranges):
            return x
        begin = [0 if r is None else r[0] for r in ranges]
        end = [0 if r is None else r[1] for r in ranges]
        for axis in _SPATIAL:
            end[axis] -= 0 if ranges[axis] is None else sizes[axis]
        masks = [
            sum(1 << i for i, bound in enumerate(bounds) if not bound) for bounds in (begin, end)
        ]
        shape = tuple(n if r is None else r[1] - r[0] for n, r in zip(sizes, ranges, strict=True))
        helper = self.editor.helper
        inputs = [x, helper(begin, "begin"), helper(end, "end"), helper([1] * 4, "ones")]
        options = make("StridedSliceOptions", beginMask=masks[0], endMask=masks[1])
        return self.editor.operator("STRIDED_SLICE", inputs, x, shape, label, options)

    def concat(self, parts: Sequence[int], axis: int, label: str) -> int:
        """The concatenation of tensors along one axis."""
        if len(parts) == 1:
            return parts[0]
        shape = list(self.editor.shape(parts[0]))
        shape[axis] = sum(self.editor.shape(part)[axis] for part in parts)
        options = make("ConcatenationOptions", axis=axis)
        return self.editor.operator("CONCATENATION", parts, parts[0], tuple(shape), label, options)

    def reshape(self, y: int, shape: Sequence[int], label: str) -> int:
        """The tensor in another shape, with any batch."""
        target = (-1, *shape[1:])
        inputs = [y, self.editor.helper(target, "shape")]
        options = make("ReshapeOptions", newShape=np.array(target, "<i4"))
        return self.editor.operator("RESHAPE", inputs, y, shape, label, options)

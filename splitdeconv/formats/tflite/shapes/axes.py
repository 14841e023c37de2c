"""The length of an axis of a tensor, expressed by the length of an axis of an earlier one.

The output shape of a transposed convolution is often measured at another tensor than its input: at
the input of the model, before a convolution, or beside a sum or a concatenation. Whether it follows
from the input's length is decided by following both back through the operators between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..graph import dimensions, names, operator_name, ports
from .lengths import Length, bounded

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from ..flatbuffer.objects import ModelT, OperatorT, SubGraphT
    from .lengths import Number

#: Operators whose result has the shape of their first operand.
ELEMENTWISE = {
    *("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "PRELU", "ELU", "TANH", "LOGISTIC", "GELU"),
    *("HARD_SWISH", "SOFTMAX", "ABS", "NEG", "EXP", "SQRT", "RSQRT", "QUANTIZE", "DEQUANTIZE"),
    "CAST",
}
_BINARY = {"ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"}
_WINDOWED = {"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"}
_PADS = {"PAD", "PADV2", "MIRROR_PAD"}
_RESIZES = {"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}
# Of the expressions of one length; a long chain of operators would have as many.
_MOST_FORMS = 8
# An end of a slice from here on means the end of the axis.
_WHOLE = 2**31 - 1

#: The values of a constant, or None; the numbers in a tensor, as far as they are known, or None.
Values: TypeAlias = "Callable[[int], NumpyArray | None]"
Numbers: TypeAlias = "Callable[[int], list[Number] | None]"


class Axes:
    """The lengths of the axes of one subgraph.

    Args:
        model: a `ModelT`.
        graph: one of its subgraphs.
        values: as `Constants.values`.
        numbers: as `Constants.lengths`.
    """

    def __init__(
        self,
        model: ModelT,
        graph: SubGraphT,
        values: Values,
        numbers: Numbers,
    ) -> None:
        self._model, self._graph = model, graph
        self._values, self._numbers = values, numbers
        self._forms: dict[tuple[int, int], list[Length]] = {}
        self._followed = False

    def origin(self, index: int, axis: int) -> Length:
        """The length of an axis by that of the earliest tensor that determines it."""
        return self.forms(Length(index, axis))[0]

    def forms(self, length: Length) -> list[Length]:
        """Every expression that equals a length, as far as the file shows; the earliest first."""
        known = self._forms.get((length.tensor, length.axis), [Length(length.tensor, length.axis)])
        return [one * length.factor + length.offset for one in known]

    def follow(self) -> None:
        """Find the expressions, operator by operator; each finds those of its operands there."""
        if self._followed:
            return
        self._followed = True
        for operator in self._graph.operators or ():
            for index in ports(operator.outputs)[:1]:
                for axis, size in enumerate(self._sizes(index)):
                    if size is not None:
                        continue
                    earlier = [f for one in self._steps(operator, axis) for f in self.forms(one)]
                    earlier = list(dict.fromkeys(earlier))[:_MOST_FORMS]
                    self._forms[index, axis] = [*filter(bounded, earlier), Length(index, axis)]

    def _steps(self, operator: OperatorT, axis: int) -> list[Length]:
        """The length of an axis of an operator's first output by those of its operands."""
        name, inputs = operator_name(self._model, operator), ports(operator.inputs)
        sizes = self._sizes(ports(operator.outputs)[0])
        if not inputs or inputs[0] < 0 or axis >= len(sizes):
            return []
        options, x = operator.builtinOptions, inputs[0]
        if name in ELEMENTWISE:
            return [Length(x, axis)]
        if name in _BINARY and len(inputs) == 2:
            return self._broadcast(inputs, axis, len(sizes))
        if name in _WINDOWED:
            return self._windowed(name, inputs, axis, options)
        if name == "CONCATENATION":
            joined = options is None or options.axis % len(sizes) == axis
            return [] if joined else [Length(i, axis) for i in inputs if self._is_open(i, axis)]
        if name == "DEPTH_TO_SPACE" and axis < 3 and options is not None:
            return [Length(x, axis, 1 if axis == 0 else options.blockSize)]
        if name in ("TRANSPOSE_CONV", "RESHAPE", *_RESIZES):
            return self._requested(name, inputs, axis)
        arranged = self._arranged(name, inputs, axis, len(sizes), options)
        return [] if arranged is None else [Length(x, arranged[0], 1, arranged[1])]

    def _broadcast(self, inputs: list[int], axis: int, rank: int) -> list[Length]:
        """Both operands where their lengths are the same, or the one that the other does not have.

        An open length may be 1 at run time, which is repeated to any other length.
        """
        open_ones = []
        for index in inputs:
            sizes = self._sizes(index)
            own = axis - (rank - len(sizes))
            if own < 0 or (index >= 0 and sizes[own] == 1):
                continue
            if not self._is_open(index, own):
                return []
            open_ones.append(Length(index, own))
        each = [set(self.forms(one)) for one in open_ones]
        return open_ones if each and set.intersection(*each) else []

    def _windowed(self, name: str, inputs: list[int], axis: int, options: Any) -> list[Length]:
        """A convolution or pooling of stride 1: its input's length, less its window if VALID."""
        if axis == 0:
            return [Length(inputs[0], 0)]
        if axis == 3 or options is None:
            return []
        letter, word = ("H", "Height") if axis == 1 else ("W", "Width")
        if getattr(options, f"stride{letter}") != 1:
            return []
        if names("Padding").get(options.padding) == "SAME":
            return [Length(inputs[0], axis)]
        if name.endswith("POOL_2D"):
            return [Length(inputs[0], axis, 1, 1 - getattr(options, f"filter{word}"))]
        filters = self._sizes(inputs[1]) if len(inputs) > 1 else []
        size = filters[axis] if len(filters) == 4 else None
        if size is None:
            return []
        dilation = getattr(options, f"dilation{letter}Factor")
        return [Length(inputs[0], axis, 1, -(size - 1) * dilation)]

    def _requested(self, name: str, inputs: list[int], axis: int) -> list[Length]:
        """The length that an operand with a shape or a size requests."""
        place = 0 if name == "TRANSPOSE_CONV" else 1
        if name in _RESIZES:
            if axis in (0, 3):
                return [Length(inputs[0], axis)]
            axis -= 1
        numbers = self._numbers(inputs[place]) if len(inputs) > place else None
        number = numbers[axis] if numbers is not None and axis < len(numbers) else None
        return [number] if isinstance(number, Length) else []

    def _arranged(
        self, name: str, inputs: list[int], axis: int, rank: int, options: Any
    ) -> tuple[int, int] | None:
        """The axis of the first operand, and the difference to its length, of data movements."""
        given = [self._values(i) if i >= 0 else None for i in inputs[1:]]
        constants = [array.ravel().tolist() for array in given if array is not None]
        if len(constants) < len(given):
            return None
        if name in _PADS and constants and len(constants[0]) == 2 * rank:
            return axis, sum(constants[0][2 * axis : 2 * axis + 2])
        if name == "TRANSPOSE" and constants and len(constants[0]) == rank:
            return constants[0][axis] % rank, 0
        if name == "EXPAND_DIMS" and constants and len(constants[0]) == 1:
            at = constants[0][0] % rank
            return None if at == axis else (axis - (axis > at), 0)
        if name == "SQUEEZE":
            return _squeezed(axis, rank, getattr(options, "squeezeDims", None))
        if name == "SLICE" and len(constants) == 2 and max(map(len, constants)) > axis:
            begin, size = (constant[axis] for constant in constants)
            return (axis, -begin) if size == -1 and begin >= 0 else None
        if name == "STRIDED_SLICE" and len(constants) == 3:
            return _sliced(axis, len(self._sizes(inputs[0])), constants, options)
        return None

    def _sizes(self, index: int) -> list[int | None]:
        return dimensions(self._graph.tensors[index]) if index >= 0 else []

    def _is_open(self, index: int, axis: int) -> bool:
        sizes = self._sizes(index)
        return axis < len(sizes) and sizes[axis] is None


def _squeezed(axis: int, rank: int, dims: Any) -> tuple[int, int] | None:
    """The axis before a SQUEEZE of the named axes."""
    if dims is None or not len(dims):
        return None
    rank += len(dims)
    kept = [i for i in range(rank) if i not in {int(n) % rank for n in dims}]
    return (kept[axis], 0) if axis < len(kept) else None


def _sliced(axis: int, rank: int, bounds: list[list[int]], options: Any) -> tuple[int, int] | None:
    """The axis before a slice, and how much shorter it is; None unless it counts from both ends."""
    begin, end, step = bounds
    masks = ("beginMask", "endMask", "shrinkAxisMask", "newAxisMask", "ellipsisMask", "offset")
    starts, ends, shrunk, *others = (int(getattr(options, mask, 0)) for mask in masks)
    kept = [i for i in range(rank) if not shrunk >> i & 1]
    if any(others) or axis >= len(kept) or len({*map(len, bounds)}) != 1:
        return None
    own = kept[axis]
    if own >= len(begin):
        return own, 0
    first = 0 if starts >> own & 1 else begin[own]
    last = 0 if ends >> own & 1 or end[own] >= _WHOLE else end[own]
    is_end = bool(ends >> own & 1) or end[own] >= _WHOLE or end[own] < 0
    return (own, last - first) if first >= 0 and is_end and step[own] == 1 else None

"""The constants of a TFLite subgraph: values that the file fixes, whatever the caller does."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, mul, sub
from typing import TYPE_CHECKING, Any

from ..flow import changeable_buffers, contents
from ..graph import constant, dimensions, operator_name, ports, producers, type_name
from .axes import ELEMENTWISE, Axes
from .lengths import bounded, combined, known_lengths

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from ..flatbuffer.objects import ModelT, SubGraphT
    from ..graph import Dimensions
    from .lengths import Length, Number

# Converters compute a few numbers in a few steps; malicious files may chain them without end.
_MOST_STEPS, _MOST_NUMBERS = 32, 64
_ARITHMETIC = {"ADD": add, "SUB": sub, "MUL": mul}
# These keep the numbers of their operand in order.
_KEEP = ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")


class Constants:
    """The constants of one subgraph and the values that follow from them.

    A tensor with data in the file is not a constant if its buffer may change, either as an input
    that a caller may set, or as a variable.

    Args:
        model: a `ModelT`.
        graph: one of its subgraphs.
        changeable: the return value of `changeable_buffers` for the model; computed if omitted.
    """

    def __init__(self, model: ModelT, graph: SubGraphT, changeable: set[int] | None = None) -> None:
        self._model, self._graph, self._makers = model, graph, producers(graph)
        self._changeable = changeable_buffers(model) if changeable is None else changeable
        self._known: dict[int, list[Number] | None] = {}
        self._axes = Axes(model, graph, self.values, self.lengths)

    def values(self, index: int) -> NumpyArray | None:
        """The values of a constant tensor, as a view of the file; None if it is not constant."""
        tensor = self._graph.tensors[index]
        return None if tensor.buffer in self._changeable else constant(self._model, tensor)

    def changes(self, index: int) -> bool:
        """Whether a tensor has data in the file that may change, or dequantizes such a tensor."""
        tensor = self._graph.tensors[self._packed(index)]
        filled = contents(self._model, tensor) is not None
        return filled and tensor.buffer in self._changeable

    def stored(self, index: int) -> int | None:
        """The constant behind a tensor: itself, or the input of its DEQUANTIZE; None if neither."""
        source = self._packed(index)
        return None if self.values(source) is None else source

    def _packed(self, index: int) -> int:
        maker = self._makers.get(index)
        if maker is None or operator_name(self._model, maker) != "DEQUANTIZE":
            return index
        inputs = ports(maker.inputs)
        return inputs[0] if len(inputs) == 1 and inputs[0] >= 0 else index

    def source(self, index: int) -> Dimensions:
        """The shape of the tensor that a tensor is computed from elementwise; else its own.

        The interpreter computes shapes itself and does not compare them with those in the file.
        """
        for _ in range(_MOST_STEPS):
            maker = self._makers.get(index)
            if maker is None or operator_name(self._model, maker) not in ELEMENTWISE:
                break
            index = ports(maker.inputs)[0] if len(ports(maker.inputs)) else -1
            if index < 0:
                return []
        return dimensions(self._graph.tensors[index])

    def integers(self, index: int) -> Dimensions | None:
        """The numbers in an integer tensor, as far as they follow from constants and shapes.

        Returns:
            A list with None for each open dimension; None if the numbers depend on other values.
        """
        numbers = self.lengths(index)
        return None if numbers is None else known_lengths(numbers)

    def lengths(self, index: int) -> list[Number] | None:
        """Like `integers`, with a `Length` for a number that follows from one open dimension."""
        self._axes.follow()  # first: it asks for the numbers of shapes itself
        return self._integers(index, _MOST_STEPS)

    def forms(self, length: Length) -> list[Length]:
        """Every expression that equals a length; see `splitdeconv.formats.tflite.shapes.axes`."""
        self._axes.follow()
        return self._axes.forms(length)

    def _integers(self, index: int, steps: int) -> list[Number] | None:
        """`integers` over at most `steps` operators; each tensor is visited once."""
        if index not in self._known:
            self._known[index] = None
            numbers = self._followed(index, steps) if steps and index >= 0 else None
            if numbers is not None and len(numbers) <= _MOST_NUMBERS:
                exact = all(map(bounded, numbers))
                self._known[index] = numbers if exact else None
        return self._known[index]

    def _followed(self, index: int, steps: int) -> list[Number] | None:
        """The numbers in a tensor, from its own values or from the operator that computes it."""
        tensor, operator = self._graph.tensors[index], self._makers.get(index)
        if type_name(tensor) not in ("INT32", "INT64"):
            return None
        values = self.values(index)
        if values is not None:
            return values.ravel()[: _MOST_NUMBERS + 1].tolist()
        if operator is None or getattr(operator.builtinOptions, "fusedActivationFunction", None):
            return None
        name, inputs = operator_name(self._model, operator), ports(operator.inputs)
        if name == "SHAPE" and len(inputs) == 1 and inputs[0] >= 0:
            source = self._graph.tensors[inputs[0]]
            if source.shape is None:
                return None
            sizes = enumerate(dimensions(source))
            return [self._axes.origin(inputs[0], axis) if n is None else n for axis, n in sizes]
        used = inputs[:1] if name in _KEEP else inputs
        operands = []
        for i in used:
            numbers = self._integers(i, steps - 1)
            if numbers is None:
                return None
            operands.append(numbers)
        if not operands:
            return None
        return _computed(name, operands, operator.builtinOptions)


def _computed(name: str, operands: list[list[Number]], options: Any) -> list[Number] | None:
    """The result of an operator of a shape computation; None for other operators."""
    if name in _KEEP:
        return operands[0]
    if name == "PACK":
        scalars = all(len(part) == 1 for part in operands)
        return [part[0] for part in operands] if scalars else None
    if name == "CONCATENATION":
        return [value for part in operands for value in part]
    if name in _ARITHMETIC and len(operands) == 2:
        return _combined(_ARITHMETIC[name], *operands)
    if name in ("SLICE", "GATHER") and len(operands) > 1:
        return _taken(name, operands)
    if name == "STRIDED_SLICE" and len(operands) == 4:
        values, *bounds = operands
        return _sliced(values, bounds, options)
    return None


def _combined(
    function: Callable[[Any, Any], Any], a: list[Number], b: list[Number]
) -> list[Number] | None:
    if len(a) == 1 or len(b) == 1:
        a, b = a * len(b), b * len(a)
    if len(a) != len(b):
        return None
    return [combined(function, *pair) for pair in zip(a, b, strict=True)]


def _taken(name: str, operands: list[list[Number]]) -> list[Number] | None:
    """Some of the numbers of a vector: a part, or those at the given places."""
    values, *where = operands
    numbers = [n for part in where for n in part if isinstance(n, int)]
    if len(numbers) != sum(map(len, where)):
        return None
    if name == "SLICE":
        if len(numbers) != 2 or not 0 <= numbers[0] <= len(values):
            return None
        begin, size = numbers
        return values[begin:] if size == -1 else values[begin : begin + size]
    inside = all(0 <= n < len(values) for n in numbers)
    return [values[n] for n in numbers] if inside else None


def _sliced(values: list[Number], bounds: list[list[Number]], options: Any) -> list[Number] | None:
    """A slice of a vector, by the rules that TensorFlow and Python share."""
    numbers = [n for bound in bounds for n in bound if isinstance(n, int)]
    if len(numbers) != 3 or any(len(bound) != 1 for bound in bounds):
        return None
    begin, end, step = numbers
    if step < 1:
        return None
    if any(getattr(options, field, 0) for field in ("newAxisMask", "ellipsisMask", "offset")):
        return None
    first = None if getattr(options, "beginMask", 0) & 1 else begin
    if getattr(options, "shrinkAxisMask", 0) & 1:
        at = first or 0
        return [values[at]] if -len(values) <= at < len(values) else None
    last = None if getattr(options, "endMask", 0) & 1 else end
    return values[first:last:step]

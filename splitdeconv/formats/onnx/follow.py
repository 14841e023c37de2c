"""Constants behind Identity, Cast, QuantizeLinear or DequantizeLinear, cut in their stored form.

The operators are repeated after every part, with the scales and zero points of its channels. Where
a window is wider than the taps of a phase, it is filled with the stored number that the operators
turn into zero.

*Signed 8-bit filters.* On x86 without VNNI, ONNX Runtime adds two products of bytes in 16 bits,
which saturates if the filters are signed (see its documentation, "Quantize ONNX models", section
"When and why do I need to try U8U8?"; measured with 1.32.0 for unsigned and for signed inputs). It
computes a ConvTranspose in float32, so a model that was exact on every processor would become wrong
there. If the inputs are unsigned, filters that could saturate are therefore stored as unsigned
bytes, with 128 added to the numbers and to their zero points, for which the sums are exact on every
processor. If the inputs are signed, the runtime has no such kernel: the convolutions are then not
quantized one by one, and are computed in float32 as before (a single convolution, which the runtime
could recognise as an integer one, also gets unsigned filters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..lowering.weights import cut, stack

if TYPE_CHECKING:
    from onnx import NodeProto

    from ...core.plan import SplitPlan
    from ...core.typing import NumpyArray
    from .graph import Read, Scope, Source
    from .rewrite.emit import GraphOps

INT8, UINT8 = 3, 2
SHIFT = 128
#: Two products of 255 with one of these numbers each still fit in 16 bits.
_LARGEST_PAIR = 128
#: How many operators to search from an input back to the one that dequantizes it.
_FAR = 8


class Follower:
    """Repeats the operators between a constant and its use after each part of that constant.

    Args:
        ops: a `GraphOps`.
        source: the `Source`.
        read: ``tensor -> array`` for constants.
        groups: channel groups.
        rank: number of axes of the constant.
        unsigned: whether signed bytes are stored as unsigned ones.
    """

    def __init__(
        self,
        ops: GraphOps,
        source: Source,
        read: Read,
        groups: int,
        rank: int,
        unsigned: bool = False,
    ) -> None:
        self.ops, self.source, self._read = ops, source, read
        self._groups, self._rank = groups, rank
        self._shift = SHIFT if unsigned else 0

    def filters(self, plan: SplitPlan) -> list[str | None]:
        """Values for the filters of each of ``plan.convolutions``, None where a phase is empty."""
        phases = len(plan.convolutions[0].phases)
        zero = stored_zero(self.source, self.ops.scope, self._read)
        stored = self._read(self.source.tensor)
        arrays, shape, kind = cut(plan, stored), stored.shape, stored.dtype
        del stored  # hold large filters only once
        assert zero is not None, "can_follow refuses filters without a zero"
        if zero.any():
            if len(zero) > 1:
                zero = stack(np.tile(zero, self._groups), self._groups, phases)
            zero = zero.astype(kind).reshape(-1, *(1 for _ in range(self._rank - 1)))
            real = cut(plan, np.ones(shape, bool))
            arrays = [
                None if a is None or r is None else np.where(r, a, zero)
                for a, r in zip(arrays, real, strict=True)
            ]
        return self.parts(arrays, phases)

    def bias(self, phases: int) -> str:
        """The bias value for this number of stacked phases."""
        stacked = stack(self._read(self.source.tensor), self._groups, phases)
        return self._part(stacked, f"{self.source.name}_0", phases)

    def parts(self, arrays: list[NumpyArray | None], phases: int) -> list[str | None]:
        """Values for the parts of the constant, each after a copy of the operators.

        Args:
            arrays: list of the parts, in the order of the plan's convolutions; it is emptied. The
                value of None is None.
            phases: how many phases each of them stacks.
        """
        values: list[str | None] = []
        while arrays:
            array, name = arrays.pop(0), f"{self.source.name}_{len(values)}"
            values.append(None if array is None else self._part(array, name, phases))
        return values

    def _part(self, array: NumpyArray, name: str, phases: int) -> str:
        value = self.ops.constant(self._shifted(array), name=name, home=self.source.home)
        for node in reversed(self.source.chain):
            value = self._repeat(node, value, phases)
        return value

    def _repeat(self, node: NodeProto, value: str, phases: int) -> str:
        if not is_linear(node):
            return self.ops.repeat(node, [value, *node.input[1:]])
        axis = channel_axis(node, self.ops.scope, self._rank)
        parameters = [
            self._parameter(name, node, axis, phases, zero=bool(i))
            for i, name in enumerate((*node.input[1:], "")[:2])
        ]
        return self.ops.repeat(node, [value, *parameters], axis=None if axis is None else 0)

    def _parameter(
        self, name: str, node: NodeProto, axis: int | None, phases: int, zero: bool
    ) -> str:
        """A scale or zero point: unchanged, or one per output channel of all groups and phases."""
        shifted = zero and self._shift
        if not name and not shifted:
            return name
        scope = self.ops.scope
        # A missing zero point means zero, with as many channels as the scale.
        tensor = scope.stored(name or node.input[1])
        if axis is None and not shifted:
            return name
        vector = self._read(tensor)
        if not name:
            vector = np.zeros(vector.shape, np.int8)
        if axis is not None:
            if self._rank > 1:
                vector = np.tile(vector, self._groups)  # the groups share it
            vector = stack(vector, self._groups, phases)
        label = f"{name or node.input[1]}_{'stacked' if axis is not None else 'unsigned'}"
        vector = self._shifted(vector) if zero else vector
        return self.ops.constant(vector, name=label, home=scope.home(name or node.input[1]))

    def _shifted(self, array: NumpyArray) -> NumpyArray:
        """Signed bytes as unsigned ones, if requested."""
        if not self._shift or array.dtype != np.int8:
            return array
        return (array.astype(np.int16) + self._shift).astype(np.uint8)


def is_linear(node: NodeProto) -> bool:
    """Whether a node is a QuantizeLinear or a DequantizeLinear."""
    return node.op_type.endswith("Linear")


def can_follow(source: Source, scope: Scope, rank: int, groups: int, read: Read) -> bool:
    """Whether the operators behind a constant can be repeated after its parts.

    Their scales must be known and must not belong to blocks, kernel axes or input channels: ONNX
    Runtime has no integer convolution with scales per input channel. For filters, a stored number
    must represent zero.
    """
    for node in filter(is_linear, source.chain):
        named = [scope.constant(name) for name in node.input[1:] if name]
        scales = [tensor for tensor in named if tensor is not None and len(tensor.dims) < 2]
        if len(scales) < len(named):
            return False
        if any(a.name == "block_size" and a.i for a in node.attribute):
            return False
        axis = channel_axis(node, scope, rank)
        if axis not in ((None, 0) if rank == 1 else (None, 1)):
            return False
        count = 1 if axis is None else source.tensor.dims[axis]
        if any(tensor.dims and tensor.dims[0] != count for tensor in scales):
            return False
    return rank == 1 or stored_zero(source, scope, read) is not None


def channel_axis(node: NodeProto, scope: Scope, rank: int) -> int | None:
    """The axis whose channels have separate scales, or None if one scale applies to all."""
    if not is_linear(node) or list(scope.stored(node.input[1]).dims) in ([], [1]):
        return None
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    return axis + rank if axis < 0 else axis


def stored_zero(source: Source, scope: Scope, read: Read) -> NumpyArray | None:
    """The stored number that represents zero, one or one per output channel; None if unknown."""
    zero = np.zeros(1, np.int64)
    for node in filter(is_linear, source.chain):  # from the use back to the constant
        named = len(node.input) > 2 and node.input[2]
        point = np.atleast_1d(read(scope.stored(node.input[2])) if named else np.zeros(1))
        point = point.astype(np.int64)
        if node.op_type == "DequantizeLinear":
            if zero.any():
                return None
            zero = point
        else:
            if (zero != point).any():
                return None
            zero = np.zeros(1, np.int64)
    kind = read(source.tensor).dtype
    return zero if (zero.astype(kind).astype(np.int64) == zero).all() else None


def type_behind(source: Source, scope: Scope) -> int:
    """Data type of a constant where it is used, set by the last operator that changes it."""
    for node in source.chain:
        numbers = {a.name: a.i for a in node.attribute}
        if node.op_type == "Cast":
            return numbers.get("to", 0)
        if is_linear(node):
            if numbers.get("output_dtype"):
                return numbers["output_dtype"]
            if node.op_type == "QuantizeLinear":
                return _type_of_zero(node, scope)
            scale = scope.constant(node.input[1])
            return scale.data_type if scale is not None else 0
    return source.tensor.data_type


def dequantized_type(scope: Scope, name: str) -> int:
    """Data type of the integers that a value was dequantized from; 0 if none."""
    for _ in range(_FAR):
        node = scope.producer(name)
        if node is None or not node.input:
            return 0
        if node.op_type == "DequantizeLinear":
            return _type_of_zero(node, scope)
        home = scope.home(name)
        if home is None:
            return 0
        scope, name = home, node.input[0]
    return 0


def may_saturate(source: Source, scope: Scope, read: Read) -> bool:
    """Whether two signed bytes of a filter, times the largest unsigned ones, may exceed 16 bits.

    Only where this is certain: 8-bit filters behind one DequantizeLinear, or floats behind a
    QuantizeLinear and its inverse.
    """
    kinds = [node.op_type for node in source.chain if node.op_type != "Identity"]
    if kinds == ["DequantizeLinear", "QuantizeLinear"]:
        return all(_type_of_zero(n, scope) == INT8 for n in source.chain if is_linear(n))
    if kinds != ["DequantizeLinear"] or source.tensor.data_type != INT8:
        return False
    filters = read(source.tensor)
    for channel in range(filters.shape[1]):  # one at a time, because 16-bit sums need memory
        numbers = np.sort(np.abs(filters[:, channel].astype(np.int16)), axis=None)
        if numbers[-2:].sum() > _LARGEST_PAIR:
            return True
    return False


def _type_of_zero(node: NodeProto, scope: Scope) -> int:
    """Data type of the integers of a quantizing or dequantizing node."""
    tensor = scope.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    return UINT8 if tensor is None else tensor.data_type

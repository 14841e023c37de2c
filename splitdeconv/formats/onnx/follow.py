"""Constants behind Identity, Cast, QuantizeLinear or DequantizeLinear, cut as they are stored.

The operators are repeated behind every part with the scales and zero points of its channels. Where a
window is wider than the taps of a phase it holds zeros: what is stored there is the number that the
operators turn into zero.

*Filters of signed bytes.* On x86 without VNNI, ONNX Runtime adds two products of bytes in 16 bits,
which saturates where filters are signed (its documentation, "Quantize ONNX models", section "When
and why do I need to try U8U8?"; measured with 1.32.0 for unsigned and for signed inputs). It
computes a ConvTranspose in float32, so a model that was right everywhere would go wrong there.
Under unsigned inputs, filters that could saturate are therefore stored as unsigned bytes, 128 added
to the numbers and to their zero points, for which the sums are exact on every processor. Under
signed inputs the runtime has no such kernel: there the convolutions are not quantized one by one,
and are computed in float32 as before (a single one, which the runtime could take for an integer
one, has unsigned filters here, too).
"""

import numpy as np

from .weights import cut, stack

INT8, UINT8 = 3, 2
_SHIFT = 128
#: Two products of 255 and one of these numbers each still fit 16 bits.
_LARGEST_PAIR = 128
#: How far behind an input the operator that dequantizes it is looked for.
_FAR = 8


class Follower:
    """Repeats the operators between a constant and its use behind each part of that constant.

    Args:
        ops: a `GraphOps`.
        source: the `Source`.
        read: ``tensor -> array`` for constants.
        groups: channel groups.
        rank: axes of the constant.
        unsigned: whether signed bytes become unsigned ones.
    """

    def __init__(self, ops, source, read, groups, rank, unsigned=False):
        self.ops, self.source, self._read, self._groups, self._rank = ops, source, read, groups, rank
        self._shift = _SHIFT if unsigned else 0

    def filters(self, plan):
        """Values for the filters of each of ``plan.convolutions``, None where a phase is empty."""
        phases = len(plan.convolutions[0].phases)
        zero = stored_zero(self.source, self.ops.scope, self._read)
        stored = self._read(self.source.tensor)
        arrays, shape, kind = cut(plan, stored), stored.shape, stored.dtype
        del stored  # large ones are held once
        if zero.any():
            if len(zero) > 1:
                zero = stack(np.tile(zero, self._groups), self._groups, phases)
            zero = zero.astype(kind).reshape(-1, *(1 for _ in range(self._rank - 1)))
            real = cut(plan, np.ones(shape, bool))
            arrays = [a if a is None else np.where(r, a, zero) for a, r in zip(arrays, real, strict=True)]
        return self.parts(arrays, phases)

    def bias(self, phases):
        """The value of the bias of so many stacked phases."""
        return self.parts([stack(self._read(self.source.tensor), self._groups, phases)], phases)[0]

    def parts(self, arrays, phases):
        """Values for the parts of the constant, each behind a copy of the operators; None stays None.

        Args:
            arrays: list of the parts, in the order of the plan's convolutions; it is emptied.
            phases: how many phases each of them stacks.
        """
        name, values = self.source.name, []
        while arrays:
            array = arrays.pop(0)
            values.append(None if array is None else self._part(array, f"{name}_{len(values)}", phases))
        return values

    def _part(self, array, name, phases):
        value = self.ops.constant(self._shifted(array), name=name, home=self.source.home)
        for node in reversed(self.source.chain):
            value = self._repeat(node, value, phases)
        return value

    def _repeat(self, node, value, phases):
        if not is_linear(node):
            return self.ops.repeat(node, [value, *node.input[1:]])
        axis = channel_axis(node, self.ops.scope, self._rank)
        parameters = [
            self._parameter(name, node, axis, phases, zero=bool(i)) for i, name in enumerate((*node.input[1:], "")[:2])
        ]
        return self.ops.repeat(node, [value, *parameters], axis=None if axis is None else 0)

    def _parameter(self, name, node, axis, phases, zero):
        """A scale or zero point: as it is, or one per output channel of all groups and phases."""
        shifted = zero and self._shift
        if not name and not shifted:
            return name
        scope = self.ops.scope
        # A zero point that is left out is zero, of as many channels as the scale.
        tensor = scope.constant(name or node.input[1])
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

    def _shifted(self, array):
        """Signed bytes as unsigned ones, where that is to be."""
        if not self._shift or array.dtype != np.int8:
            return array
        return (array.astype(np.int16) + self._shift).astype(np.uint8)


def is_linear(node):
    """Whether a node is a QuantizeLinear or a DequantizeLinear."""
    return node.op_type.endswith("Linear")


def can_follow(source, scope, rank, groups, read):
    """Whether the operators behind a constant can follow its parts.

    Their scales must be known and belong to no block, no kernel axis and no input channel: ONNX
    Runtime takes no convolution in integers with scales per input channel. Filters also need a
    stored number that stands for zero.
    """
    for node in filter(is_linear, source.chain):
        scales = [scope.constant(name) for name in node.input[1:] if name]
        if any(tensor is None or len(tensor.dims) > 1 for tensor in scales):
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


def channel_axis(node, scope, rank):
    """The axis whose channels have scales of their own, or None where one scale serves all."""
    if not is_linear(node) or list(scope.constant(node.input[1]).dims) in ([], [1]):
        return None
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    return axis + rank if axis < 0 else axis


def stored_zero(source, scope, read):
    """The stored number that stands for zero, one or one per output channel; None if there is none."""
    zero = np.zeros(1, np.int64)
    for node in filter(is_linear, source.chain):  # from the use back to the constant
        named = len(node.input) > 2 and node.input[2]
        point = np.atleast_1d(read(scope.constant(node.input[2])) if named else np.zeros(1))
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


def type_behind(source, scope):
    """Data type of a constant's value where it is used: the last operator that sets one decides."""
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


def dequantized_type(scope, name):
    """Data type of the integers that a value was dequantized from, perhaps moved about since; 0 if none."""
    for _ in range(_FAR):
        node = scope.producer(name)
        if node is None or not node.input:
            return 0
        if node.op_type == "DequantizeLinear":
            return _type_of_zero(node, scope)
        scope, name = scope.home(name), node.input[0]
    return 0


def may_saturate(source, scope, read):
    """Whether two of a filter's signed bytes, times the greatest unsigned ones, exceed 16 bits.

    Only what can be told without doubt: filters of bytes behind one DequantizeLinear, or floats
    behind a QuantizeLinear and its inverse.
    """
    kinds = [node.op_type for node in source.chain if node.op_type != "Identity"]
    if kinds == ["DequantizeLinear", "QuantizeLinear"]:
        return all(_type_of_zero(n, scope) == INT8 for n in source.chain if is_linear(n))
    if kinds != ["DequantizeLinear"] or source.tensor.data_type != INT8:
        return False
    filters = read(source.tensor)
    for channel in range(filters.shape[1]):  # one by one: a sum in 16 bits takes room
        numbers = np.sort(np.abs(filters[:, channel].astype(np.int16)), axis=None)
        if numbers[-2:].sum() > _LARGEST_PAIR:
            return True
    return False


def _type_of_zero(node, scope):
    """Data type of the integers of a quantizing or dequantizing node."""
    tensor = scope.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    return UINT8 if tensor is None else tensor.data_type

"""The operators of `splitdeconv.formats.lowering` as nodes of a PyTorch graph."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...extras import require
from ..lowering.primitives import Primitives, Scaled
from .nodes import CONVOLUTION, operator_name

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor
    from torch.fx import Graph, Node

    from ...core.typing import NumpyArray
    from .signature import Signature

#: What a program keeps about the origin of a node; new nodes belong to the module of the old one.
_ORIGIN = ("nn_module_stack", "stack_trace", "from_node")
_TO_THE_END = 2**63 - 1


class Aten(Primitives["Node"]):
    """Adds ATen operators to a graph, in front of a node.

    In a program of decomposed operators, these are of that set as well.

    Args:
        graph: the graph.
        node: the node that they replace.
        signature: where constants are added.
    """

    def __init__(self, graph: Graph, node: Node, signature: Signature) -> None:
        self._graph, self._node, self._signature = graph, node, signature
        self._torch = require("torch", "torch")
        self.aten = self._torch.ops.aten
        self._decomposed = operator_name(node) == CONVOLUTION
        self._sizes: dict[str, Node] = {}

    def call(self, target: Any, *args: Any, **options: Any) -> Node:
        """Add a node with its value on fake tensors, which has the shape and the type."""
        node = self._graph.call_function(target, args, options)
        node.meta = {k: self._node.meta[k] for k in _ORIGIN if k in self._node.meta}
        # Quantizers look for layers by this; otherwise by the module, which is a transposed one.
        node.meta["source_fn_stack"] = [(node.name, target)]
        values = self._torch.fx.map_arg(args, lambda arg: arg.meta["val"])
        # Otherwise, some operators ask for the numbers behind open lengths, which fixes these.
        with require("torch._dispatch.python", "torch").enable_python_dispatcher():
            node.meta["val"] = target(*values, **options)
        return node

    def stored(self, tensor: Tensor, beside: Node, hint: str) -> Node:
        """A tensor that the program stores, of the kind of another one and named after it."""
        return self._signature.add(tensor, beside, hint)

    def convolve(
        self,
        value: Node,
        filters: Node,
        bias: Node | None,
        kernel: Sequence[int],
        pads: Sequence[tuple[int, int]],
        dilations: Sequence[int],
        groups: int,
    ) -> Node:
        """A convolution; what it pads on one side more than on the other is padded before it."""
        if any(before != after for before, after in pads):
            value, pads = self.pad(value, [(0, 0), (0, 0), *pads]), [(0, 0)] * len(pads)
        ones, sides = [1] * len(pads), [before for before, _ in pads]
        name = f"conv{len(pads)}d"
        if self._decomposed:
            zeros = [0] * len(pads)
            last = (ones, sides, list(dilations), False, zeros, groups)
            made = self.call(self.aten.convolution.default, value, filters, bias, *last)
        else:
            options = ones, sides, list(dilations), groups
            made = self.call(getattr(self.aten, name).default, value, filters, bias, *options)
        source = getattr(self._torch.nn.functional, name)
        made.meta["source_fn_stack"] = [(made.name, source)]
        return made

    def depth_to_space(self, value: Node, block: int) -> Node:
        """ATen's pixel_shuffle has the phase fastest: this takes a permutation, as "transpose"."""
        channels = self._length(value, 1) // block**2
        opened = self.reshape(value, [0, block, block, channels, Scaled(2), Scaled(3)])
        turned = self.transpose(opened, (0, 3, 4, 1, 5, 2))
        return self.reshape(turned, [0, channels, Scaled(2, block), Scaled(4, block)])

    def constant(self, array: NumpyArray, hint: str = "constant") -> Node:
        """A buffer of the program, of the type of the operator's result."""
        like = self._node.meta["val"]
        tensor = self._torch.from_numpy(np.array(array)).to(like.device, like.dtype)
        return self._signature.add(tensor, None, hint)

    def concat(self, values: Sequence[Node], axis: int) -> Node:
        return values[0] if len(values) == 1 else self.call(self.aten.cat.default, [*values], axis)

    def split(self, value: Node, parts: int, axis: int) -> list[Node]:
        if parts == 1:
            return [value]
        step = self._length(value, axis) // parts
        starts = range(0, step * parts, step)
        return [self.call(self.aten.slice.Tensor, value, axis, n, n + step) for n in starts]

    def transpose(self, value: Node, order: Iterable[int]) -> Node:
        return self.call(self.aten.permute.default, value, list(order))

    def gather(self, value: Node, indices: Sequence[int], axis: int) -> Node:
        """Single positions side by side: PyTorch would store the indices as a buffer."""
        return self.concat(
            [self.call(self.aten.slice.Tensor, value, axis, i, i + 1) for i in indices], axis
        )

    def slice(self, value: Node, ranges: Mapping[int, tuple[int, int]]) -> Node:
        for axis, (start, end) in sorted(ranges.items()):
            stop = -end if end else _TO_THE_END
            value = self.call(self.aten.slice.Tensor, value, axis, start, stop)
        return value

    def expand(self, value: Node, like: Node, dtype: npt.DTypeLike) -> Node:
        rank = len(like.meta["val"].shape)
        return self.call(
            self.aten.expand.default, value, [self._size(like, i) for i in range(rank)]
        )

    def pad(
        self, value: Node, pads: Sequence[tuple[int, int]], fill: NumpyArray | None = None
    ) -> Node:
        """Zeros: the programs that are rewritten have no other number that means zero."""
        flat = [side for pair in reversed(pads) for side in pair]
        return self.call(self.aten.constant_pad_nd.default, value, flat, 0.0)

    def reshape(self, value: Node, dims: Sequence[int | Scaled]) -> Node:
        dims = [Scaled(i) if d == 0 else d for i, d in enumerate(dims)]
        shape = [self._scaled(value, d) if isinstance(d, Scaled) else d for d in dims]
        if not self._decomposed:
            return self.call(self.aten.reshape.default, value, shape)
        if not value.meta["val"].is_contiguous():
            value = self.call(self.aten.clone.default, value)
            value.kwargs = {"memory_format": self._torch.contiguous_format}
            value.meta["val"] = value.meta["val"].contiguous()
        return self.call(self.aten.view.default, value, shape)

    def _scaled(self, value: Node, length: Scaled) -> Node | int:
        """A length of a value, times and divided by a number."""
        size = self._size(value, length.index)
        if isinstance(size, int):
            return size * length.mul // length.div
        for number, function in ((length.mul, operator.mul), (length.div, operator.floordiv)):
            if number != 1:
                size = self.call(function, size, number)
        return size

    def _size(self, value: Node, axis: int) -> Node | int:
        """The length of an axis: a number where it is known, else a node."""
        size = value.meta["val"].shape[axis]
        if isinstance(size, int):
            return size
        # Equal lengths are asked for once.
        key = str(size.node.expr)
        if key not in self._sizes:
            self._sizes[key] = self.call(self.aten.sym_size.int, value, axis)
        return self._sizes[key]

    def _length(self, value: Node, axis: int) -> int:
        size: int = value.meta["val"].shape[axis]
        return size

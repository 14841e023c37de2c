"""The transposed convolutions of a program, with their geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.geometry import resolve
from ...errors import SplitDeconvError
from ..site import Folded, Site
from .nodes import arguments, lengths, operator_name, shown_name

if TYPE_CHECKING:
    from torch.fx import Node

    from ...core.geometry import Axis
    from .constants import Constants

#: PyTorch's names of element types that convolutions compute in, as sites name them.
TYPES = {f"torch.{name}": name for name in ("float16", "bfloat16", "float32", "float64")}
#: Why filters without elements are not split.
EMPTY = "its filters have no elements"
_INTERLEAVES = ("concat", "transpose")
_QUANTIZED = ("quantized_decomposed.", "torchao.")


@dataclass(frozen=True)
class Found:
    """A transposed convolution in a graph.

    Args:
        node: its node.
        place: where it is, in words, if not in the main graph: "a branch or a loop".
        norm: the batch normalization that alone reads it and can be folded; None if there is none.
        sink: the node whose result the rewritten operator gives if `norm` is folded.
    """

    node: Node
    place: str = ""
    norm: Node | None = None
    sink: Node | None = None


def site_of(this: Found, constants: Constants) -> Site:
    """The record of a transposed convolution."""
    node = this.node
    given = arguments(node)
    weight, x = lengths(given["weight"]), lengths(given["input"])
    dtype = str(given["weight"].meta["val"].dtype)
    problem, axes = None, None
    if this.place:
        problem = f"it is in {this.place}, which is not rewritten"
    elif _is_quantized(given["weight"]):
        problem = "its filters are quantized: convert the program before it is quantized"
    elif dtype not in TYPES:
        problem = f"it computes in {dtype.removeprefix('torch.')}"
    elif weight is None or None in weight or x is None:
        problem = "the shape of its filters or its input is not known"
    elif 0 in weight:
        problem = EMPTY
    else:
        try:
            axes = _axes(node, x, [n for n in weight[2:] if n is not None])
        except SplitDeconvError as error:
            problem = str(error)
    batched = weight is not None and x is not None and len(x) == len(weight)
    folded = () if this.norm is None else (Folded(operator_name(this.norm), this.norm.name),)
    return Site(
        name=node.name,
        operator=shown_name(node),
        axes=axes,
        groups=given["groups"],
        in_channels=None if weight is None else weight[0],
        out_channels=None if weight is None or weight[1] is None else weight[1] * given["groups"],
        dtype=TYPES.get(dtype, dtype.removeprefix("torch.")),
        batch=x[0] if batched and x is not None else 1,
        problem=problem,
        interleaves=_INTERLEAVES,
        key=this,
        foldable=folded if problem is None else (),
    )


def _axes(node: Node, x: tuple[int | None, ...], kernel: list[int]) -> tuple[Axis, ...]:
    given, rank = arguments(node), len(kernel)
    strides, pads, longer, dilations = (
        per_axis(given[name], rank) for name in ("stride", "padding", "output_padding", "dilation")
    )
    return resolve(x[-rank:], kernel, strides, [(p, p) for p in pads], None, longer, dilations)


def per_axis(value: int | list[int], rank: int) -> tuple[int, ...]:
    """A value for every axis; PyTorch takes a single one for all."""
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * rank if len(values) == 1 else values)


def _is_quantized(node: Node) -> bool:
    """Whether a weight is made from integers, possibly through other operators."""
    reached, waiting = set(), [node]
    while waiting:
        one = waiting.pop()
        if operator_name(one).startswith(_QUANTIZED):
            return True
        if one not in reached:
            reached.add(one)
            waiting += one.all_input_nodes
    return False

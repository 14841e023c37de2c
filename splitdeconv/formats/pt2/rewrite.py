"""Replace transposed convolutions of a program by the output of `lower`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from ...extras import require
from ..lowering.lower import lower
from ..lowering.weights import cut, cut_in_graph, stack, stack_in_graph
from .aten import Aten
from .constants import Constants
from .folding import folded
from .layout import memory_format, result_format
from .nodes import arguments, operator_name
from .signature import Signature
from .sites import Found

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.fx import Node

    from ...core.plan import SplitPlan
    from ...core.typing import NumpyArray


class Change(NamedTuple):
    """What to do with one site: a plan, an interleave, and whether to fold what follows."""

    this: Found
    plan: SplitPlan
    interleave: str
    fold: bool = False


#: Operators whose result is contiguous if what they read is a part of a contiguous tensor. With
#: channels last, their results are as well, so that these settle nothing.
_SETTLING = frozenset(
    f"aten.{name}"
    for name in (
        *("conv1d.default", "conv2d.default", "conv3d.default", "convolution.default"),
        *("conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input"),
        *("batch_norm.default", "_native_batch_norm_legit_no_training.default", "cat.default"),
        *("relu.default", "leaky_relu.default", "elu.default", "gelu.default", "silu.default"),
        *("tanh.default", "sigmoid.default", "hardtanh.default", "softplus.default"),
    )
)
#: The filters that were made, by weight, groups, taps, and what was folded.
_Known: TypeAlias = "dict[tuple[Hashable, ...], list[Node | None]]"


def copy_of(program: ExportedProgram) -> ExportedProgram:
    """A program with a graph and a signature of its own, and the same tensors."""
    torch = require("torch", "torch")
    places: dict[Node, Node] = {}
    graph = torch.fx.Graph()
    result = graph.graph_copy(program.graph, places)
    for node, copied in places.items():
        copied.name = node.name  # PyTorch renames what is called like a function of Python
    graph.output(result).meta = dict(program.graph.output_node().meta)
    kinds = require("torch.export.graph_signature", "torch")
    old = program.graph_signature
    signature = kinds.ExportGraphSignature([*old.input_specs], [*old.output_specs])
    made: ExportedProgram = torch.export.ExportedProgram(
        root=program.graph_module,
        graph=graph,
        graph_signature=signature,
        state_dict=dict(program.state_dict),
        range_constraints=dict(program.range_constraints),
        module_call_graph=[*program.module_call_graph],
        example_inputs=program.example_inputs,
        constants=dict(program.constants),
        verifiers=[program.verifier],
    )
    # Of a program that was loaded, the constructor finds no conditions on the inputs.
    made._guards_code = list(program._guards_code)
    return made


def rewrite(program: ExportedProgram, changes: Sequence[Change]) -> None:
    """Carry out changes on a program, in place.

    Args:
        program: a copy of the one in which the sites were found.
        changes: the changes.
    """
    nodes = {node.name: node for node in program.graph.nodes}
    known: _Known = {}
    for change in changes:
        _replace(program, nodes, change, known)
    program.graph_module.recompile()
    program.graph.lint()


def _replace(
    program: ExportedProgram, nodes: dict[str, Node], change: Change, known: _Known
) -> None:
    this, graph = change.this, program.graph
    node = nodes[this.node.name]
    sink = nodes[this.sink.name] if change.fold and this.sink is not None else node
    signature = Signature(program)
    # What is folded is stored, so that the input is read where it was.
    with graph.inserting_before(node):
        y = _emit(program, signature, node, sink, change, nodes, known)
    name = sink.name
    sink.replace_all_uses_with(y)
    signature.drop(sink)
    # Signature, callers and the verification know the result by its name.
    y.name = name
    nodes[name] = y


def _emit(
    program: ExportedProgram,
    signature: Signature,
    node: Node,
    sink: Node,
    change: Change,
    nodes: dict[str, Node],
    known: _Known,
) -> Node:
    """The nodes for one site; returns the one that replaces its result.

    Calls of one module share their filters, as before.
    """
    given, plan, this = arguments(node), change.plan, change.this
    x, weight, bias, groups = (given[key] for key in ("input", "weight", "bias", "groups"))
    constants, ops = Constants(program), Aten(program.graph, node, signature)
    values = constants.value(weight), None if bias is None else constants.value(bias)
    fresh = False
    if change.fold and this.norm is not None and values[0] is not None:
        norm = nodes[this.norm.name]
        values, fresh = folded(values[0], values[1], groups, norm, constants), True
    shape = tuple(weight.meta["val"].shape)
    channels = shape[1] * groups
    alone = len(x.meta["val"].shape) < len(shape)
    if alone:
        x = ops.call(ops.aten.unsqueeze.default, x, 0)
    if values[0] is None:
        filters = cut_in_graph(ops, plan, weight, shape)
    else:
        taps = tuple(window.taps for made in plan.convolutions for window in made.windows)
        key = (weight.name, groups, taps, this.norm.name if fresh and this.norm is not None else "")
        if key not in known:
            known[key] = [
                None if part is None else ops.stored(part, leaf(weight, constants), f"phase{i}")
                for i, part in enumerate(_cut(plan, values[0]))
            ]
        filters = known[key]
    y = lower(
        ops,
        plan,
        change.interleave,
        x,
        filters,
        _bias(ops, plan, bias, values[1], constants, weight, channels, fresh),
        channels,
        np.float32,
    )
    y = _laid_out(ops, y, x, node, sink)
    return ops.call(ops.aten.squeeze.dim, y, 0) if alone else y


def _laid_out(ops: Aten, y: Node, x: Node, node: Node, sink: Node) -> Node:
    """The result in memory as the original's, unless all that read it do not mind: a view might.

    Args:
        ops: adds the operator that moves it.
        y, x: the result and the input, with a batch.
        node: the transposed convolution.
        sink: the node whose result `y` replaces.
    """
    contiguous = require("torch", "torch").contiguous_format
    layout = result_format(node)
    if all(one == contiguous for one in (layout, *(memory_format(v.meta["val"]) for v in (x, y)))):
        rank = len(node.meta["val"].shape)
        # As texts: comparing open lengths would settle them.
        strides = [str(one.meta["val"].stride()[-rank:]) for one in (y, node)]
        if strides[0] == strides[1] or all(operator_name(user) in _SETTLING for user in sink.users):
            return y
    # Else, the strides of the fake tensors prove nothing: with a batch of 1, the operators take
    # channels last for contiguous, or the other way round.
    return ops.call(ops.aten.clone.default, y, memory_format=layout)


def _bias(
    ops: Aten,
    plan: SplitPlan,
    bias: Node | None,
    value: Tensor | None,
    constants: Constants,
    weight: Node,
    channels: int,
    fresh: bool,
) -> Callable[[int], Node] | None:
    """The function that gives the bias of several stacked phases; None without a bias.

    Args:
        bias: the node of the bias.
        value: the values of the bias, where they are stored.
        fresh: whether these are not those of the node.
    """
    if bias is None and not fresh:
        return None

    @cache
    def stacked(phases: int) -> Node:
        if value is None:
            assert bias is not None
            return stack_in_graph(ops, bias, plan.groups, phases, channels)
        if phases == 1 and bias is not None and not fresh:
            return bias
        beside = leaf(weight if bias is None else bias, constants)
        hint = f"x{phases}" if bias is not None else f"bias_x{phases}"
        return ops.stored(_moved(value, lambda v: stack(v, plan.groups, phases)), beside, hint)

    return stacked


def leaf(node: Node, constants: Constants) -> Node | None:
    """A stored tensor from which a node is computed, after which its parts are named."""
    while not constants.is_stored(node):
        if not node.all_input_nodes:
            return None
        node = node.all_input_nodes[0]
    return node


def _cut(plan: SplitPlan, weight: Tensor) -> list[Tensor | None]:
    """`lowering.weights.cut` of a tensor of any type, on its device."""
    parts: list[Tensor | None] = []
    for part in cut(plan, _bits(weight)):
        parts.append(None if part is None else _tensor(part, weight))
    return parts


def _moved(tensor: Tensor, move: Callable[[NumpyArray], NumpyArray]) -> Tensor:
    """A tensor after a function that moves its elements."""
    return _tensor(move(_bits(tensor)), tensor)


def _bits(tensor: Tensor) -> NumpyArray:
    """The elements as integers of their size, because NumPy has no bfloat16; 0 is 0 in both."""
    torch = require("torch", "torch")
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    array: NumpyArray = tensor.detach().cpu().contiguous().view(integers).numpy()
    return array


def _tensor(bits: NumpyArray, like: Tensor) -> Tensor:
    torch = require("torch", "torch")
    made: Tensor = torch.from_numpy(np.ascontiguousarray(bits)).view(like.dtype)
    return made.to(like.device)

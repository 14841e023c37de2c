"""One operator cut out of a program, as a graph of its own."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ...extras import require
from ..cut import UncutError
from .constants import Constants
from .layout import laid_out, layout_of
from .nodes import arguments, lengths
from .runtime import Part, PartInput

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.fx import Node
    from torch.nn import Module

    from ..site import Site
    from .sites import Found


def module_part(module: Module, site: Site) -> Part:
    """The submodule of a site; the input has any lengths."""
    part = module.get_submodule(site.name) if site.name in dict(module.named_modules()) else module
    shape = (None, site.in_channels, *[None] * len(site.known_axes))
    return Part(part, (PartInput("x", part.weight.dtype, shape, part.weight.device),))


def exported(part: Part) -> ExportedProgram:
    """A part of a program as a program of its own; sizes of inputs that are open become 1."""
    torch = require("torch", "torch")
    inputs = tuple(
        laid_out(torch.zeros([n or 1 for n in x.shape], dtype=x.dtype, device=x.device), x.layout)
        for x in part.inputs
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, on its own code
        made: ExportedProgram = torch.export.export(part.graph, inputs)
    return made


def part_of(program: ExportedProgram, this: Found, sink: str) -> Part:
    """Everything between the tensor that a transposed convolution reads and the one it gives.

    Args:
        program: the original program, or the converted one.
        this: the site in the original.
        sink: the name of the node with the result.

    Filters that are an input of the program are an input of the part as well.

    Raises:
        UncutError: something other than tensors is read in between.
    """
    torch = require("torch", "torch")
    constants = Constants(program)
    nodes = {node.name: node for node in program.graph.nodes}
    source = arguments(this.node)["input"]
    stored: dict[str, Tensor] = {}
    graph = torch.fx.Graph()
    done: dict[Node, Any] = {}
    inputs: list[PartInput] = []

    def taken(node: Node, name: str) -> Node:
        """An input of the part for a tensor of the program that is not computed in the part."""
        shape = lengths(node)
        if shape is None:
            raise UncutError(f"it reads {node.name}, which is not a tensor")
        before = [node for node in graph.nodes if node.op == "placeholder"][-1:]
        with graph.inserting_after(before[0]) if before else nullcontext():
            made: Node = graph.placeholder(name)
        value = node.meta["val"]
        inputs.append(PartInput(name, value.dtype, shape, value.device, layout_of(value)))
        return made

    start = taken(source, "x")
    done[nodes[source.name]] = start

    def copied(node: Node) -> Any:
        if node in done:
            return done[node]
        if node.op == "placeholder":
            value = constants.value(node)
            if value is None:
                done[node] = taken(node, f"given_{node.name}")
                return done[node]
            stored[f"stored_{len(stored)}"] = value
            with graph.inserting_after(start):
                done[node] = graph.get_attr(f"stored_{len(stored) - 1}")
        elif node.op == "call_function":
            for inner in node.all_input_nodes:
                copied(inner)
            done[node] = graph.node_copy(node, done.__getitem__)
        else:
            raise UncutError(f"it reads {node.name}, a part of another kind")
        return done[node]

    root = torch.nn.Module()
    graph.output(copied(nodes[sink]))
    for name, value in stored.items():
        root.register_buffer(name, value)
    return Part(torch.fx.GraphModule(root, graph), tuple(inputs))

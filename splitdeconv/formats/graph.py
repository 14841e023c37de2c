"""A model file as a graph of operators, for drawing: data flow, and what a conversion changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

#: A tensor: its name, or its index while the operators of one file are collected.
Tensor: TypeAlias = str | int


@dataclass(frozen=True)
class Node:
    """One operator.

    Args:
        operator: its type, such as "CONV_2D" or "ConvTranspose".
        inputs: names of the tensors it reads, without constants.
        outputs: names of the tensors it writes.
    """

    operator: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def renamed(self, names: Sequence[str]) -> "Node":
        """The node with tensor names in place of tensor indices."""
        inputs, outputs = (
            tuple(names[int(index)] for index in ends) for ends in (self.inputs, self.outputs)
        )
        return replace(self, inputs=inputs, outputs=outputs)


#: Nodes in order, each with whether only this one of two graphs has it.
Marked: TypeAlias = list[tuple[Node, bool]]


def changed(
    before: Sequence[Node], after: Sequence[Node], context: int = 1
) -> tuple[Marked, Marked]:
    """The operators that a conversion removed and added, with the operators around them.

    Args:
        before, after: the operators of both graphs.
        context: how many neighbouring operators to include on each side of a change.

    Returns:
        (before, after): for each graph, a list of (node, whether only this graph has it), in order.
    """
    shared = set(before) & set(after)
    old, new = (
        _around(graph, [node not in shared for node in graph], context) for graph in (before, after)
    )
    return old, new


def _around(graph: Sequence[Node], new: list[bool], context: int) -> Marked:
    """The new nodes, and those within `context` steps of one."""
    kept = list(new)
    for _ in range(context):
        near = [node for node, keep in zip(graph, kept, strict=True) if keep]
        read = {name for node in near for name in node.inputs}
        written = {name for node in near for name in node.outputs}
        kept = [
            keep or bool(read & set(node.outputs)) or bool(written & set(node.inputs))
            for node, keep in zip(graph, kept, strict=True)
        ]
    return [(node, fresh) for node, fresh, keep in zip(graph, new, kept, strict=True) if keep]


def alive(operators: Iterable[Node], fixed: Iterable[Tensor]) -> list[Node]:
    """The operators that depend on the inputs of a model; operators on constants only are left out.

    Args:
        operators: in execution order.
        fixed: names of the constants.
    """
    known = set(fixed)
    live = []
    for node in operators:
        inputs = tuple(name for name in node.inputs if name not in known)
        if inputs or (not node.inputs and node.operator != "Constant"):
            live.append(replace(node, inputs=inputs))
        else:
            known.update(node.outputs)
    return live

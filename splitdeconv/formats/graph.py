"""A model file as a graph of operators, for drawing: data flow, and what a conversion changed."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Node:
    """One operator.

    Args:
        operator: its type, such as "CONV_2D" or "ConvTranspose".
        inputs: names of the tensors it reads, without constants.
        outputs: names of the tensors it writes.
    """

    operator: str
    inputs: tuple[Hashable, ...]
    outputs: tuple[Hashable, ...]

    def renamed(self, names: Sequence[str]) -> "Node":
        """The node with tensor names in place of tensor indices."""
        inputs, outputs = (
            tuple(names[index] for index in ends) for ends in (self.inputs, self.outputs)
        )
        return replace(self, inputs=inputs, outputs=outputs)


def changed(before, after, context=1):
    """The operators that a conversion removed and added, with the operators around them.

    Args:
        before, after: lists of `Node`.
        context: how many neighbouring operators to include on each side of a change.

    Returns:
        (before, after): for each graph, a list of (node, whether only this graph has it), in order.
    """
    shared = set(before) & set(after)
    return tuple(
        _around(graph, [node not in shared for node in graph], context) for graph in (before, after)
    )


def _around(graph, new, context):
    """The new nodes, and those within `context` steps of one."""
    kept = list(new)
    for _ in range(context):
        read = {
            name for node, keep in zip(graph, kept, strict=True) if keep for name in node.inputs
        }
        written = {
            name for node, keep in zip(graph, kept, strict=True) if keep for name in node.outputs
        }
        kept = [
            keep or bool(read & set(node.outputs)) or bool(written & set(node.inputs))
            for node, keep in zip(graph, kept, strict=True)
        ]
    return [(node, fresh) for node, fresh, keep in zip(graph, new, kept, strict=True) if keep]


def alive(operators: Iterable[Node], fixed: set) -> list[Node]:
    """The operators that depend on the inputs of a model; operators on constants only are left out.

    Args:
        operators: in execution order.
        fixed: names of the constants.
    """
    fixed, live = set(fixed), []
    for node in operators:
        inputs = tuple(name for name in node.inputs if name not in fixed)
        if inputs or (not node.inputs and node.operator != "Constant"):
            live.append(replace(node, inputs=inputs))
        else:
            fixed.update(node.outputs)
    return live

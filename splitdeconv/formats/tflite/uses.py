"""What a TFLite model requires of a target: its operators, their versions and element types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..site import Decision
from .flow import contents
from .graph import operator_name, ports, type_name
from .rewrite.remove import feeders

if TYPE_CHECKING:
    from .flatbuffer.objects import ModelT, OperatorT, SubGraphT

Use = tuple[str, int, frozenset[str]]


def uses(model: ModelT, decisions: Sequence[Decision] = ()) -> list[Use]:
    """Every operator that stays after some decisions are carried out, without the new operators.

    Args:
        model: the `ModelT`.
        decisions: about its transposed convolutions.

    Returns:
        (name, version, element types of its non-constant tensors) of each.
    """
    going: dict[int, set[int]] = {}
    for decision in decisions:
        if decision.verdict == "convert":
            handle = decision.site.key
            going.setdefault(handle.subgraph, set()).add(handle.operator)
    return [
        use
        for number, graph in enumerate(model.subgraphs)
        for use in _of_graph(model, graph, going.get(number, set()))
    ]


def _of_graph(model: ModelT, graph: SubGraphT, going: set[int]) -> Iterator[Use]:
    """The operators of a subgraph without those in `going` and what only feeds their shapes."""
    operators = list(graph.operators or ())
    rewritten = [operators[position] for position in going]
    shapes = [ports(o.inputs)[0] for o in rewritten if operator_name(model, o) == "TRANSPOSE_CONV"]
    gone = {*map(id, rewritten), *(feeders(model, graph, shapes, shapes) if shapes else ())}
    for operator in operators:
        if id(operator) not in gone:
            code = model.operatorCodes[operator.opcodeIndex]
            yield operator_name(model, operator), code.version, _types(model, graph, operator)


def _types(model: ModelT, graph: SubGraphT, operator: OperatorT) -> frozenset[str]:
    tensors = (
        graph.tensors[i] for i in (*ports(operator.inputs), *ports(operator.outputs)) if i >= 0
    )
    return frozenset(
        type_name(tensor).lower() for tensor in tensors if contents(model, tensor) is None
    )

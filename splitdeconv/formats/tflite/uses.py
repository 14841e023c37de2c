"""What a TFLite model asks of a target: its operators, their versions and the types that they compute in."""

from collections.abc import Iterator, Sequence

from ..site import Decision
from .flow import contents
from .graph import operator_name, ports, type_name
from .rewrite.edit import feeders

Use = tuple[str, int, frozenset[str]]


def uses(model, decisions: Sequence[Decision] = ()) -> list[Use]:
    """Every operator that is left once some decisions are carried out; what replaces the rewritten ones left out.

    Args:
        model: the `ModelT`.
        decisions: on its transposed convolutions.

    Returns:
        (name, version, element types of its tensors without the constants) of each.
    """
    going: dict[int, set[int]] = {}
    for decision in decisions:
        if decision.verdict == "convert":
            handle = decision.site.key
            going.setdefault(handle.subgraph, set()).add(handle.operator)
    return [
        use for number, graph in enumerate(model.subgraphs) for use in _of_graph(model, graph, going.get(number, set()))
    ]


def _of_graph(model, graph, going: set[int]) -> Iterator[Use]:
    """The operators of a subgraph without those at the positions `going` and what feeds their output shapes alone."""
    operators = list(graph.operators or ())
    rewritten = [operators[position] for position in going]
    shapes = [int(o.inputs[0]) for o in rewritten if operator_name(model, o) == "TRANSPOSE_CONV"]
    gone = {*map(id, rewritten), *(feeders(model, graph, shapes, shapes) if shapes else ())}
    for operator in operators:
        if id(operator) not in gone:
            code = model.operatorCodes[operator.opcodeIndex]
            yield operator_name(model, operator), code.version, _types(model, graph, operator)


def _types(model, graph, operator) -> frozenset[str]:
    tensors = (graph.tensors[i] for i in (*ports(operator.inputs), *ports(operator.outputs)) if i >= 0)
    return frozenset(type_name(tensor).lower() for tensor in tensors if contents(model, tensor) is None)

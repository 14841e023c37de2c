"""Replace operators of a TFLite model in memory, and remove what nothing reads any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from ..graph import operator_name, ports, producers

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from ..flatbuffer.objects import ModelT, OperatorT, SubGraphT

# Operators that may compute a shape or unpack a constant; removed when the result is no longer
# read.
_PURE = {
    *("SHAPE", "STRIDED_SLICE", "SLICE", "PACK", "CONCATENATION", "DEQUANTIZE", "CAST", "RESHAPE"),
    *("GATHER", "SQUEEZE", "EXPAND_DIMS", "ADD", "SUB", "MUL", "DIV", "FLOOR_DIV", "MAXIMUM"),
    *("MINIMUM", "BROADCAST_ARGS"),
}
#: Used tensors by subgraph, used buffers, and used operator codes; all by index.
Used: TypeAlias = tuple[list[set[int]], set[int], set[int]]
_Part = TypeVar("_Part")


def substitute(
    model: ModelT, graph: SubGraphT, replacements: Mapping[int, Sequence[OperatorT]]
) -> None:
    """Replace operators by new ones, and remove operators whose results are then never read.

    Args:
        model: the `ModelT`.
        graph: one of its subgraphs.
        replacements: {position of an operator: the operators that replace it}.
    """
    old = [graph.operators[position] for position in replacements]
    graph.operators = [
        new
        for position, operator in enumerate(graph.operators)
        for new in replacements.get(position, (operator,))
    ]
    _prune(model, graph, [tensor for operator in old for tensor in ports(operator.inputs)])


def _prune(model: ModelT, graph: SubGraphT, suspects: Iterable[int]) -> None:
    """Remove the operators that compute `suspects`, and those before them, unless still used."""
    dead = feeders(model, graph, suspects)
    graph.operators = [operator for operator in graph.operators if id(operator) not in dead]


def feeders(
    model: ModelT, graph: SubGraphT, suspects: Iterable[int], unread: Iterable[int] = ()
) -> set[int]:
    """The operators that compute some tensors, and those before them, unless used elsewhere.

    Args:
        model: the `ModelT`.
        graph: one of its subgraphs.
        suspects: indices of the tensors.
        unread: tensors that will lose a reader, listed once per lost reader.

    Returns:
        The `id` of each operator.
    """
    left, kept, makers = list(suspects), set(exposed(model, graph)), producers(graph)
    readers = Counter(
        tensor for operator in graph.operators for tensor in set(ports(operator.inputs))
    )
    readers.subtract(unread)
    dead: set[int] = set()
    while left:
        maker = makers.get(left.pop())
        if maker is None or id(maker) in dead or operator_name(model, maker) not in _PURE:
            continue
        if any(readers[t] or t in kept for t in ports(maker.outputs)):
            continue
        dead.add(id(maker))
        inputs = set(ports(maker.inputs))
        readers.subtract(inputs)
        left += inputs
    return dead


def exposed(model: ModelT, graph: SubGraphT) -> Iterator[int]:
    """Tensors that are visible outside the subgraph."""
    number = next(i for i, g in enumerate(model.subgraphs) if g is graph)
    yield from ports(graph.inputs)
    yield from ports(graph.outputs)
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == number:
            yield from (
                entry.tensorIndex
                for entry in (*(signature.inputs or ()), *(signature.outputs or ()))
            )


def used(model: ModelT) -> Used:
    """Used indices: tensors per subgraph (by operators or outside), buffers, and operator codes."""
    tensors = []
    for graph in model.subgraphs:
        of_operators = (
            t
            for operator in graph.operators or ()
            for indices in (operator.inputs, operator.outputs, operator.intermediates)
            for t in ports(indices)
        )
        tensors.append({*exposed(model, graph), *of_operators} - {-1})
    # Buffer 0 is empty by convention.
    buffers = {0, *(entry.buffer for entry in model.metadata or ()), *ports(model.metadataBuffer)}
    buffers |= {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors or ()}
    codes = {
        operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators or ()
    }
    return tensors, buffers, codes


def sweep(model: ModelT, before: Used) -> None:
    """Remove tensors, buffers and operator codes that are no longer used, and renumber the others.

    Args:
        model: the `ModelT`.
        before: what `used` returned before the model was changed. Parts that were unused even then
            are kept.
    """
    tensors_before, buffers_before, codes_before = before
    tensors, _, codes = used(model)
    for number, graph in enumerate(model.subgraphs):
        dead = tensors_before[number] - tensors[number]
        graph.tensors, new = _without(graph.tensors, dead)
        _renumber_tensors(model, number, graph, new)
    # Only now: the removed tensors no longer refer to their buffers.
    dead = buffers_before - used(model)[1]
    model.buffers, new = _without(model.buffers, dead)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = int(new[tensor.buffer])
    for entry in model.metadata or ():
        entry.buffer = int(new[entry.buffer])
    if model.metadataBuffer is not None:
        model.metadataBuffer = new[np.asarray(model.metadataBuffer, np.int64)].astype("<i4")
    model.operatorCodes, new = _without(model.operatorCodes, codes_before - codes)
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            operator.opcodeIndex = int(new[operator.opcodeIndex])


def _without(parts: Sequence[_Part], dead: set[int]) -> tuple[list[_Part], NumpyArray]:
    """A list without some entries, and the new index of each old one; -1 stays -1 (last entry)."""
    kept = np.array([i not in dead for i in range(len(parts))] + [False], bool)
    new = np.where(kept, np.cumsum(kept) - 1, -1)
    return [part for part, keep in zip(parts, kept, strict=False) if keep], new


def _renumber_tensors(model: ModelT, number: int, graph: SubGraphT, new: NumpyArray) -> None:
    for field in ("inputs", "outputs"):
        if getattr(graph, field) is not None:
            setattr(graph, field, new[ports(getattr(graph, field))].astype("<i4"))
    for operator in graph.operators or ():
        for field in ("inputs", "outputs", "intermediates"):
            if getattr(operator, field) is not None:
                setattr(operator, field, new[ports(getattr(operator, field))].astype("<i4"))
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == number:
            for entry in (*(signature.inputs or ()), *(signature.outputs or ())):
                entry.tensorIndex = int(new[entry.tensorIndex])

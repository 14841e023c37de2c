"""One operator of a .tflite model in isolation: the operators between two of its tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from ..content import content
from ..cut import Cut, UncutError
from ..site import Site
from .flatbuffer.bounds import make, schema
from .flatbuffer.file import read, save, write
from .flow import contents
from .graph import ports, producers

if TYPE_CHECKING:
    from .flatbuffer.objects import ModelT, OperatorT, SubGraphT
    from .sites import Handle

_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")


def cut(
    original: bytes | Path, converted: bytes | Path, site: Site, folder: Path | None = None
) -> Cut:
    """Cut the operator of a site out of both models.

    Args:
        original, converted: the models.
        site: one of the original's transposed convolutions.
        folder: where to write the parts; None to keep them in memory.

    Raises:
        UncutError: the operator cannot be cut out.
    """
    handle: Handle | None = site.key
    ends: list[_Place] = []
    parts: list[bytes | Path] = []
    for name, source in (("original", original), ("converted", converted)):  # one at a time
        model, _ = read(content(source), "the model")
        if handle is None or len(model.subgraphs) <= handle.subgraph:
            raise UncutError("the converted model does not have it in the same place")
        graph = model.subgraphs[handle.subgraph]
        if not ends:
            operator = graph.operators[handle.operator]
            begin, end = _begin(model, graph, site), ports(operator.outputs)[0]
            ends = places(model, graph, (begin, end))
        else:
            begin, end = located(model, graph, ends)
        file = None if folder is None else folder / f"{name}.tflite"
        parts.append(_subgraph(model, handle.subgraph, begin, end, file))
    return Cut(parts[0], parts[1])


def _begin(model: ModelT, graph: SubGraphT, site: Site) -> int:
    """The tensor that a part begins with; an output shape from other tensors becomes constant."""
    try:
        return source_of(model, graph, site.key)
    except UncutError:
        shape = [site.batch, *(axis.n and axis.o for axis in site.known_axes), site.out_channels]
        if site.operator != "TRANSPOSE_CONV" or None in shape:
            raise
        data = np.array(shape, "<i4")
        model.buffers.append(make("Buffer", data=data.view(np.uint8)))
        size, buffer = np.array([len(shape)], "<i4"), len(model.buffers) - 1
        tensor = make("Tensor", name=b"", shape=size, hasRank=True, buffer=buffer)
        tensor.type = schema().TensorType.INT32
        graph.tensors.append(tensor)
        operator = graph.operators[site.key.operator]
        operator.inputs = np.array([len(graph.tensors) - 1, *ports(operator.inputs)[1:]], "<i4")
        source: int = site.key.x
        return source


def source_of(model: ModelT, graph: SubGraphT, handle: Handle) -> int:
    """The tensor that a part begins with: the input of the operator.

    If a shape is computed from a tensor before the input, it is that tensor.
    """
    makers, source = producers(graph), handle.x
    outputs = ports(graph.operators[handle.operator].outputs)
    while True:
        operators = operators_between(graph, [source], outputs)
        made = {i for operator in operators for i in ports(operator.outputs)} | {source, -1}
        read = {i for operator in operators for i in ports(operator.inputs)} - made
        if all(contents(model, graph.tensors[i]) is not None for i in read):
            return source
        maker = makers.get(source)
        if maker is None:
            raise UncutError("its output shape is computed from tensors other than its input")
        source = ports(maker.inputs)[0]


def operators_between(
    graph: SubGraphT, sources: Collection[int], sinks: Iterable[int]
) -> list[OperatorT]:
    """The operators between tensors of a subgraph, in no order, and those that they depend on."""
    makers = producers(graph)
    needed: dict[int, OperatorT] = {}
    left = list(sinks)
    while left:
        tensor = left.pop()
        operator = makers.get(tensor)
        if tensor in sources or operator is None or id(operator) in needed:
            continue
        needed[id(operator)] = operator
        left += [i for i in ports(operator.inputs) if i >= 0]
    return list(needed.values())


class _Place(NamedTuple):
    """Which tensor of a subgraph this is, in terms that a conversion does not change.

    A conversion removes and adds tensors but keeps the order of the others. Names alone do not
    suffice, because files may have been stripped of them.

    Args:
        name, kind, rank: its name, the number of its type and its number of dimensions.
        nth: how many tensors like it come before it, not counting constants and what is computed
            from them alone, which a conversion may remove.
    """

    name: bytes
    kind: int
    rank: int
    nth: int


def places(model: ModelT, graph: SubGraphT, indices: Iterable[int]) -> list[_Place]:
    """The places of tensors of a subgraph; see `located`.

    Raises:
        UncutError: a tensor is constant.
    """
    where = _places(model, graph)
    return [_taken(where, index) for index in indices]


def located(model: ModelT, graph: SubGraphT, ends: Iterable[_Place]) -> list[int]:
    """The indices of the tensors with these places.

    Raises:
        UncutError: there is no such tensor.
    """
    where = {place: index for index, place in _places(model, graph).items()}
    return [_taken(where, place) for place in ends]


def _taken(where: Mapping[_Key, _Found], key: _Key) -> _Found:
    if key not in where:
        raise UncutError("the two models do not have its input and output in the same place")
    return where[key]


def _places(model: ModelT, graph: SubGraphT) -> dict[int, _Place]:
    """The place of each tensor that is not constant."""
    fixed = {i for i, tensor in enumerate(graph.tensors) if contents(model, tensor) is not None}
    for operator in graph.operators or ():
        inputs = {i for i in ports(operator.inputs) if i >= 0}
        if inputs and inputs <= fixed:
            fixed.update(ports(operator.outputs))
    counts: Counter[tuple[bytes, int, int]] = Counter()
    where: dict[int, _Place] = {}
    for index, tensor in enumerate(graph.tensors):
        if index not in fixed:
            like = tensor.name or b"", tensor.type, len(ports(tensor.shape))
            where[index] = _Place(*like, counts[like])
            counts[like] += 1
    return where


def _subgraph(
    model: ModelT, number: int, source: int, sink: int, file: Path | None
) -> bytes | Path:
    """A model of the operators between two tensors.

    It is written to `file` if one is given, or else returned as bytes.
    """
    graph = model.subgraphs[number]
    for index, tensor in enumerate(graph.tensors):
        if index in (source, sink) and not tensor.name:
            tensor.name = b"x" if index == source else b"y"
    needed = operators_between(graph, [source], [sink])
    graph.inputs, graph.outputs = np.array([source], "<i4"), np.array([sink], "<i4")
    graph.operators = [operator for operator in graph.operators if operator in needed]
    model.subgraphs, model.signatureDefs, model.metadata = [graph], None, None
    ends = ((*ports(operator.inputs), *ports(operator.outputs)) for operator in needed)
    held = {graph.tensors[i].buffer for indices in ends for i in indices if i >= 0}
    for index, buffer in enumerate(model.buffers):
        if index not in held:
            buffer.data = None
    if file is None:
        return write(model)
    save(model, file)
    return file

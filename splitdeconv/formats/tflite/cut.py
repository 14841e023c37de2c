"""One operator of a .tflite model in isolation: the operators between two of its tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

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
    ends: tuple[bytes | None, bytes | None] | None = None
    parts: list[bytes | Path] = []
    for name, source in (("original", original), ("converted", converted)):  # one at a time
        model, _ = read(content(source), "the model")
        if handle is None or len(model.subgraphs) <= handle.subgraph:
            raise UncutError("the converted model does not have it in the same place")
        if ends is None:
            graph = model.subgraphs[handle.subgraph]
            operator = graph.operators[handle.operator]
            begin, end = _begin(model, graph, site), ports(operator.outputs)[0]
            ends = graph.tensors[begin].name, graph.tensors[end].name
        file = None if folder is None else folder / f"{name}.tflite"
        parts.append(_subgraph(model, handle.subgraph, *ends, file))
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


def _subgraph(
    model: ModelT, number: int, reads: bytes | None, writes: bytes | None, file: Path | None
) -> bytes | Path:
    """A model of the operators between the tensors named `reads` and `writes`.

    It is written to `file` if one is given, or else returned as bytes.
    """
    graph = model.subgraphs[number]
    sources, sinks = (
        [i for i, tensor in enumerate(graph.tensors) if tensor.name == name]
        for name in (reads, writes)
    )
    if len(sources) != 1 or len(sinks) != 1:
        raise UncutError("a tensor name is not unique in the file")
    (source,), (sink,) = sources, sinks
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

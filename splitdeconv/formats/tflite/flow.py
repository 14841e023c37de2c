"""Check that each tensor of a TFLite subgraph has one defined value when an operator reads it.

The interpreter runs operators in the order of the file. It checks neither that a tensor has been
written before it is read nor that only one operator writes it: it then reads whatever is in memory,
or what a delegate that reorders operators has left there. Such a model has no defined result that a
rewritten model could be compared with.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from .flatbuffer.appended_data import holds
from .flatbuffer.bounds import damaged, schema

if TYPE_CHECKING:
    from ...core.typing import NumpyArray
    from .flatbuffer.objects import ModelT, TensorT


def check_flow(model: ModelT, number: int, where: str) -> None:
    """Reject a subgraph that reads an undefined tensor, or writes one that already has a value.

    Args:
        model: a `ModelT` whose indices are all in range.
        number: index of the subgraph.
        where: the name of the file in errors.

    Raises:
        SplitDeconvError: names the operator and the tensor.
    """
    graph, name = model.subgraphs[number], f"subgraph {number}"
    tensors, inputs = list(enumerate(graph.tensors or ())), settable(model, number)
    made: set[int] = set()
    constants = {i for i, tensor in tensors if contents(model, tensor) is not None}
    # Variables keep their value between runs; a tensor without elements needs no value.
    given = constants | inputs | {i for i, tensor in tensors if tensor.isVariable or _empty(tensor)}
    for position, operator in enumerate(graph.operators or ()):
        here = f"{name}, operator {position}"
        for tensor in _indices(operator.inputs) - {-1} - given - made:
            raise damaged(where, f"{here}: reads tensor {tensor} before it is written")
        outputs = _indices(operator.outputs)
        for taken, what in (
            (constants, "a constant"),
            (inputs, "an input"),
            (made, "which another operator writes"),
        ):
            for tensor in outputs & taken:
                raise damaged(where, f"{here}: writes tensor {tensor}, {what}")
        if len(outputs) < len(operator.outputs if operator.outputs is not None else ()):
            raise damaged(where, f"{here}: writes the same tensor twice")
        made |= outputs
    for tensor in _indices(graph.outputs) - given - made:
        raise damaged(where, f"{name}: its output, tensor {tensor}, is never written")


def settable(model: ModelT, number: int) -> set[int]:
    """Tensors of a subgraph whose value the caller may set, including constants."""
    graph = model.subgraphs[number]
    of_signatures = (
        entry.tensorIndex
        for signature in model.signatureDefs or ()
        if signature.subgraphIndex == number
        for entry in signature.inputs or ()
    )
    return _indices(graph.inputs).union(of_signatures)


def changeable_buffers(model: ModelT) -> set[int]:
    """Buffers whose contents may change: those of inputs, operator outputs and variables.

    Tensors may share a buffer, and then share memory in the interpreter.
    """
    buffers: set[int] = set()
    for number, graph in enumerate(model.subgraphs):
        tensors = graph.tensors or ()
        indices = settable(model, number)
        for operator in graph.operators or ():
            indices |= _indices(operator.outputs)
        buffers |= {tensors[i].buffer for i in indices}
        buffers |= {tensor.buffer for tensor in tensors if tensor.isVariable}
    return buffers


def contents(model: ModelT, tensor: TensorT) -> NumpyArray | None:
    """The bytes that a file stores for a tensor; None if there are none, as for buffer 0."""
    data = model.buffers[tensor.buffer].data if tensor.buffer else None
    return data if data is not None and len(data) else None


def _empty(tensor: TensorT) -> bool:
    return tensor.shape is not None and prod(map(int, tensor.shape)) == 0


def _indices(ports: NumpyArray | None) -> set[int]:
    return set() if ports is None else set(np.asarray(ports).tolist())


def sets_constants(data: bytes | NumpyArray) -> bool:
    """Whether a caller of this model, given as bytes, may set a tensor that holds a constant."""
    model = schema().Model.GetRootAs(data)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    given = [[graph.Inputs(i) for i in range(graph.InputsLength())] for graph in graphs]
    for i in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(i)
        entries = (signature.Inputs(j) for j in range(signature.InputsLength()))
        given[signature.SubgraphIndex()] += [entry.TensorIndex() for entry in entries]
    return any(
        holds(model.Buffers(graph.Tensors(index).Buffer()))
        for graph, indices in zip(graphs, given, strict=True)
        for index in indices
    )

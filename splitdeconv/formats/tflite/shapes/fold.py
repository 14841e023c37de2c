"""Compute the arithmetic on shapes in a TFLite subgraph, once the shapes are known.

The results are stored as constants. The interpreter computes them by running these operators and no
others. The operators stay in place until `drop`, because sites are identified by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ....errors import SplitDeconvError, one_line
from ....extras import require
from ..flatbuffer.bounds import make
from ..flatbuffer.check import called
from ..flatbuffer.file import write
from ..graph import dimensions, operator_name, ports, type_name
from ..rewrite.remove import exposed
from .constants import Constants

if TYPE_CHECKING:
    from ....core.typing import NumpyArray
    from ..flatbuffer.objects import ModelT, OperatorT, SubGraphT, TensorT

#: A shape without open dimensions.
Sizes: TypeAlias = tuple[int, ...]
#: Operators used to compute shapes, whose results depend only on their operands.
_ARITHMETIC = {
    *("STRIDED_SLICE", "SLICE", "PACK", "UNPACK", "CONCATENATION", "SPLIT", "SPLIT_V", "GATHER"),
    *("GATHER_ND", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "REVERSE_V2", "PAD", "TILE"),
    *("BROADCAST_ARGS", "BROADCAST_TO", "CAST", "RANGE", "FILL", "SELECT", "SELECT_V2"),
    *("ADD", "SUB", "MUL", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "NEG", "ABS"),
    *("SIGN", "POW", "SQUARE", "SQRT", "RSQRT", "ROUND", "CEIL", "FLOOR", "SUM", "MEAN"),
    *("REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL", "ARG_MAX", "ARG_MIN"),
    *("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"),
    *("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT"),
}
_TYPES = {"INT32": "<i4", "INT64": "<i8", "FLOAT32": "<f4", "BOOL": "?"}
# A shape is only a few numbers.
_MOST_NUMBERS = 64


def fold(model: ModelT, graph: SubGraphT, known: Mapping[int, Sizes]) -> bool:
    """Compute what follows from known shapes and constants, and make its readers read constants.

    Args:
        model: a `ModelT`.
        graph: one of its subgraphs.
        known: shapes of tensors.

    Returns:
        Whether there was anything to compute.

    Raises:
        SplitDeconvError: LiteRT cannot compute it.
    """
    seeds, steps = _derived(model, graph, known)
    outputs = {i for step in steps for i in ports(step.outputs)} | set(seeds)
    inner = {id(step) for step in steps}
    readers = [op for op in graph.operators if id(op) not in inner and not set(called(op))]
    results = sorted({i for op in readers for i in ports(op.inputs)} & outputs)
    if not results:
        return False
    values = _values(model, graph, seeds, steps, results)
    stored = {i: _store(model, graph, i, values[i]) for i in results}
    for operator in readers:
        if set(stored) & set(ports(operator.inputs)):
            operator.inputs = _indices(stored.get(i, i) for i in ports(operator.inputs))
    return True


def _derived(
    model: ModelT, graph: SubGraphT, known: Mapping[int, Sizes]
) -> tuple[dict[int, Sizes], list[OperatorT]]:
    """Tensors that contain a known shape, with it, and the operators that compute from them."""
    constants, steps = Constants(model, graph), []
    seeds: dict[int, Sizes] = {}
    derived: set[int] = set()
    for operator in graph.operators:
        name = operator_name(model, operator)
        inputs, outputs = ports(operator.inputs), ports(operator.outputs)
        if name == "SHAPE" and inputs and inputs[0] in known:
            seeds[outputs[0]] = known[inputs[0]]
        elif (
            name in _ARITHMETIC
            and derived & set(inputs)
            and all(i in derived or i < 0 or constants.values(i) is not None for i in inputs)
            and all(_is_small(graph.tensors[i]) for i in outputs)
        ):
            steps.append(operator)
        else:
            continue
        derived.update(outputs)
    return seeds, steps


def _is_small(tensor: TensorT) -> bool:
    shape, quantization = dimensions(tensor), tensor.quantization
    if type_name(tensor) not in _TYPES or None in shape:
        return False
    real = quantization is not None and quantization.scale is not None
    return not real and prod(n or 0 for n in shape) <= _MOST_NUMBERS


def _values(
    model: ModelT,
    graph: SubGraphT,
    seeds: Mapping[int, Sizes],
    steps: list[OperatorT],
    results: list[int],
) -> dict[int, NumpyArray]:
    """The values of the tensors `results`, by index."""
    values = {i: np.array(shape, _TYPES[type_name(graph.tensors[i])]) for i, shape in seeds.items()}
    left = [i for i in results if i not in values]
    if not left:
        return values
    tensors, buffers = [], [make("Buffer")]
    made = {i for step in steps for i in ports(step.outputs)}
    read = {i for step in steps for i in ports(step.inputs)} - made
    for index, old in enumerate(graph.tensors):
        shape = old.shape if index not in seeds else _indices([len(seeds[index])])
        place = len(buffers) if index in read else 0
        tensors.append(
            make("Tensor", name=old.name, type=old.type, shape=shape, hasRank=True, buffer=place)
        )
        if place:
            data = model.buffers[old.buffer].data
            if index in values:
                data = np.frombuffer(values[index].tobytes(), np.uint8)
            buffers.append(make("Buffer", data=data))
    part = make(
        "SubGraph", tensors=tensors, operators=steps, inputs=_indices(()), outputs=_indices(left)
    )
    whole = make(
        "Model", version=3, operatorCodes=model.operatorCodes, buffers=buffers, subgraphs=[part]
    )
    litert = require("ai_edge_litert.interpreter", "tflite")
    kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = litert.Interpreter(
            model_content=write(whole), experimental_op_resolver_type=kernels
        )
        interpreter.allocate_tensors()
        interpreter.invoke()
        return values | {i: interpreter.get_tensor(i) for i in left}
    except (ValueError, RuntimeError, TypeError) as error:
        raise SplitDeconvError(
            "LiteRT cannot compute the shapes that follow from this input shape",
            where="the shape computation in the TFLite model",
            expected="sizes that every operator of the model accepts",
            got=one_line(error, typed=True),
            fix="choose other sizes, or omit the option to keep the input shapes open",
        ) from None


def _indices(numbers: Iterable[int]) -> NumpyArray:
    return np.array(list(numbers), "<i4")


def _store(model: ModelT, graph: SubGraphT, index: int, values: NumpyArray) -> int:
    """The index of a new constant that replaces a computed tensor."""
    old = graph.tensors[index]
    data = np.frombuffer(np.ascontiguousarray(values, _TYPES[type_name(old)]).tobytes(), np.uint8)
    model.buffers.append(make("Buffer", data=data))
    shape = np.array(np.shape(values), "<i4")
    name = (old.name or b"") + b"/fixed"
    graph.tensors.append(
        make(
            "Tensor",
            name=name,
            type=old.type,
            shape=shape,
            hasRank=True,
            buffer=len(model.buffers) - 1,
        )
    )
    return len(graph.tensors) - 1


def drop(model: ModelT, graph: SubGraphT) -> None:
    """Remove operators of this arithmetic whose results are not read.

    Args:
        model: a `ModelT`.
        graph: one of its subgraphs, with its inputs fixed.
    """
    read, kept = set(exposed(model, graph)), []
    for operator in reversed(graph.operators):
        pure = operator_name(model, operator) in ("SHAPE", *_ARITHMETIC)
        if pure and not read & set(ports(operator.outputs)):
            continue
        read.update(ports(operator.inputs))
        kept.append(operator)
    graph.operators = kept[::-1]

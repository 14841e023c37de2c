"""Find out whether two .tflite models that quantize floats at run time differ only by that.

Kernels with int8 filters and float32 activations quantize the activations themselves, and so does
QUANTIZE with its input. As for ONNX models (`quantized`), both models are taken apart at their
rewritten operators to separate this from an error; see `splice`.

Two families of kernels may round an activation to two neighbouring steps. This matters if the
default runtime chooses different kernels for the original than for the rewritten operator. A result
may then be off by the effect of one step of every activation on the filters' sums (`step_bound`),
provided that all other kernels agree on it up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from ....core.typing import NumpyArray
from ....formats.content import content
from ....formats.cut import UncutError
from ....formats.port import Arrays
from ....formats.registry import format_of
from ....formats.site import Site
from ....formats.tflite.cut import located, operators_between, places, source_of
from ....formats.tflite.flatbuffer.file import read, write
from ....formats.tflite.graph import operator_name, ports, type_name
from ..alone import cut
from ..difference import Output
from ..entry import Entry, Pair
from ..run import load
from .splice import Alone, Ends, explain

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT

_BYTES = ("INT4", "INT8", "UINT8")
#: Values of tensors by index.
_Values: TypeAlias = dict[int, NumpyArray]


def quantizes(data: bytes | Path) -> bool:
    """Whether a .tflite file contains operators that quantize floats at run time."""
    model, _ = read(content(data), "the model")
    return any(
        operator_name(model, operator) == "QUANTIZE" or _is_hybrid(graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
    )


def _is_hybrid(graph: SubGraphT, operator: OperatorT) -> bool:
    kinds = [type_name(graph.tensors[i]) for i in ports(operator.inputs) if i >= 0]
    made = [type_name(graph.tensors[i]) for i in ports(operator.outputs)]
    return "FLOAT32" in kinds and "FLOAT32" in made and any(kind in _BYTES for kind in kinds)


class HybridSplice:
    """Decides whether a difference is caused by quantizers alone.

    Args:
        pair: the two models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair: Pair, sites: Sequence[Site]) -> None:
        self._pair, self._sites = pair, sites
        self._loaded: dict[tuple[str, str], _Parts | None] = {}

    @cached_property
    def _quantized(self) -> bool:
        return quantizes(self._pair.original)

    def explain(
        self, entry: Entry, feed: Arrays, record: Output, theirs: NumpyArray, bound: float
    ) -> Output:
        """Re-evaluate a differing output; see `entry.Explain`."""
        if not self._quantized:
            return record
        key = entry.kernels, entry.name
        if key not in self._loaded:
            try:
                self._loaded[key] = _Parts(self._pair, self._sites, *key)
            except UncutError:
                self._loaded[key] = None
        parts = self._loaded[key]
        if parts is None:
            return record
        return explain(parts, self._pair.delta, feed, record, theirs, bound)


class _Parts:
    """The converted model with inner values as outputs, the original without sites, the sites."""

    def __init__(self, pair: Pair, sites: Sequence[Site], kernels: str, entry: str) -> None:
        original, _ = read(content(pair.original), "the model")
        own = _ports(original, entry)
        if any(site.key is None or site.key.subgraph != own.subgraph for site in sites):
            raise UncutError("an operator is in another subgraph")
        self._inputs, self._outputs = own.inputs, own.outputs
        graph = original.subgraphs[own.subgraph]
        self._sinks = [ports(graph.operators[site.key.operator].outputs)[0] for site in sites]
        self._sources = [source_of(original, graph, site.key) for site in sites]
        ends = [places(original, graph, each) for each in (self._sources, self._sinks)]
        self.alone: Sequence[Alone] = [
            Alone(cut(pair, site), pair, site, kernels) for site in sites
        ]
        given = [*self._inputs.values(), *self._sinks]
        computed = [*self._outputs.values(), *self._sources]
        self._rest = _load(original, own.subgraph, given, computed, kernels)
        converted, _ = read(content(pair.converted), "the model")
        other = _ports(converted, entry)
        self._given, graph = other.inputs, converted.subgraphs[other.subgraph]
        sources, sinks = (located(converted, graph, each) for each in ends)
        self._ends = list(zip(sources, sinks, strict=True))
        inner = [index for both in self._ends for index in both]
        self._exposed = _load(converted, other.subgraph, self._given.values(), inner, kernels)

    def seen(self, feed: Arrays) -> list[Ends]:
        """See `splice.Parts`."""
        values = self._exposed({index: feed[name] for name, index in self._given.items()})
        return [Ends(values[source], values[sink]) for source, sink in self._ends]

    def rest(self, feed: Arrays, results: Sequence[NumpyArray]) -> tuple[Arrays, list[NumpyArray]]:
        """See `splice.Parts`."""
        given = {index: feed[name] for name, index in self._inputs.items()}
        values = self._rest(given | dict(zip(self._sinks, results, strict=True)))
        outputs = {name: values[index] for name, index in self._outputs.items()}
        return outputs, [values[index] for index in self._sources]


class _Ports(NamedTuple):
    """The subgraph of an entry point, and the indices of its inputs and outputs by runtime name."""

    subgraph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


def _ports(model: ModelT, entry: str) -> _Ports:
    """The ports of an entry point."""
    for signature in model.signatureDefs or ():
        if (signature.signatureKey or b"").decode() == entry:
            inputs, outputs = (
                {(each.name or b"").decode(): each.tensorIndex for each in entries or ()}
                for entries in (signature.inputs, signature.outputs)
            )
            return _Ports(signature.subgraphIndex, inputs, outputs)
    graph = model.subgraphs[0]
    inputs, outputs = (_named(graph, ports(indices)) for indices in (graph.inputs, graph.outputs))
    return _Ports(0, inputs, outputs)


def _named(graph: SubGraphT, indices: Sequence[int]) -> dict[str, int]:
    names = [(graph.tensors[i].name or b"").decode() for i in indices]
    unique = len(set(names)) == len(names) and all(names)
    return {
        name if unique else f"{n}:{name}": i
        for n, (name, i) in enumerate(zip(names, indices, strict=True))
    }


def _load(
    model: ModelT, number: int, inputs: Iterable[int], outputs: Iterable[int], kernels: str
) -> Callable[[_Values], _Values]:
    """Make a function that computes tensors of a subgraph from others. This changes the model.

    Args:
        model: the model.
        number: the index of the subgraph.
        inputs, outputs: indices of the tensors.
        kernels: the kernels to run it with.
    """
    graph, inputs, outputs = model.subgraphs[number], list(inputs), list(dict.fromkeys(outputs))
    computed = [i for i in outputs if i not in inputs]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"t{index}".encode()
    kept = operators_between(graph, inputs, computed)
    graph.operators = [
        operator for operator in graph.operators if any(operator is one for one in kept)
    ]
    read_ = {i for operator in graph.operators for i in ports(operator.inputs)}
    used = [i for i in inputs if i in read_]
    graph.inputs, graph.outputs = np.array(used, "<i4"), np.array(computed, "<i4")
    model.signatureDefs, model.metadata, model.metadataBuffer = None, None, None
    if number:  # the interpreter runs the first subgraph; calls of others are not traced here
        raise UncutError("an operator is in another subgraph")
    run = load(format_of("tflite"), write(model), None, kernels)[""] if computed else None

    def call(given: _Values) -> _Values:
        values = {} if run is None else run({f"t{i}": given[i] for i in used})
        return given | {int(name[1:]): value for name, value in values.items()}

    return call

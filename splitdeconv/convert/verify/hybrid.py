"""Find out whether two .tflite models that quantize floats at run time differ only by that.

Kernels with int8 filters and float32 activations quantize the activations themselves, and so does
QUANTIZE with its input. A difference in the last bit of a float then becomes a whole step, and
every later operator computes with the result. As for ONNX models (`splice`), two comparisons
separate this from an error:

* Each rewritten operator, given the values that reach it in the converted model, must yield the
  results of the original operator.
* The rest of the original model, given the results of the rewritten operators, must reproduce the
  outputs of the converted model and the inputs of its rewritten operators.

Two families of kernels may round an activation to two neighbouring steps. This matters if the
default runtime chooses different kernels for the original than for the rewritten operator. A result
may then be off by the effect of one step of every activation on the filters' sums (`step_bound`),
provided that all other kernels agree on it up to rounding.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from ...formats.content import content
from ...formats.cut import UncutError
from ...formats.registry import format_of
from ...formats.tflite.cut import operators_between, source_of
from ...formats.tflite.flatbuffer.file import read, write
from ...formats.tflite.graph import operator_name, ports, type_name
from .alone import cut, pair_of
from .difference import measure
from .entry import Entry, greatest, within_step
from .run import load

_BYTES = ("INT4", "INT8", "UINT8")


def quantizes(data) -> bool:
    """Whether a .tflite file contains operators that quantize floats at run time."""
    model, _ = read(content(data), "the model")
    return any(
        operator_name(model, operator) == "QUANTIZE" or _is_hybrid(graph, operator)
        for graph in model.subgraphs
        for operator in graph.operators
    )


def _is_hybrid(graph, operator):
    kinds = [type_name(graph.tensors[i]) for i in ports(operator.inputs) if i >= 0]
    made = [type_name(graph.tensors[i]) for i in ports(operator.outputs)]
    return "FLOAT32" in kinds and "FLOAT32" in made and any(kind in _BYTES for kind in kinds)


class HybridSplice:
    """Decides whether a difference is caused by quantizers alone.

    Args:
        pair: the two models.
        sites: the rewritten transposed convolutions of the original.
    """

    def __init__(self, pair, sites):
        self._pair, self._sites, self._loaded = pair, sites, {}

    @cached_property
    def _quantized(self) -> bool:
        return quantizes(self._pair.original)

    def explain(self, entry, feed, record, theirs, bound):
        """Re-evaluate a differing output; it passes if quantizers are the only reason.

        Args:
            entry: the `Entry` of both models.
            feed: the sample.
            record: the result of comparing the output.
            theirs: the output of the converted model.
            bound: how far floating-point rounding may move it.

        Raises:
            RejectedError: the runtime rejected one of the parts.
        """
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
        seen, moved = parts.seen(feed), 0
        for alone, (x, yielded) in zip(parts.alone, seen, strict=True):
            ours = alone.agrees(x, yielded)
            if ours is None:
                return record
            moved += int((ours != yielded).sum())
        again, read_ = parts.rest(feed, [yielded for _, yielded in seen])
        pairs = [(again[record.name], theirs, bound)]
        pairs += [
            (x, y, self._pair.delta * greatest(x)) for x, (y, _) in zip(read_, seen, strict=True)
        ]
        if not all(measure(record.name, *pair).passed for pair in pairs):
            return record
        finding = (
            f"{record.finding}; due to quantizer steps: each rewritten operator agrees on its "
            f"actual inputs ({moved} values differ), and so does the rest of the model on their "
            "results"
        )
        return replace(record, passed=True, tolerance=record.max_abs, finding=finding)


class _Parts:
    """The converted model with inner values as outputs, the original without sites, the sites."""

    def __init__(self, pair, sites, kernels, entry):
        original, _ = read(content(pair.original), "the model")
        number, self._inputs, self._outputs = _ports(original, entry)
        if any(site.key is None or site.key.subgraph != number for site in sites):
            raise UncutError("an operator is in another subgraph")
        graph = original.subgraphs[number]
        self._sinks = [ports(graph.operators[site.key.operator].outputs)[0] for site in sites]
        self._sources = [source_of(original, graph, site.key) for site in sites]
        ends = [
            [graph.tensors[i].name for i in pair]
            for pair in zip(self._sources, self._sinks, strict=True)
        ]
        self.alone = [_Alone(pair, site, kernels) for site in sites]
        given, wanted = (
            (*self._inputs.values(), *self._sinks),
            (*self._outputs.values(), *self._sources),
        )
        self._rest = _load(original, number, given, wanted, kernels)
        converted, _ = read(content(pair.converted), "the model")
        number, self._given, _ = _ports(converted, entry)
        self._ends = [[_index(converted.subgraphs[number], name) for name in pair] for pair in ends]
        inner = [i for pair in self._ends for i in pair]
        self._exposed = _load(converted, number, self._given.values(), inner, kernels)

    def seen(self, feed):
        """The input and output values of each site in the converted model."""
        found = self._exposed({index: feed[name] for name, index in self._given.items()})
        return [tuple(found[i] for i in pair) for pair in self._ends]

    def rest(self, feed, yielded):
        """The original's outputs and site inputs, given the rewritten operators' results."""
        given = {index: feed[name] for name, index in self._inputs.items()}
        found = self._rest(given | dict(zip(self._sinks, yielded, strict=True)))
        return {name: found[index] for name, index in self._outputs.items()}, [
            found[i] for i in self._sources
        ]


class _Alone:
    """One operator of the original in isolation."""

    def __init__(self, pair, site, kernels):
        part = cut(pair, site)
        self._pair = pair_of(part, pair, site)
        ours, theirs = (
            load(pair.format, data, None, kernels)[""] for data in (part.original, part.converted)
        )
        self._entry = Entry(ours, theirs, self._pair, "", kernels)

    def agrees(self, x, yielded):
        """The original operator's result for `x` if the rewritten one agrees with it, else None."""
        feed = {self._entry.ours.inputs[0].name: x}
        ((name, ours),) = self._entry.ours(feed).items()
        tolerance = self._pair.delta * greatest(ours)
        record = measure(name, ours, yielded, tolerance)
        return ours if record.passed or within_step(self._entry, feed, record, tolerance) else None


def _ports(model, entry):
    """The subgraph of an entry point, and its inputs and outputs: indices by runtime name."""
    for signature in model.signatureDefs or ():
        if (signature.signatureKey or b"").decode() == entry:
            named = [
                {(each.name or b"").decode(): each.tensorIndex for each in entries or ()}
                for entries in (signature.inputs, signature.outputs)
            ]
            return signature.subgraphIndex, *named
    graph = model.subgraphs[0]
    return 0, *(_named(graph, ports(indices)) for indices in (graph.inputs, graph.outputs))


def _named(graph, indices):
    names = [(graph.tensors[i].name or b"").decode() for i in indices]
    unique = len(set(names)) == len(names) and all(names)
    return {
        name if unique else f"{n}:{name}": i
        for n, (name, i) in enumerate(zip(names, indices, strict=True))
    }


def _index(graph, name):
    """The index of the tensor with this name."""
    found = [i for i, tensor in enumerate(graph.tensors) if tensor.name == name]
    if len(found) != 1:
        raise UncutError("the file uses the name of one of its tensors more than once")
    return found[0]


def _load(model, number, inputs, outputs, kernels):
    """Make a function that computes tensors of a subgraph from others. This changes the model.

    Args:
        inputs, outputs: indices of the tensors.
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

    def call(given):
        found = {} if run is None else run({f"t{i}": given[i] for i in used})
        return given | {int(name[1:]): value for name, value in found.items()}

    return call

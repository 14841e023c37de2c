"""Rewritten operators alone, each cut out of both models with its own weights and run on synthetic inputs.

A cut is everything between the tensor that the transposed convolution reads and the one it writes; both keep their
names in the converted model. It is made on the files as they are, not by the code that rewrote them.
"""

from dataclasses import replace
from math import inf

import numpy as np

from ..extras import require
from .verify_measure import Output, rounding
from .verify_whole import Pair, compare_whole

SAMPLES = 3  # per operator
_LENGTH = 8  # of a dynamic dimension


class _UncutError(Exception):
    """Why an operator cannot be run alone, in words."""


def compare_alone(pair, sites):
    """Compare every rewritten operator by itself.

    Args:
        pair: the whole models.
        sites: the rewritten transposed convolutions of the original.

    Returns:
        (one record per operator, notes). An operator that cannot be cut out counts as failed.
    """
    cut = {"tflite": _cut_tflite, "onnx": _cut_onnx, "keras": _cut_keras}[pair.kind]
    outputs = []
    for site in sites:
        try:
            kind, original, converted = cut(pair, site)
        except _UncutError as error:
            finding = f"it cannot be run alone: {error}"
            outputs.append(Output(site.name, site.dtype, 0, inf, inf, 0.0, None, False, finding))
            continue
        part = Pair(
            kind,
            original,
            converted,
            pair.path,
            pair.converted_path,
            rounding([site], kind),
            pair.seed,
            alone=True,
        )
        whole = compare_whole(part, SAMPLES)
        if not whole.outputs:
            failed = Output(site.name, site.dtype, 0, inf, inf, 0.0, None, False, whole.doubt)
            outputs.append(failed)
        outputs += [replace(output, name=site.name) for output in whole.outputs]
    return outputs, (f"{len(sites)} rewritten operator(s) were run alone on {SAMPLES} inputs each",)


def _cut_keras(pair, site):
    """The layer in both models, as something to call on arrays of its input's shape."""
    from .keras import layers_of

    layers = [layers_of(model)[site.key] for model in (pair.original, pair.converted)]
    spatial = tuple(axis.n or _LENGTH for axis in site.axes)
    first = layers[0].data_format == "channels_first"
    shape = (site.batch or 2, *((site.in_channels, *spatial) if first else (*spatial, site.in_channels)))
    parts = [(layer, shape) for layer in layers]
    return "layer", parts[0], parts[0] if layers[0] is layers[1] else parts[1]


def _cut_tflite(pair, site):
    """The subgraph between two tensors of a flatbuffer, as a model of its own."""
    from .tflite_file import read
    from .tflite_graph import ports

    handle = site.key
    original, converted = (read(model, "the model")[0] for model in (pair.original, pair.converted))
    if handle is None or len(converted.subgraphs) <= handle.subgraph:
        raise _UncutError("it is not where the original has it")
    graph = original.subgraphs[handle.subgraph]
    operator = graph.operators[handle.operator]
    reads, writes = (graph.tensors[i].name for i in (handle.x, ports(operator.outputs)[0]))
    return "tflite", *(_subgraph(model, handle.subgraph, reads, writes) for model in (original, converted))


def _subgraph(model, number, reads, writes):
    """A model of the operators that lead from the tensor called `reads` to the one called `writes`."""
    from .tflite_file import write
    from .tflite_graph import ports

    graph = model.subgraphs[number]
    found = [[i for i, tensor in enumerate(graph.tensors) if tensor.name == name] for name in (reads, writes)]
    if any(len(indices) != 1 for indices in found):
        raise _UncutError("the file uses the name of one of its tensors more than once")
    (source,), (sink,) = found
    makers = {tensor: operator for operator in graph.operators for tensor in ports(operator.outputs)}
    needed, wanted = [], [sink]
    while wanted:
        tensor = wanted.pop()
        operator = makers.get(tensor)
        if tensor == source or operator is None or operator in needed:
            continue
        needed.append(operator)
        wanted += [i for i in ports(operator.inputs) if i >= 0]
    graph.inputs, graph.outputs = np.array([source], "<i4"), np.array([sink], "<i4")
    graph.operators = [operator for operator in graph.operators if operator in needed]
    model.subgraphs, model.signatureDefs, model.metadata = [graph], None, None
    return write(model)


def _cut_onnx(pair, site):
    """The nodes between two values of one graph, that of a branch or a loop as well, as a model of its own."""
    parse = require("onnx", "onnx").load_model_from_string
    return "onnx", *(_subnet(parse(model), site) for model in (pair.original, pair.converted))


def _subnet(model, site):
    """A model of the nodes that lead from what the site reads to what it writes; other values it needs are inputs."""
    from .onnx_graph import scopes
    from .onnx_types import known_types

    helper = require("onnx", "onnx").helper
    this, found = site.key, scopes(model)
    if this is None or len(found) <= this.place:
        raise _UncutError("it is not where the original has it")
    scope, source, sink = found[this.place], this.node.input[0], this.node.output[0]
    sizes = [axis.n for axis in site.axes]
    inputs = [helper.make_tensor_value_info(source, this.computes, [site.batch, site.in_channels, *sizes])]
    known = known_types(model, found)[this.place]
    needed, stored, wanted, seen = [], [], [sink], {source, ""}
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        home = scope.home(name)
        if home is None or (home.inputs & {name} and name not in known):
            raise _UncutError(f"nothing tells the type of {name!r}")
        if name in home.inputs or name in home.overridable:
            inputs.append(helper.make_tensor_value_info(name, *known[name]))
            continue
        node = home.producers.get(name)
        if node is None:
            stored.append(home.initializers[name])
        elif node not in needed:
            needed.append(node)
            wanted += node.input
    ordered = [node for each in found for node in each.graph.node if any(node is one for one in needed)]
    y = helper.make_tensor_value_info(sink, this.computes, None)
    graph = helper.make_graph(ordered, "operator", inputs, [y], stored)
    # A function states the operators of its own nodes.
    imports = (scope.graph if scope.function and hasattr(scope.graph, "opset_import") else model).opset_import
    part = helper.make_model(
        graph, opset_imports=imports, ir_version=max(model.ir_version, 4), functions=model.functions
    )
    return part.SerializeToString()

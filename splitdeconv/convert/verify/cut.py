"""A rewritten operator cut out of both models: everything between the tensor that the transposed
convolution reads and the one it writes, with its own weights, as a model that can be run.

Both tensors keep their names in the converted model. The cut is made on the files as they are, not
by the code that rewrote them.
"""

from dataclasses import dataclass

import numpy as np

from ...errors import SplitDeconvError
from ...extras import require
from ...formats.content import content
from .steps import Grid


class UncutError(Exception):
    """Why an operator cannot be run alone, in words."""


@dataclass(frozen=True)
class Cut:
    """One operator of both models.

    Args:
        kind: what `splitdeconv.convert.verify.run.load` is told.
        original, converted: the two parts.
        grid: the steps of the quantizer that reads the operator; None if there is none.
    """

    kind: str
    original: object
    converted: object
    grid: Grid | None = None


def cut(pair, site, folder=None) -> Cut:
    """Cut the operator of a site out of both models of a `Pair`.

    Args:
        pair: the models.
        site: one of the original's transposed convolutions.
        folder: where to put parts that are files, for formats whose parts may be; None to hold them in memory.

    Raises:
        UncutError: that cannot be done.
    """
    return {"tflite": _cut_tflite, "onnx": _cut_onnx, "keras": _cut_keras}[pair.kind](pair, site, folder)


def _cut_keras(pair, site, _):
    """The layer in both models, as something to call on arrays of its input's shape."""
    from ...formats.keras.model import layers_of

    layers = [layers_of(model)[site.key] for model in (pair.original, pair.converted)]
    spatial = tuple(axis.n for axis in site.axes)
    first = layers[0].data_format == "channels_first"
    shape = (site.batch, *((site.in_channels, *spatial) if first else (*spatial, site.in_channels)))
    parts = [(layer, shape) for layer in layers]
    return Cut("layer", parts[0], parts[0] if layers[0] is layers[1] else parts[1])


def _cut_tflite(pair, site, folder):
    """The subgraph between two tensors of a flatbuffer."""
    from ...formats.tflite.flatbuffer.file import read
    from ...formats.tflite.graph import ports

    handle = site.key
    ends, parts = None, []
    for name, source in (("original", pair.original), ("converted", pair.converted)):  # one at a time
        model, _ = read(content(source), "the model")
        if handle is None or len(model.subgraphs) <= handle.subgraph:
            raise UncutError("it is not where the original has it")
        if ends is None:
            graph = model.subgraphs[handle.subgraph]
            operator = graph.operators[handle.operator]
            ends = [graph.tensors[i].name for i in (_begin(model, graph, site), ports(operator.outputs)[0])]
        file = None if folder is None else folder / f"{name}.tflite"
        parts.append(_subgraph(model, handle.subgraph, *ends, file))
    return Cut("tflite", *parts)


def _begin(model, graph, site):
    """The tensor that a part begins with; an operator whose shape other tensors decide gets the one it is fixed at."""
    from ...formats.tflite.flatbuffer.bounds import make
    from ...formats.tflite.graph import ports

    try:
        return source_of(model, graph, site.key)
    except UncutError:
        shape = [site.batch, *(axis.n and axis.o for axis in site.axes), site.out_channels]
        if site.operator != "TRANSPOSE_CONV" or None in shape:
            raise
        data = np.array(shape, "<i4")
        model.buffers.append(make("Buffer", data=data.view(np.uint8)))
        size, buffer = np.array([len(shape)], "<i4"), len(model.buffers) - 1
        graph.tensors.append(make("Tensor", name=b"", type=2, shape=size, hasRank=True, buffer=buffer))  # INT32
        operator = graph.operators[site.key.operator]
        operator.inputs = np.array([len(graph.tensors) - 1, *ports(operator.inputs)[1:]], "<i4")
        return site.key.x


def source_of(model, graph, handle) -> int:
    """The tensor that a part begins with: the one that the operator reads, or where a shape is computed from one
    before it, that one.
    """
    from ...formats.tflite.flow import contents
    from ...formats.tflite.graph import ports, producers

    makers, source = producers(graph), handle.x
    while True:
        operators = operators_between(graph, [source], ports(graph.operators[handle.operator].outputs))
        made = {i for operator in operators for i in ports(operator.outputs)} | {source, -1}
        read = {i for operator in operators for i in ports(operator.inputs)} - made
        if all(contents(model, graph.tensors[i]) is not None for i in read):
            return source
        maker = makers.get(source)
        if maker is None:
            raise UncutError("its output shape is computed from other tensors than its input")
        source = ports(maker.inputs)[0]


def operators_between(graph, sources, sinks) -> list:
    """The operators that lead from some tensors of a subgraph to others, in no order, and what else they need."""
    from ...formats.tflite.graph import ports, producers

    makers = producers(graph)
    needed, wanted = {}, list(sinks)
    while wanted:
        tensor = wanted.pop()
        operator = makers.get(tensor)
        if tensor in sources or operator is None or id(operator) in needed:
            continue
        needed[id(operator)] = operator
        wanted += [i for i in ports(operator.inputs) if i >= 0]
    return list(needed.values())


def _subgraph(model, number, reads, writes, file):
    """A model of the operators that lead from the tensor called `reads` to the one called `writes`:
    in `file`, or as bytes.
    """
    from ...formats.tflite.flatbuffer.file import save, write
    from ...formats.tflite.graph import ports

    graph = model.subgraphs[number]
    found = [[i for i, tensor in enumerate(graph.tensors) if tensor.name == name] for name in (reads, writes)]
    if any(len(indices) != 1 for indices in found):
        raise UncutError("the file uses the name of one of its tensors more than once")
    (source,), (sink,) = found
    needed = operators_between(graph, [source], [sink])
    graph.inputs, graph.outputs = np.array([source], "<i4"), np.array([sink], "<i4")
    graph.operators = [operator for operator in graph.operators if operator in needed]
    model.subgraphs, model.signatureDefs, model.metadata = [graph], None, None
    used = {i for operator in needed for i in (*ports(operator.inputs), *ports(operator.outputs)) if i >= 0}
    held = {graph.tensors[i].buffer for i in used}
    for index, buffer in enumerate(model.buffers):
        if index not in held:
            buffer.data = None
    if file is None:
        return write(model)
    save(model, file)
    return file


def _cut_onnx(pair, site, folder):
    """The nodes between two values of one graph, that of a branch or a loop as well."""
    parse = require("onnx", "onnx").load_model_from_string
    models = {"original": pair.original, "converted": pair.converted}
    parts = [
        _subnet(parse(content(model)), site, None if folder is None else folder / f"{name}.onnx")
        for name, model in models.items()
    ]
    return Cut("onnx", *parts, grid_behind(site.key))


def _subnet(model, site, file):
    """A model of the nodes that lead from what the site reads to what it writes: in `file`, if
    there is one and no other file is needed, or as bytes.

    Where the input is dequantized, the part begins with the integers. Other values that it needs
    are inputs.
    """
    from ...formats.onnx.graph import scopes
    from ...formats.onnx.shapes.types import known_types
    from ...formats.onnx.storage.bulk import save

    helper = require("onnx", "onnx").helper
    this, found = site.key, scopes(model)
    if this is None or len(found) <= this.place:
        raise UncutError("it is not where the original has it")
    scope, sink = found[this.place], this.node.output[0]
    source, kind = _source(this)
    sizes = [axis.n for axis in site.axes]
    shape = [site.batch, site.in_channels, *sizes]
    inputs = [helper.make_tensor_value_info(source, kind, shape)]
    known = known_types(model, found)[this.place]
    needed, stored, wanted, seen = [], [], [sink], {source, ""}
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        home = scope.home(name)
        if home is None or (home.inputs & {name} and name not in known):
            raise UncutError(f"nothing tells the type of {name!r}")
        # Up to version 3 of the format every constant is listed as an input as well.
        if name in home.overridable or (name in home.inputs and name not in home.initializers):
            inputs.append(helper.make_tensor_value_info(name, *known[name]))
            continue
        node, constant = home.producers.get(name), home.constant(name)
        if constant is not None:  # of a Constant node as well: what lies in nodes is copied
            constant.name = name
            stored.append(constant)
        elif node not in needed:
            needed.append(node)
            wanted += node.input
    ordered = [node for each in found for node in each.graph.node if any(node is n for n in needed)]
    y = helper.make_tensor_value_info(sink, this.computes, None)
    graph = helper.make_graph(ordered, "operator", inputs, [y])
    # A function states the operators of its own nodes.
    own = scope.function and hasattr(scope.graph, "opset_import")
    part = helper.make_model(
        graph,
        opset_imports=(scope.graph if own else model).opset_import,
        ir_version=max(model.ir_version, 4),
        functions=model.functions,
    )
    if file is None or any(tensor.external_data for tensor in stored):
        part.graph.initializer.extend(stored)
        return part.SerializeToString()
    save(part, lambda: stored, file)
    return file


def _source(this):
    """(name, data type) of what the part of a site begins with."""
    name = this.node.input[0]
    before = this.scope.producers.get(name)
    if before is None or before.op_type != "DequantizeLinear" or this.scope.function:
        return name, this.computes
    point = before.input[2] if len(before.input) > 2 else ""
    tensor = this.scope.constant(point) if point else None
    if tensor is None or this.scope.constant(before.input[1]) is None:
        return name, this.computes
    return before.input[0], tensor.data_type


def grid_behind(this) -> Grid | None:
    """The steps of the only reader of an ONNX site, where that is a QuantizeLinear of one known scale."""
    from ...formats.onnx.parse import array

    scope, name = this.scope, this.node.output[0]
    readers = [node for node in scope.graph.node if name in node.input]
    if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return None
    scale, zero = (scope.constant(n) for n in (*readers[0].input[1:], "")[:2])
    if scale is None or (zero is None and len(readers[0].input) > 2 and readers[0].input[2]):
        return None
    if any(t is not None and list(t.dims) not in ([], [1]) for t in (scale, zero)):
        return None
    try:
        point = np.zeros(1, np.uint8) if zero is None else array(zero, None).reshape(-1)
        step = float(array(scale, None).reshape(-1)[0])
    except SplitDeconvError:  # kept in another file, or of an unknown type
        return None
    if point.dtype.kind not in "iu":
        return None
    limits = np.iinfo(point.dtype)
    low, high = ((limit - int(point[0])) * step for limit in (limits.min, limits.max))
    return Grid(step, low, high) if step > 0 else None

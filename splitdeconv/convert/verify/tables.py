"""What a model's integer inputs are: lengths, or what is looked up in a table of so many rows.

Tokens that are 0 and 1 alone reach two rows of an embedding, and tell little about what comes of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...extras import require
from ...formats.content import content
from .lengths import lengths_of
from .run import Input

# Operators that hand on integers as they are, up to their shape and type.
_ONNX = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_TFLITE = ("CAST", "EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def described(kind: str, model: object, ports: Iterable[Input]) -> list[Input]:
    """A model's inputs, with `rows` where an input is looked up in a table, and `lengths` where it holds such.

    Args:
        kind: "tflite", "onnx" or "keras"; nothing is known of others.
        model: bytes, a path, or a `keras.Model`.
        ports: its inputs.
    """
    ports = list(ports)
    look = {"tflite": _of_tflite, "onnx": _of_onnx, "keras": _of_keras}.get(kind)
    counts = [port for port in ports if port.dtype is not None and port.dtype.kind in "iuf" and not port.quantized]
    # Keras gives tokens to a layer as floats, too.
    if look is None or not any(port.dtype.kind in "iu" or kind == "keras" for port in counts):
        return ports
    rows: dict[str, int] = {}
    for name, count in look(model):
        rows[name] = min(count, rows.get(name, count))
    lengths = lengths_of(kind, model)
    return [replace(port, rows=rows.get(port.name), lengths=port.name in lengths) for port in ports]


def _of_onnx(model) -> Iterator[tuple[str, int]]:
    """(input, rows) for every Gather in the main graph from a stored table."""
    from ...formats.onnx.graph import scopes, trace

    proto = require("onnx", "onnx").load_model_from_string(content(model))
    scope = scopes(proto)[0]
    for node in scope.graph.node:
        if node.op_type != "Gather" or len(node.input) < 2:
            continue
        source = trace(scope, node.input[0])
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if source is None or not -len(source.tensor.dims) <= axis < len(source.tensor.dims):
            continue
        name, seen = node.input[1], set()
        while (maker := scope.producers.get(name)) is not None and maker.op_type in _ONNX and name not in seen:
            seen.add(name)
            name = maker.input[0]
        yield name, source.tensor.dims[axis]


def _of_tflite(model) -> Iterator[tuple[str, int]]:
    """(input, rows) for every GATHER and EMBEDDING_LOOKUP; inputs by their tensors' names and in signatures."""
    from ...formats.tflite.flatbuffer.file import read
    from ...formats.tflite.graph import dimensions, operator_name, ports, producers

    parsed, _ = read(content(model), "the model")
    for number, graph in enumerate(parsed.subgraphs):
        makers = producers(graph)
        for operator in graph.operators or ():
            kind, inputs = operator_name(parsed, operator), ports(operator.inputs)
            if kind not in ("GATHER", "EMBEDDING_LOOKUP"):
                continue
            table, index = inputs[:2] if kind == "GATHER" else inputs[1::-1]
            shape = dimensions(graph.tensors[table])
            axis = getattr(operator.builtinOptions, "axis", 0) if kind == "GATHER" else 0
            if not -len(shape) <= axis < len(shape) or not shape[axis]:
                continue
            while index in makers and operator_name(parsed, makers[index]) in _TFLITE:
                index = ports(makers[index].inputs)[0]
            yield (graph.tensors[index].name or b"").decode(errors="replace"), shape[axis]
            for signature in parsed.signatureDefs or ():
                for entry in signature.inputs or () if signature.subgraphIndex == number else ():
                    if entry.tensorIndex == index:
                        yield (entry.name or b"").decode(errors="replace"), shape[axis]


def _of_keras(model) -> Iterator[tuple[str, int]]:
    """(input, rows) for every Embedding that reads an input."""
    from ...formats.keras.copy import layers_of

    for layer in layers_of(model):
        if type(layer).__name__ == "Embedding":
            for node in layer._inbound_nodes:
                for tensor in node.input_tensors:
                    yield tensor._keras_history.operation.name, layer.input_dim

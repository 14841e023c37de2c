"""A model file as a graph of operators, for pictures: what feeds what, and what a conversion changed."""

from collections import Counter
from dataclasses import dataclass

from ..errors import SplitDeconvError
from ..extras import require
from .detect import detect


@dataclass(frozen=True)
class Node:
    """One operator.

    Args:
        operator: its kind, such as "CONV_2D" or "ConvTranspose".
        inputs: names of the tensors it reads, constants left out.
        outputs: names of the tensors it writes.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def nodes(data) -> list[Node]:
    """The operators of a model's main graph, in order.

    Args:
        data: bytes of a .tflite or .onnx model.

    Raises:
        SplitDeconvError: the bytes are of another format, or no sound model.
    """
    kind = detect(data)
    if kind not in ("tflite", "onnx"):
        raise SplitDeconvError(
            "only model files are drawn as graphs", where="topology", expected="a .tflite or .onnx model", got=kind
        )
    return {"tflite": _tflite, "onnx": _onnx}[kind](data)


def changed(before, after, context=1):
    """What a conversion took out and put in, with the operators around it.

    Args:
        before, after: lists of `Node`.
        context: how many operators to keep on each side of what changed.

    Returns:
        (before, after): for each, a list of (node, whether it is in this graph only), in order.
    """
    shared = set(before) & set(after)
    return tuple(_around(graph, [node not in shared for node in graph], context) for graph in (before, after))


def _around(graph, new, context):
    """The nodes that are new, and those within `context` steps of one."""
    kept = list(new)
    for _ in range(context):
        read = {name for node, keep in zip(graph, kept, strict=True) if keep for name in node.inputs}
        written = {name for node, keep in zip(graph, kept, strict=True) if keep for name in node.outputs}
        kept = [
            keep or bool(read & set(node.outputs)) or bool(written & set(node.inputs))
            for node, keep in zip(graph, kept, strict=True)
        ]
    return [(node, fresh) for node, fresh, keep in zip(graph, new, kept, strict=True) if keep]


def _tflite(data):
    from .tflite.flatbuffer.check import check
    from .tflite.flatbuffer.file import read
    from .tflite.graph import constant, operator_name, ports

    model, _ = read(data, "the TFLite model")
    check(model, "the TFLite model")
    graph = model.subgraphs[0]
    # Indices change in a conversion, names do not: they alone identify a tensor, unless the file repeats them.
    names = [(tensor.name or b"").decode(errors="replace") for tensor in graph.tensors]
    counts = Counter(names)
    labels = [name if name and counts[name] == 1 else f"{name}:{i}" for i, name in enumerate(names)]

    fixed = {i for i, tensor in enumerate(graph.tensors) if constant(model, tensor) is not None}
    operators = [(operator_name(model, op), ports(op.inputs), ports(op.outputs)) for op in graph.operators or ()]
    return _live(((kind, [i for i in inputs if i >= 0], outputs) for kind, inputs, outputs in operators), fixed, labels)


def _onnx(data):
    graph = require("onnx", "onnx").load_model_from_string(data).graph
    fixed = {tensor.name for tensor in graph.initializer}
    operators = ((node.op_type, [name for name in node.input if name], list(node.output)) for node in graph.node)
    return _live(operators, fixed)


def _live(operators, fixed, labels=None):
    """Nodes of what depends on the model's inputs; what is made of constants alone is a constant itself."""
    found = []
    for kind, inputs, outputs in operators:
        live = [i for i in inputs if i not in fixed]
        if live or (not inputs and kind != "Constant"):
            named = ([labels[i] if labels else i for i in ends] for ends in (live, outputs))
            found.append(Node(kind, *map(tuple, named)))
        else:
            fixed.update(outputs)
    return found

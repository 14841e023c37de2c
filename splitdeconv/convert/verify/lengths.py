"""Which integer inputs of a model say how many steps of its other inputs are no padding.

Such an input is compared with the numbers of the steps: 0, 1, 2 and so on. Its values are lengths,
from 1 to that of what is padded, and one of them is often taken for that length. Lengths of 0 and 1
would mask nearly everything that a proof is to compare.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ...extras import require
from ...formats.content import content

_ONNX = {
    "compare": ("Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
    "number": ("Range", "CumSum", "NonZero"),
    "pass": ("Cast", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
}
_TFLITE = {
    "compare": ("LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"),
    "number": ("RANGE", "CUMSUM"),
    "pass": ("BROADCAST_TO", "CAST", "EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TILE", "TRANSPOSE"),
}


def lengths_of(kind: str, model: object) -> set[str]:
    """The names of inputs that are lengths; of a .tflite file, names of tensors and those in signatures.

    Args:
        kind: "tflite" or "onnx"; nothing is known of others.
        model: bytes or a path.
    """
    look = {"tflite": _of_tflite, "onnx": _of_onnx}.get(kind)
    return set() if look is None else set(look(content(model)))


def _of_onnx(data) -> Iterator[str]:
    from ...formats.onnx.graph import scopes
    from ...formats.onnx.parse import array, is_external

    for scope in scopes(require("onnx", "onnx").load_model_from_string(data)):

        def values(name, scope=scope):
            tensor = scope.constant(name)
            return None if tensor is None or is_external(tensor) else array(tensor, None)

        nodes = [(node.op_type, node.input, node.output) for node in scope.graph.node]
        yield from _found(nodes, _ONNX, values)


def _of_tflite(data) -> Iterator[str]:
    from ...formats.tflite.flatbuffer.file import read
    from ...formats.tflite.graph import constant, operator_name, ports

    model, _ = read(data, "the model")
    for number, graph in enumerate(model.subgraphs):

        def values(index, graph=graph):
            return constant(model, graph.tensors[index]) if index >= 0 else None

        nodes = [(operator_name(model, o), ports(o.inputs), ports(o.outputs)) for o in graph.operators or ()]
        for index in _found(nodes, _TFLITE, values):
            yield (graph.tensors[index].name or b"").decode(errors="replace")
            for signature in model.signatureDefs or ():
                for entry in signature.inputs or () if signature.subgraphIndex == number else ():
                    if entry.tensorIndex == index:
                        yield (entry.name or b"").decode(errors="replace")


def _found(nodes: list, words: dict, values: Callable) -> Iterator:
    """What is compared with the numbers of steps: values of one graph that none of its nodes makes.

    Args:
        nodes: (operator, inputs, outputs) of each.
        words: the format's names of operators.
        values: from the name of a value to its constant array, or None.
    """
    makers = {name: (kind, inputs) for kind, inputs, outputs in nodes for name in outputs}

    def origin(name):
        for _ in makers:
            kind, inputs = makers.get(name, ("", ()))
            if kind not in words["pass"]:
                break
            name = inputs[0]
        return name

    for kind, inputs, _ in nodes:
        if kind not in words["compare"] or len(inputs) != 2:
            continue
        first, second = map(origin, inputs)
        for one, other in ((first, second), (second, first)):
            counted = makers.get(other, ("",))[0] in words["number"] or _counts(values(other))
            if counted and one not in makers and values(one) is None:
                yield one


def _counts(array) -> bool:
    """Whether these are the numbers of steps, from 0 or 1 on."""
    if array is None or array.size < 2 or array.dtype.kind not in "iuf":
        return False
    flat = array.reshape(-1)
    return any(np.array_equal(flat, np.arange(first, first + len(flat))) for first in (0, 1))

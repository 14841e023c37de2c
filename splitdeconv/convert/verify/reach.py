"""Whether a change of one operator changes what a model puts out."""

import numpy as np

from ...extras import require
from ...formats.content import content
from .inputs import find_recipe
from .run import RejectedError, load
from .tables import described


def reaches_output(pair, site) -> bool:
    """Whether some output of the original moves when the values of a site are changed.

    Args:
        pair: the whole models.
        site: one of the original's transposed convolutions.
    """
    change = {"tflite": _without_weights, "onnx": _negated}.get(pair.kind)
    if change is None or site.key is None:
        return False
    try:
        ours = pair.load_original()
        theirs = load(pair.kind, change(content(pair.original), site), pair.path)
        for name, run in ours.items():
            ports = described(pair.kind, pair.original, run.inputs)
            recipe, _ = find_recipe(run, ports, pair.seed, pair.growth)
            if recipe is None:
                continue
            feed = recipe.draw(ports, 0, pair.seed)
            y, z = run(feed), theirs[name](feed)
            if any(not np.array_equal(y[key], z[key], equal_nan=_floats(y[key])) for key in y):
                return True
    except (RejectedError, KeyError):
        return False
    return False


def _floats(array):
    return array.dtype.kind in "fc"


def _without_weights(data, site):
    """A .tflite file whose operator has weights of another order."""
    from ...formats.tflite.flatbuffer.file import read, view, write

    model, _ = read(bytes(data), "the model")
    graph = model.subgraphs[site.key.subgraph]
    buffer = model.buffers[graph.tensors[site.key.stored_weights].buffer]
    buffer.data = np.ascontiguousarray(view(buffer)[::-1])
    return write(model)


def _negated(data, site):
    """An .onnx file whose operator's result is negated."""
    from ...formats.onnx.graph import scopes

    onnx = require("onnx", "onnx")
    model = onnx.load_model_from_string(data)
    graph = scopes(model)[site.key.place].graph
    index, node = next((i, n) for i, n in enumerate(graph.node) if n.output[:1] == site.key.node.output[:1])
    name = node.output[0]
    node.output[0] = f"{name}_before_negation"
    graph.node.insert(index + 1, onnx.helper.make_node("Neg", [node.output[0]], [name]))
    return model.SerializeToString()

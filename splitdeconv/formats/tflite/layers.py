"""The layers of a TFLite model that multiply."""

import re

from ..row import deconv, dense, images, refusal, row
from .flatbuffer.check import builtin, check
from .flatbuffer.file import read
from .graph import constant, dimensions, names, operator_name, ports
from .sites import CUSTOM, find_sites

_DECONVOLUTIONS = ("TRANSPOSE_CONV", CUSTOM, "CONV_3D_TRANSPOSE")
_OTHERS = re.compile(
    r"CONV(_|OLUTION|$)|MATMUL|MAT_MUL|FULLY_CONNECTED|LSTM|RNN|SVDF|DOT_GENERAL|COMPOSITE|CUSTOM_CALL"
)
_KNOWN = "CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, and BATCH_MATMUL with a constant matrix"


def layers(data, where) -> list[dict]:
    """The rows of a .tflite file; see `splitdeconv.convert.rows`.

    Args:
        data: its bytes.
        where: its name in errors.
    """
    model, _ = read(data, where)
    check(model, where)
    graph, *others = model.subgraphs
    sites = iter(find_sites(model))
    inputs = [dimensions(graph.tensors[i]) for i in ports(graph.inputs)]
    batch = next((shape[0] for shape in inputs if shape), None) or 1
    rows = [_row(model, graph, op, sites, batch, where) for op in graph.operators or ()]
    for operator in (op for other in others for op in other.operators or ()):
        if _multiplies(model, operator):
            expected = "all of them in the main graph, where each runs once"
            raise refusal(
                operator_name(model, operator), where, "an operator in another subgraph", expected
            )
    return [found for found in rows if found is not None]


def _row(model, graph, operator, sites, batch, where):
    """The row of one operator; None if it does not multiply."""
    kind = operator_name(model, operator)
    if kind in _DECONVOLUTIONS:
        site = next(sites)
        images((site.batch,), batch, site.name, where)
        return deconv(site, where)
    if not _multiplies(model, operator):
        return None
    inputs, outputs = ports(operator.inputs), ports(operator.outputs)
    label = _name(graph, outputs) or kind
    if kind not in _READERS or len(inputs) < 2 or not outputs or min(inputs[:2]) < 0:
        raise refusal(label, where, kind, _KNOWN)
    x, weights, y = (dimensions(graph.tensors[i]) for i in (*inputs[:2], outputs[0]))
    # The batch may stay open.
    x, y = ([batch if n is None and not i else n for i, n in enumerate(shape)] for shape in (x, y))
    if not x or not weights or not y or None in (*x, *weights, *y) or 0 in (*x, *weights):
        raise refusal(
            label,
            where,
            f"input {x}, weights {weights}, output {y}",
            "sizes known before the model runs",
        )
    fixed = constant(model, graph.tensors[inputs[1]]) is not None
    found = _READERS[kind](label, operator.builtinOptions, x, weights, y, batch, where, fixed)
    if found is None:
        raise refusal(label, where, f"{kind} of {x} and {weights} to {y}", _KNOWN)
    return found


def _multiplies(model, operator):
    kind = operator_name(model, operator)
    custom = (
        names("BuiltinOperator").get(builtin(model.operatorCodes[operator.opcodeIndex])) == "CUSTOM"
    )
    # The file does not describe custom operators.
    return custom or bool(_OTHERS.search(kind))


def _name(graph, outputs):
    return (graph.tensors[outputs[0]].name or b"").decode(errors="replace") if outputs else ""


def _conv(label, options, x, weights, y, batch, where, _):
    depthwise = type(options).__name__ == "DepthwiseConv2DOptionsT"
    if not (depthwise or type(options).__name__ == "Conv2DOptionsT") or len(x) != 4 or len(y) != 4:
        return None
    groups, rest = divmod(x[3], 1 if depthwise else weights[3])
    c_out = weights[3] if depthwise else weights[0]
    if rest or len(weights) != 4 or y[3] != c_out or (depthwise and weights[0] != 1):
        return None
    images(x, batch, label, where)
    window = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
    word = names("Padding").get(options.padding)
    return row(
        label,
        "conv",
        x[1:3],
        x[3],
        c_out,
        weights[1:3],
        *window,
        groups,
        padding=word,
        outputs=y[1:3],
    )


def _fully_connected(label, _, x, weights, y, batch, where, __):
    return (
        dense(label, x, weights[1], weights[0], batch, where)
        if len(weights) == 2 and y[-1] == weights[0]
        else None
    )


def _matmul(label, options, x, weights, y, batch, where, fixed):
    if (
        not fixed
        or len(weights) < 2
        or any(n != 1 for n in weights[:-2])
        or getattr(options, "adjX", False)
    ):
        return None
    c_in, c_out = reversed(weights[-2:]) if getattr(options, "adjY", False) else weights[-2:]
    return dense(label, x, c_in, c_out, batch, where) if x[-1] == c_in and y[-1] == c_out else None


_READERS = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _matmul,
}

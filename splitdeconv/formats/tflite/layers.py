"""The layers of a TFLite model that multiply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..row import deconv, dense, images, refusal, row
from .flatbuffer.check import builtin, check
from .flatbuffer.file import read
from .graph import constant, dimensions, names, operator_name, ports
from .sites import CUSTOM, find_sites

if TYPE_CHECKING:
    from ..row import Row
    from ..site import Site
    from .flatbuffer.objects import ModelT, OperatorT, SubGraphT

_DECONVOLUTIONS = ("TRANSPOSE_CONV", CUSTOM, "CONV_3D_TRANSPOSE")
_OTHERS = re.compile(
    r"CONV(_|OLUTION|$)|MATMUL|MAT_MUL|FULLY_CONNECTED|LSTM|RNN|SVDF|DOT_GENERAL|COMPOSITE"
    r"|CUSTOM_CALL"
)
_KNOWN = (
    "CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, and BATCH_MATMUL with a constant "
    "matrix"
)


def layers(data: bytes, where: str) -> list[Row]:
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
            name = operator_name(model, operator)
            raise refusal(name, where, "an operator in another subgraph", expected)
    return [row for row in rows if row is not None]


def _row(
    model: ModelT,
    graph: SubGraphT,
    operator: OperatorT,
    sites: Iterator[Site],
    batch: int,
    where: str,
) -> Row | None:
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
    shapes = [dimensions(graph.tensors[i]) for i in (*inputs[:2], outputs[0])]
    for shape in (shapes[0], shapes[2]):
        if shape and shape[0] is None:
            shape[0] = batch  # which may stay open
    x, weights, y = ([n for n in shape if n is not None] for shape in shapes)
    if not all(shapes) or [x, weights, y] != shapes or 0 in (*x, *weights):
        got = "input {}, weights {}, output {}".format(*shapes)
        raise refusal(label, where, got, "sizes known before the model runs")
    fixed = constant(model, graph.tensors[inputs[1]]) is not None
    described = _READERS[kind](label, operator.builtinOptions, x, weights, y, batch, where, fixed)
    if described is None:
        raise refusal(label, where, f"{kind} of {x} and {weights} to {y}", _KNOWN)
    return described


def _multiplies(model: ModelT, operator: OperatorT) -> bool:
    kind = operator_name(model, operator)
    code = model.operatorCodes[operator.opcodeIndex]
    custom = names("BuiltinOperator").get(builtin(code)) == "CUSTOM"
    # The file does not describe custom operators.
    return custom or bool(_OTHERS.search(kind))


def _name(graph: SubGraphT, outputs: list[int]) -> str:
    return (graph.tensors[outputs[0]].name or b"").decode(errors="replace") if outputs else ""


def _conv(
    label: str,
    options: Any,
    x: list[int],
    weights: list[int],
    y: list[int],
    batch: int,
    where: str,
    _: object,
) -> Row | None:
    depthwise = type(options).__name__ == "DepthwiseConv2DOptionsT"
    if not (depthwise or type(options).__name__ == "Conv2DOptionsT") or len(x) != 4 or len(y) != 4:
        return None
    groups, rest = divmod(x[3], 1 if depthwise else weights[3])
    c_out = weights[3] if depthwise else weights[0]
    if rest or len(weights) != 4 or y[3] != c_out or (depthwise and weights[0] != 1):
        return None
    images(x, batch, label, where)
    strides = options.strideH, options.strideW
    dilations = options.dilationHFactor, options.dilationWFactor
    window, word = (weights[1:3], strides, dilations), names("Padding").get(options.padding)
    return row(label, "conv", x[1:3], x[3], c_out, *window, groups, padding=word, outputs=y[1:3])


def _fully_connected(
    label: str,
    _: object,
    x: list[int],
    weights: list[int],
    y: list[int],
    batch: int,
    where: str,
    __: object,
) -> Row | None:
    if len(weights) != 2 or y[-1] != weights[0]:
        return None
    return dense(label, x, weights[1], weights[0], batch, where)


def _matmul(
    label: str,
    options: Any,
    x: list[int],
    weights: list[int],
    y: list[int],
    batch: int,
    where: str,
    fixed: bool,
) -> Row | None:
    if not fixed or len(weights) < 2 or any(n != 1 for n in weights[:-2]):
        return None
    if getattr(options, "adjX", False):
        return None
    c_in, c_out = reversed(weights[-2:]) if getattr(options, "adjY", False) else weights[-2:]
    return dense(label, x, c_in, c_out, batch, where) if x[-1] == c_in and y[-1] == c_out else None


_READERS = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _matmul,
}

"""The layers of an ONNX model that multiply."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import SplitDeconvError
from ...extras import require
from ..row import deconv, dense, images, refusal, row
from .graph import DEFAULT_DOMAINS, scopes, subgraphs
from .parse import parse
from .shapes.types import known_types
from .sites import find

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from ..input_shapes import Shape
    from ..site import Site
    from .graph import Known

# The input that holds the weights of an operator, and the axis of a matrix that counts the inputs.
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_MATRICES = {"Gemm": 1, "MatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "FusedGemm": 1}
_OTHERS = re.compile(r"Conv|MatMul|Gemm|Attention|LSTM|GRU|RNN|Einsum")
_KNOWN = "Conv, ConvTranspose, Gemm, and MatMul with a constant matrix"
# The file does not describe operators of other domains.
_DOMAINS = (*DEFAULT_DOMAINS, "ai.onnx.ml", "com.microsoft")


def layers(data: bytes, where: str, size: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """The rows of an .onnx file; see `splitdeconv.convert.rows`.

    Args:
        data: its bytes.
        where: its name in errors.
        size: height and width, for inputs with four axes that leave them open.
    """
    model = parse(data, where)
    if model.functions:
        model = require("onnx.inliner", "onnx").inline_local_functions(model)
    batch = _fix(model, size, where)
    every = scopes(model)
    types = known_types(model, every)
    main, known = every[0], types[0]
    sites = iter([site for this, site in find(every, types) if this.scope is main])
    fixed, rows = set(main.initializers), []
    for node in main.graph.node:
        transposed = (
            node.op_type == "ConvTranspose" and node.domain in DEFAULT_DOMAINS and node.output
        )
        site = next(sites) if transposed else None
        inside = [inner for graph in subgraphs(node) for inner in _all(graph)]
        if any(map(_multiplies, inside)):
            raise refusal(
                node.name or node.op_type,
                where,
                f"operators inside {node.op_type}",
                "each of them runs once",
            )
        if node.op_type == "Constant" or (
            node.input and not inside and all(n in fixed for n in node.input if n)
        ):
            fixed.update(node.output)
        elif _multiplies(node):
            rows.append(_row(node, known, site, fixed, batch, where))
    return rows


def _fix(model: ModelProto, size: Sequence[int] | None, where: str) -> int:
    """Fix open lengths of the inputs: the batch to 1, the image to `size`. Returns the batch."""
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [v.type.tensor_type.shape.dim for v in model.graph.input if v.name not in stored]
    if size is not None and (
        not isinstance(size, list | tuple) or len(size) != 2 or not all(map(_is_length, size))
    ):
        raise SplitDeconvError(
            "invalid image size: expected two lengths",
            where="size",
            expected="(height, width)",
            got=repr(size),
        )
    symbols = {}
    for dims in inputs:
        lengths = (1, None, *(size or ())) if len(dims) == 4 else (1,)
        for dim, length in zip(dims, lengths, strict=False):
            if length and not dim.dim_value:
                symbols[dim.dim_param] = dim.dim_value = length
    for dim in (dim for dims in inputs for dim in dims):
        if dim.dim_param in symbols and dim.dim_param:
            dim.dim_value = symbols[dim.dim_param]
    # Declared shapes of other values may contradict the new sizes, so they are inferred again.
    if symbols:
        model.graph.ClearField("value_info")
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
    return next((dims[0].dim_value for dims in inputs if dims), 1)


def _is_length(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _all(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for inner in subgraphs(node):
            yield from _all(inner)


def _multiplies(node: NodeProto) -> bool:
    return node.domain not in _DOMAINS or bool(_OTHERS.search(node.op_type))


def _row(
    node: NodeProto, known: Known, site: Site | None, fixed: Collection[str], batch: int, where: str
) -> dict[str, Any]:
    """The row of one operator; `site` is the converter's record of a transposed convolution."""
    name, kind = node.name or "".join(node.output[:1]), node.op_type
    if site:
        images((site.batch,), batch, name, where)
        return deconv(site, where)
    at = (_CONVOLUTIONS | _MATRICES).get(kind)
    if at is None or node.domain not in _DOMAINS or len(node.input) <= at or not node.output:
        raise refusal(name, where, f"{node.domain}.{kind}" if node.domain else kind, _KNOWN)
    x, weights = (_sizes(known, node.input[i]) for i in (0, at))
    if not x or not weights:
        first, second = (known.get(node.input[i], (0, None))[1] for i in (0, at))
        expected = "sizes known before the model runs"
        fix = "give the image size (--size HEIGHTxWIDTH, size=), or fix the model's input shapes"
        raise refusal(name, where, f"input {first}, weights {second}", expected, fix)
    value_of = require("onnx.helper", "onnx").get_attribute_value
    attributes = {attribute.name: value_of(attribute) for attribute in node.attribute}
    if kind in _CONVOLUTIONS:
        images(x, batch, name, where)
        y = known.get(node.output[0], (0, None))[1]
        result = _conv(name, x, weights, y, attributes)
    else:
        result = _matrix(name, x, weights, attributes, batch, where, node.input[at] in fixed)
    if result is None:
        got = f"{kind} of {x} and {weights}, {attributes or 'no attributes'}"
        raise refusal(name, where, got, _KNOWN)
    return result


def _sizes(known: Known, name: str) -> tuple[int, ...]:
    """The shape of a value; empty unless all of its lengths are known and positive."""
    shape = known.get(name, (0, None))[1] or ()
    lengths = tuple(length for length in shape if length)
    return lengths if len(lengths) == len(shape) else ()


def _conv(
    name: str,
    x: Sequence[int],
    weights: Sequence[int],
    y: Shape | None,
    attributes: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The row of a convolution; None unless it has one or two axes."""
    rank, groups = len(x) - 2, attributes.get("group", 1)
    if rank not in (1, 2) or len(weights) != len(x) or groups < 1 or x[1] != weights[1] * groups:
        return None
    ones = (1,) * rank
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    pads, automatic = (
        attributes.get("pads", (0, 0) * rank),
        attributes.get("auto_pad", b"NOTSET").decode(),
    )
    if len(strides) != rank or len(dilations) != rank or len(pads) != 2 * rank or min(strides) < 1:
        return None
    before, end = pads[:rank], pads[rank:]
    if automatic.startswith("SAME"):
        spans = [
            max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            for n, k, s, d in zip(x[2:], weights[2:], strides, dilations, strict=True)
        ]
        small, large = [span // 2 for span in spans], [span - span // 2 for span in spans]
        before, end = (small, large) if automatic == "SAME_UPPER" else (large, small)
    outputs = y[2:] if y and None not in y[2:] else None
    pairs = {"padding": "EXPLICIT", "before": before, "end": end, "outputs": outputs}
    return row(
        name, "conv", x[2:], x[1], weights[0], weights[2:], strides, dilations, groups, **pairs
    )


def _matrix(
    name: str,
    x: Sequence[int],
    weights: Sequence[int],
    attributes: Mapping[str, Any],
    batch: int,
    where: str,
    fixed: bool,
) -> dict[str, Any] | None:
    """The row of a product with a weight matrix; None for any other product."""
    turned = attributes.get("transB", 0)
    if not fixed or len(weights) != 2 or attributes.get("transA", 0):
        return None
    c_in, c_out = weights[::-1] if turned else weights
    return dense(name, x, c_in, c_out, batch, where) if x[-1] == c_in else None

"""Replace operators of ONNX Runtime in a copy, so that ONNX shape inference can continue past them.

Inference does not know the domain com.microsoft: after its first operator no lengths are known.
Exporters write such operators (16-bit QuantizeLinear), and so does ONNX Runtime when it saves an
optimized model (FusedConv, Gelu). In a copy that is never run, each known operator is replaced by
ONNX operators whose result has the same shape and type. The computed values do not matter. Inputs,
outputs and attributes follow the schemas of onnxruntime 1.32.0
(onnxruntime/docs/ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ....extras import require
from ..graph import DEFAULT_DOMAINS, scopes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from ..graph import Scope

    #: Makes the nodes that replace one; None where it stays.
    Build: TypeAlias = Callable[[Scope, NodeProto], list[NodeProto] | None]

_MICROSOFT, _BLOCKED = "com.microsoft", "com.microsoft.nchwc"
#: Attributes that do not affect shapes, or that ONNX operators do not have.
_OWN = ("activation", "activation_params", "channels_last", "alpha", "beta")
#: Outputs with the shape and the type of the first input, by operator: their positions.
_LIKE_INPUT = {
    **dict.fromkeys(
        ("BiasAdd", "BiasGelu", "BiasSoftmax", "FastGelu", "Gelu", "GroupNorm", "Inverse"), (0,)
    ),
    **dict.fromkeys(("QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax", "QuickGelu"), (0,)),
    **dict.fromkeys(("RotaryEmbedding", "Trilu"), (0,)),
    "SkipGroupNorm": (0, 1),
    "SkipLayerNormalization": (0, 3),
    "SkipSimplifiedLayerNormalization": (0, 3),
}
#: ONNX operators with the same output shape, and which inputs of the replaced operator they take.
_LIKE_ANOTHER = {
    "FusedConv": ("Conv", (0, 1, 2)),
    "FusedGemm": ("Gemm", (0, 1, 2)),
    "GemmFastGelu": ("MatMul", (0, 1)),
    "NhwcConv": ("Conv", (0, 1, 2)),
    "NhwcFusedConv": ("Conv", (0, 1, 2)),
    "NhwcMaxPool": ("MaxPool", (0,)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearConv": ("Conv", (0, 3)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearWhere": ("Where", (0, 1, 4)),
}
#: Operators on channel blocks; their number is rounded up between ReorderInput and ReorderOutput.
_LIKE_BLOCKED = {
    "AveragePool": ("AveragePool", (0,)),
    "Conv": ("Conv", (0, 1, 2)),
    "GlobalAveragePool": ("GlobalAveragePool", (0,)),
    "GlobalMaxPool": ("GlobalMaxPool", (0,)),
    "MaxPool": ("MaxPool", (0,)),
}
_FLOAT, _UINT8, _INT64 = 1, 2, 7


def stand_in(model: ModelProto) -> None:
    """Replace every known operator in all graphs and functions of a copy of a model."""
    # Inner graphs come first, because a replaced node is written anew.
    for scope in reversed(scopes(model)):
        if not scope.opset:  # the model uses no ONNX operators
            continue
        for index in reversed(range(len(scope.graph.node))):
            node = scope.graph.node[index]
            build = _builder(node)
            nodes = None if build is None or not node.output else build(scope, node)
            if nodes:
                *before, last = nodes
                node.CopyFrom(last)
                for one in reversed(before):
                    scope.graph.node.insert(index, one)


def _builder(node: NodeProto) -> Build | None:
    """The function that makes the replacement of a node; None if the node stays."""
    kind = node.op_type
    if node.domain == _MICROSOFT:
        own: dict[str, Build] = {
            "DequantizeLinear": _dequantized,
            "QLinearConcat": _concatenated,
            "QLinearConv": _convolved,
            "QuantizeLinear": _quantized,
        }
        like: dict[str, Build] = dict.fromkeys(_LIKE_INPUT, _like_input)
        like |= dict.fromkeys(_LIKE_ANOTHER, _like_another)
        return (like | own).get(kind)
    if node.domain == _BLOCKED:
        reorder: dict[str, Build] = {"ReorderInput": _like_input, "ReorderOutput": _cut}
        return _like_another if kind in _LIKE_BLOCKED else reorder.get(kind)
    # ONNX Runtime defines this one in the ONNX domain.
    simplified = kind == "SimplifiedLayerNormalization" and node.domain in DEFAULT_DOMAINS
    return _like_input if simplified else None


def _make(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> NodeProto:
    return require("onnx", "onnx").helper.make_node(kind, inputs, outputs, **attributes)


def _like_input(_: Scope, node: NodeProto) -> list[NodeProto]:
    places = _LIKE_INPUT.get(node.op_type, (0,)) if not _number(node, "channels_last") else ()
    outputs = [node.output[i] for i in places if i < len(node.output) and node.output[i]]
    return [_make("Identity", node.input[:1], [name]) for name in outputs]


def _like_another(_: Scope, node: NodeProto) -> list[NodeProto] | None:
    """One ONNX operator, between two Transposes if the original has its channels last."""
    blocked = node.domain == _BLOCKED
    last = bool(_number(node, "channels_last")) or node.op_type.startswith("Nhwc")
    kind, places = (_LIKE_BLOCKED if blocked else _LIKE_ANOTHER)[node.op_type]
    inputs, output = [node.input[i] if i < len(node.input) else "" for i in places], node.output[0]
    if blocked and last:
        return None
    names = [inputs[0], output]
    if last:
        names = [f"splitdeconv.{end}/{output}" for end in ("first", "last")]
    other = _make(kind, [names[0], *inputs[1:]], [names[1]])
    other.attribute.extend(a for a in node.attribute if a.name not in _OWN)
    if not last:
        return [other]
    there = _make("Transpose", inputs[:1], names[:1], perm=[0, 3, 1, 2])
    return [there, other, _make("Transpose", names[1:], [output], perm=[0, 2, 3, 1])]


def _convolved(scope: Scope, node: NodeProto) -> list[NodeProto] | None:
    """A convolution whose result may have another type than its input."""
    inner = type(node)()
    inner.CopyFrom(node)
    inner.output[0] = f"splitdeconv.untyped/{node.output[0]}"
    cast = _cast(scope, node, 7, _UINT8)
    if cast is None:
        return None
    cast[0].input[0] = inner.output[0]
    other = _like_another(scope, inner)
    return None if other is None else [*other, *cast]


def _quantized(scope: Scope, node: NodeProto) -> list[NodeProto] | None:
    return _cast(scope, node, 2, _UINT8)


def _dequantized(scope: Scope, node: NodeProto) -> list[NodeProto] | None:
    return _cast(scope, node, 1, _FLOAT)


def _cast(scope: Scope, node: NodeProto, place: int, otherwise: int) -> list[NodeProto] | None:
    """The first input, cast to the type of the one at `place`; None if that is not a constant."""
    kind = otherwise
    if place < len(node.input) and node.input[place]:
        given = scope.constant(node.input[place])
        if given is None:
            return None
        kind = given.data_type
    return [_make("Cast", node.input[:1], node.output[:1], to=kind)]


def _concatenated(_: Scope, node: NodeProto) -> list[NodeProto]:
    """Scale and zero point of the output come first, then each value with its own."""
    return [_make("Concat", node.input[2::3], node.output[:1], axis=_number(node, "axis"))]


def _cut(scope: Scope, node: NodeProto) -> list[NodeProto] | None:
    """As many channels as before they were divided into blocks."""
    channels = _number(node, "channels")
    if _number(node, "channels_last") or not channels:
        return None
    if scope.opset < 10:
        return [
            _make("Slice", node.input[:1], node.output[:1], axes=[1], starts=[0], ends=[channels])
        ]
    helper = require("onnx", "onnx").helper
    names = [f"splitdeconv.{end}/{node.output[0]}" for end in ("from", "to", "axis")]
    constants = [
        _make("Constant", [], [name], value=helper.make_tensor(name, _INT64, [1], [number]))
        for name, number in zip(names, (0, channels, 1), strict=True)
    ]
    return [*constants, _make("Slice", [node.input[0], *names], node.output[:1])]


def _number(node: NodeProto, name: str) -> int:
    return next((a.i for a in node.attribute if a.name == name), 0)

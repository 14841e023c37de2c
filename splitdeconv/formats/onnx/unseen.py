"""Operators of an ONNX model whose computation is unknown; see `splitdeconv.formats.unseen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import DEFAULT_DOMAINS, scopes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

#: ONNX domains whose operators are documented.
_KNOWN_DOMAINS = (*DEFAULT_DOMAINS, "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training")
#: Domains of ONNX Runtime.
MICROSOFT = ("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")
_OPAQUE = ("EPContext", "PythonOp", "TorchScript")


def names(model: ModelProto) -> list[str]:
    """The operators, with their domains, that neither a standard nor the model itself defines."""
    own = {(function.domain, function.name) for function in model.functions}
    used = (node for scope in scopes(model) for node in scope.graph.node)
    return [
        f"{n.domain}.{n.op_type}"
        for n in used
        if (n.domain, n.op_type) not in own and not _is_known(n)
    ]


def _is_known(node: NodeProto) -> bool:
    documented = node.domain in MICROSOFT and node.op_type not in _OPAQUE
    return documented or node.domain in _KNOWN_DOMAINS

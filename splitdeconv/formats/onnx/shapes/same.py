"""Make ONNX shape inference find the true size of transposed convolutions with SAME padding.

Inference adds output_padding to n*s and ignores that a kernel shorter than its stride gives a
smaller output. ONNX Runtime computes what `splitdeconv.formats.onnx.shapes.geometry` describes.
Without this, all shapes that follow would be inferred wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ....core.geometry import effective_kernel
from ....errors import SplitDeconvError
from ....extras import require
from ..graph import DEFAULT_DOMAINS, trace
from .geometry import from_onnx

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..graph import Scope

#: A domain that inference does not know; a model imports it, or else inference fails.
UNKNOWN = "splitdeconv.unknown"


def spell_out(scope: Scope) -> None:
    """Replace SAME by explicit pads in every ConvTranspose of a scope of a copy."""
    for node in scope.graph.node:
        if node.op_type != "ConvTranspose" or node.domain not in DEFAULT_DOMAINS:
            continue
        values = {a.name: list(a.ints) or a.s.decode("utf-8", "replace") for a in node.attribute}
        # A damaged file may contain numbers under this name.
        if str(values.get("auto_pad")).startswith("SAME") and "output_shape" not in values:
            _spell_out(scope, node, values)


def _spell_out(scope: Scope, node: NodeProto, values: Mapping[str, Any]) -> None:
    source = trace(scope, node.input[1]) if len(node.input) > 1 else None
    kernel = values.get("kernel_shape") or []
    if not kernel and source is not None:
        kernel = list(source.tensor.dims)[2:]
    names = ("strides", "dilations", "output_padding", "auto_pad")
    given = {name: values[name] for name in names if name in values}
    try:
        axes = from_onnx((None,) * len(kernel), kernel, **given)
    except (SplitDeconvError, TypeError):  # the kernel is unknown, or the attributes are invalid
        node.domain = UNKNOWN
        return
    extra = given.get("output_padding") or [0] * len(axes)
    totals = [
        effective_kernel(axis.k, axis.d) - axis.s + more - axis.tail
        for axis, more in zip(axes, extra, strict=True)
    ]
    for index in reversed(range(len(node.attribute))):
        if node.attribute[index].name in ("auto_pad", "pads"):
            del node.attribute[index]
    pads = [*totals, *(0 for _ in totals)]
    node.attribute.append(require("onnx", "onnx").helper.make_attribute("pads", pads))

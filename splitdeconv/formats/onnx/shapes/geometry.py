"""Padding in ONNX: the attributes of a ConvTranspose, reduced to one `Axis` per spatial dimension.

The authority is what ONNX Runtime computes (measured with 1.32.0 on its CPU provider). In the
notation of `splitdeconv.core.geometry`, with ``e`` the output_padding and
``full = (n-1)*s + k_e + e``:

=====================  ==============================  ====================================
auto_pad               total padding                   p, the leading part of the total
=====================  ==============================  ====================================
NOTSET, no pads given  0                               0
NOTSET, pads given     their sum                       the leading pad
VALID                  0                               0
SAME_UPPER             max(full - n*s, 0)              total // 2
SAME_LOWER             max(full - n*s, 0)              total - total // 2
=====================  ==============================  ====================================

and ``o = full - total``: with SAME, a kernel shorter than its stride gives ``o < n*s``. If
``output_shape`` is given, pads are ignored, ``total = max(full - o, 0)``, and all modes except
SAME_UPPER start at ``total - total // 2``. SAME does not need ``n``, because
``full - n*s = k_e - s + e``; an ``output_shape`` does.

Other implementations read the same attributes differently. ONNX's reference implementation
(onnx 1.23.2)

* uses the pads (zeros by default) unchanged for NOTSET and VALID with an output_shape, and so
  starts at a different position;
* lets the total become negative for SAME, which moves the output behind the leading zeros, and
  yields n*s outputs where the kernel is shorter than its stride;
* fails for groups with more than one output channel, or adds the first group's bias to every group;
* has no upper bound for output_padding.

ONNX's shape inference adds output_padding to n*s for SAME, and infers no size for an output_shape
smaller than the input. ONNX Runtime also rejects, at run time, an output_padding of at least the
stride; here it may be as large as the dilation, as in the specification and in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ....core.geometry import Axis, check_phases, describe, effective_kernel
from ....errors import SplitDeconvError, check_choice, is_integer, shown
from ....extras import require
from ..ops import FIRST_OPSET

if TYPE_CHECKING:
    from onnx import NodeProto

    from ...input_shapes import Shape

# No tensor is longer. Larger numbers are mistakes or attacks.
LONGEST = 2**31 - 1
_INTS = ("dilations", "kernel_shape", "output_padding", "output_shape", "pads", "strides")
_KNOWN = {*_INTS, "auto_pad", "group"}
AUTO_PAD = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def from_onnx(
    input_shape: Sequence[int | None],
    kernel_shape: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int | None] | None = None,
) -> tuple[Axis, ...]:
    """Reduce the attributes of an ONNX ConvTranspose to one `Axis` per spatial dimension.

    Args:
        input_shape: 1 to 3 spatial input lengths; None where only known at run time.
        kernel_shape: spatial kernel lengths.
        strides, dilations, output_padding: one number per dimension; None for ones, ones and zeros.
        pads: all leading crops, then all trailing ones; None if the node has no such attribute.
        auto_pad: "NOTSET" (or empty), "VALID", "SAME_UPPER" or "SAME_LOWER".
        output_shape: spatial output lengths, or None.

    Returns:
        A tuple of `Axis`.

    Raises:
        SplitDeconvError: an attribute is invalid; the error names it, or the dimension.
    """
    rank = len(input_shape)
    if not 1 <= rank <= 3:
        raise SplitDeconvError(
            "only 1-D, 2-D and 3-D transposed convolutions are supported",
            where="input_shape",
            expected="1 to 3 spatial lengths",
            got=shown(tuple(input_shape)),
        )
    check_choice(auto_pad or "NOTSET", AUTO_PAD, "auto_pad")
    if pads is not None and auto_pad != "NOTSET":
        raise SplitDeconvError(
            "both pads and auto_pad are given",
            where="pads",
            expected="one of the two",
            got=f"{pads}, {auto_pad}",
            fix="remove one of the attributes",
        )
    sizes = _numbers(input_shape, rank, "input_shape", optional=True)
    kernels = _numbers(kernel_shape, rank, "kernel_shape")
    steps, spreads = _numbers(strides, rank, "strides"), _numbers(dilations, rank, "dilations")
    extras = _numbers(output_padding, rank, "output_padding", default=0, least=0)
    outputs = _numbers(output_shape, rank, "output_shape", default=None, optional=True)
    crops = _numbers(pads, 2 * rank, "pads", default=0, least=0)
    rows = zip(
        sizes, kernels, steps, spreads, extras, outputs, crops[:rank], crops[rank:], strict=True
    )
    axes = tuple(_axis(i, auto_pad, *row) for i, row in enumerate(rows))
    check_phases(axes)
    return axes


def _numbers(
    values: Sequence[int | None] | None,
    count: int,
    name: str,
    *,
    default: int | None = 1,
    least: int = 1,
    optional: bool = False,
) -> tuple[Any, ...]:
    """`count` numbers of an attribute, or the default for each if the node does not have it."""
    values = (default,) * count if values is None else tuple(values)
    legal = all(optional if v is None else is_integer(v) and least <= v <= LONGEST for v in values)
    if len(values) != count or not legal:
        raise SplitDeconvError(
            f"invalid {name} for this transposed convolution",
            where=name,
            expected=f"{count} number(s) from {least} to {LONGEST}"
            + (", or None" if optional else ""),
            got=shown(values),
        )
    return values


def _axis(
    index: int,
    auto_pad: str,
    n: int | None,
    k: int,
    s: int,
    d: int,
    extra: int,
    o: int | None,
    before: int,
    end: int,
) -> Axis:
    """The rules of ONNX Runtime for one dimension; see the table above."""
    where = describe(index, n, k, s, d)
    if extra >= max(s, d):
        raise SplitDeconvError(
            "output padding too large",
            where=where,
            expected=f"less than {max(s, d)}",
            got=f"output_padding {extra}",
        )
    span = effective_kernel(k, d) - s
    tail = span + extra - before - end
    if o is not None:
        if n is None:
            raise SplitDeconvError(
                "output_shape requires a known input size",
                where=where,
                expected="a fixed input length",
                got=f"output_shape {o}, input length unknown",
                fix="fix the input's shape in the model, or omit output_shape",
            )
        if o > n * s + span + s - 1:
            raise SplitDeconvError(
                "an input of this length cannot give that output length",
                where=where,
                expected=f"output length up to {n * s + span + s - 1}",
                got=f"output_shape {o}",
            )
        tail = o - n * s
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        tail = min(span + extra, 0)
    if n is not None and n * s + tail < 1:
        raise SplitDeconvError(
            "the padding crops the whole output away",
            where=where,
            expected="an output of at least one element",
            got=f"output length {n * s + tail}",
        )
    if o is None and auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        p = before
    else:
        total = max(span + extra - tail, 0)
        p = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
    return Axis(n=n, k=k, s=s, d=d, p=p, tail=tail)


def geometry(
    node: NodeProto, opset: int, x: Shape | None, filters: tuple[int, ...], bias: Shape | None
) -> tuple[tuple[Axis, ...], int]:
    """The axes and groups of a ConvTranspose.

    Args:
        node: the NodeProto.
        opset: version of the default operator set.
        x, filters, bias: their shapes; open lengths of `x` and `bias` are None, as are unknown
            shapes.

    Returns:
        Tuple of `Axis`, and the groups.

    Raises:
        SplitDeconvError: it cannot be split with these operators.
    """
    newest = require("onnx", "onnx").defs.onnx_opset_version()
    if not FIRST_OPSET <= opset <= newest:
        raise cannot(
            "unsupported operator set", f"opset {FIRST_OPSET} to {newest}", f"opset {opset}"
        )
    attributes = _attributes(node)
    groups = attributes.pop("group", 1)
    if groups < 1 or filters[0] % groups:
        raise cannot(
            "invalid group: must divide the input channels",
            f"a divisor of {filters[0]}",
            str(groups),
        )
    kernel = attributes.setdefault("kernel_shape", filters[2:])
    if kernel != filters[2:]:
        raise cannot("kernel_shape does not match the filters", str(filters[2:]), str(kernel))
    if x and (len(x) != len(filters) or x[1] not in (None, filters[0])):
        raise cannot(
            "input does not match the filters",
            f"{len(filters)} axes, {filters[0]} channels",
            f"shape {x}",
        )
    if bias and (len(bias) != 1 or bias[0] not in (None, filters[1] * groups)):
        raise cannot(
            "bias does not match the filters", f"{filters[1] * groups} numbers", f"shape {bias}"
        )
    axes = from_onnx(x[2:] if x else (None,) * (len(filters) - 2), **attributes)
    return axes, groups


def cannot(problem: str, expected: str, got: str) -> SplitDeconvError:
    """The error about a ConvTranspose that cannot be split."""
    return SplitDeconvError(problem, where="ConvTranspose", expected=expected, got=got)


def _attributes(node: NodeProto) -> dict[str, Any]:
    """The attributes as Python values, under the names that `from_onnx` and ONNX share."""
    values = {}
    for attribute in node.attribute:
        name = attribute.name
        if attribute.ref_attr_name:
            raise cannot(
                f"{name} is a parameter of a function", "a number", attribute.ref_attr_name
            )
        if name not in _KNOWN or name in values:
            raise cannot("unknown or duplicate attribute", ", ".join(sorted(_KNOWN)), repr(name))
        if name in _INTS and attribute.type == attribute.INTS:
            values[name] = tuple(attribute.ints)
        elif name == "auto_pad" and attribute.type == attribute.STRING:
            values[name] = attribute.s.decode("utf-8", "replace")
        elif name == "group" and attribute.type == attribute.INT:
            values[name] = attribute.i
        else:
            raise cannot(
                f"wrong type of attribute {name}", "the type in ONNX", f"type {attribute.type}"
            )
    return values

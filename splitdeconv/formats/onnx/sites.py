"""What an ONNX model contains of each transposed convolution, and why one cannot be converted."""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import SplitDeconvError
from ...extras import require
from ..finite import describe
from ..site import Site
from .follow import can_follow, is_linear, type_behind
from .geometry import from_onnx
from .graph import DEFAULT_DOMAINS, Source, trace
from .ops import FIRST_OPSET
from .unseen import MICROSOFT

_INTS = ("dilations", "kernel_shape", "output_padding", "output_shape", "pads", "strides")
_KNOWN = {*_INTS, "auto_pad", "group"}
# With channels first, "concat" needs one Reshape per phase along the last axis, and "transpose" two
# in total. But with more than one axis its Transpose has six or eight dimensions, which is slow.
_ALONG_ONE, _ALONG_MORE = ("transpose", "concat"), ("concat", "depth_to_space", "transpose")
_FLOATS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
#: The largest finite number of each type.
_LARGEST = {
    1: 2.0**128 - 2.0**104,
    10: 65504.0,
    11: float(np.finfo(np.float64).max),
    16: 255 * 2.0**120,
}
_READABLE = {**_FLOATS, 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32"}


@dataclass(eq=False)
class Found:
    """A ConvTranspose node and what is needed to replace it; fields may be None after a `problem`."""

    scope: object
    place: int  # index of the scope in the model, the same in the converted model
    node: object
    axes: tuple | None = None
    groups: int = 1
    shape: tuple | None = None  # of the filters
    weights: Source | None = None  # None: cut in the graph
    bias: Source | None = None  # None: no bias, or stacked in the graph
    computes: int = 0  # data type of the sums
    batch: int | None = None  # None where open
    problem: str | None = None

    @property
    def name(self):
        """The name of the node, or of its output."""
        return self.node.name or self.node.output[0]


def find(found, types, read=None):
    """A `Found` for every ConvTranspose node.

    Args:
        found: the scopes.
        types: for each scope, ``name -> (data type, shape)``, as far as they are known.
        read: ``tensor -> array`` for stored tensors; raises if an external one cannot be read. None
            to determine only the geometry.

    Returns:
        List of (`Found`, `Site`), in the order of the scopes.
    """
    return [
        _look(scope, place, node, known, read)
        for place, (scope, known) in enumerate(zip(found, types, strict=True))
        for node in scope.graph.node
        if node.op_type == "ConvTranspose" and node.domain in DEFAULT_DOMAINS and node.output
    ]


def find_foreign(found, defined) -> list[Site]:
    """Transposed convolutions of other domains, such as a runtime's, which are not convertible.

    Args:
        found: the scopes.
        defined: (domain, name) of the model's own functions, which are scopes themselves.
    """
    return [
        Site(
            name=node.name or node.output[0],
            operator=f"{node.domain}.{node.op_type}",
            axes=None,
            groups=1,
            in_channels=None,
            out_channels=None,
            dtype="unknown",
            batch=None,
            problem=f"an operator of {node.domain}, not of ONNX: {_way_around(node)}",
        )
        for scope in found
        for node in scope.graph.node
        if "ConvTranspose" in node.op_type
        and node.domain not in DEFAULT_DOMAINS
        and node.output
        and (node.domain, node.op_type) not in defined
    ]


def _way_around(node):
    """How to get a file with the standard ONNX operator."""
    if node.op_type == "ConvTransposeWithDynamicPads":  # by tf2onnx, on request
        return "export the model without --extra_opset com.microsoft:1 (tf2onnx)"
    if node.domain in MICROSOFT:
        return "convert the model before it is optimized for a runtime"
    return "export the model with the ONNX operator ConvTranspose, or convert its source model"


def _look(scope, place, node, known, read):
    this = Found(scope, place, node)
    batch = cin = cout = None
    stored = 0
    try:
        if len(node.input) < 2 or not all(node.input[:2]):
            raise _cannot("missing input or filters", "two or three inputs", str(list(node.input)))
        data_type, x = _lookup(scope, known, node.input[0])
        batch = this.batch = x[0] if x else None
        source = _take_weights(this, known)
        stored = source.tensor.data_type if source else 0
        bias = node.input[2] if len(node.input) > 2 else ""
        this.groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        cin, cout = this.shape[0], this.shape[1] * this.groups
        this.axes, this.groups = geometry(
            node, scope.opset, x, this.shape, _lookup(scope, known, bias)[1]
        )
        this.computes = this.computes or data_type
        _check_function(this)
        if source and read:
            _refuse_overflow(this, source, read)
            this.weights = source if _is_followed(this, source, len(this.shape), read) else None
        source = trace(scope, bias) if bias else None
        if source and read and _is_followed(this, source, 1, read):
            read(source.tensor)
            this.bias = source
    except SplitDeconvError as error:
        this.problem = in_words(error)
    dtype = _READABLE.get(stored or this.computes, "unknown")
    sized = any(attribute.name == "output_shape" for attribute in node.attribute)
    bound = (
        "output_shape only holds for the declared input size, as does the result" if sized else None
    )
    site = Site(
        this.name,
        "ConvTranspose",
        this.axes,
        this.groups,
        cin,
        cout,
        dtype,
        batch,
        this.problem,
        this,
    )
    return this, replace(
        site,
        bound=bound,
        interleaves=_ALONG_ONE if this.axes and len(this.axes) == 1 else _ALONG_MORE,
    )


def in_words(error):
    """An error as one line of text."""
    details = [
        f"{label} {text}"
        for label, text in (("expected", error.expected), ("got", error.got))
        if text
    ]
    return ": ".join([error.problem, ", ".join(details)]) if details else error.problem


def geometry(node, opset, x, filters, bias):
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
        raise _cannot(
            "unsupported operator set", f"opset {FIRST_OPSET} to {newest}", f"opset {opset}"
        )
    attributes = _attributes(node)
    groups = attributes.pop("group", 1)
    if groups < 1 or filters[0] % groups:
        raise _cannot(
            "invalid group: must divide the input channels",
            f"a divisor of {filters[0]}",
            str(groups),
        )
    kernel = attributes.setdefault("kernel_shape", filters[2:])
    if kernel != filters[2:]:
        raise _cannot("kernel_shape does not match the filters", str(filters[2:]), str(kernel))
    if x and (len(x) != len(filters) or x[1] not in (None, filters[0])):
        raise _cannot(
            "input does not match the filters",
            f"{len(filters)} axes, {filters[0]} channels",
            f"shape {x}",
        )
    if bias and (len(bias) != 1 or bias[0] not in (None, filters[1] * groups)):
        raise _cannot(
            "bias does not match the filters", f"{filters[1] * groups} numbers", f"shape {bias}"
        )
    axes = from_onnx(x[2:] if x else (None,) * (len(filters) - 2), **attributes)
    return axes, groups


def _cannot(problem, expected, got):
    return SplitDeconvError(problem, where="ConvTranspose", expected=expected, got=got)


def _attributes(node):
    """The attributes as Python values, under the names that `from_onnx` and ONNX share."""
    values = {}
    for attribute in node.attribute:
        name = attribute.name
        if attribute.ref_attr_name:
            raise _cannot(
                f"{name} is a parameter of a function", "a number", attribute.ref_attr_name
            )
        if name not in _KNOWN or name in values:
            raise _cannot("unknown or duplicate attribute", ", ".join(sorted(_KNOWN)), repr(name))
        if name in _INTS and attribute.type == attribute.INTS:
            values[name] = tuple(attribute.ints)
        elif name == "auto_pad" and attribute.type == attribute.STRING:
            values[name] = attribute.s.decode("utf-8", "replace")
        elif name == "group" and attribute.type == attribute.INT:
            values[name] = attribute.i
        else:
            raise _cannot(
                f"wrong type of attribute {name}", "the type in ONNX", f"type {attribute.type}"
            )
    return values


def _take_weights(this, known):
    """Record shape and type of the filters; returns their `Source`, None if not constant."""
    scope, node = this.scope, this.node
    source = trace(scope, node.input[1])
    this.computes, shape = _lookup(scope, known, node.input[1])
    if source:
        this.computes, shape = type_behind(source, scope), tuple(source.tensor.dims)
    if shape is None or None in shape or len(shape) < 3 or not all(shape):
        fix = "; inline the functions first, with onnx.inliner" if scope.function else ""
        raise _cannot(f"the shape of its filters is unknown{fix}", "known lengths", str(shape))
    this.shape = shape
    return source


def _is_followed(this, source, rank, read):
    """Whether a constant is cut in its stored form, with its operators repeated on the parts."""
    return source.tensor.data_type in _READABLE and can_follow(
        source, this.scope, rank, this.groups, read
    )


def _refuse_overflow(this, source, read):
    """Reject filters for which the sums of the convolutions may differ from the original's."""
    expected = "finite filters whose sums cannot overflow"
    for node in filter(is_linear, source.chain):
        scale = this.scope.constant(node.input[1])
        if scale is not None and not np.isfinite(read(scale).astype(np.float64)).all():
            raise _cannot("the scales of its filters contain NaN or infinity", expected, "")
    if source.tensor.data_type in _FLOATS:
        with np.errstate(over="ignore"):
            filters = read(source.tensor)
            said = describe(filters, channels=1, largest=_LARGEST.get(this.computes, np.inf))
        if said:
            raise _cannot(said, expected, "")


def _check_function(this):
    """Checks that only concern protobuf graphs: the type of zeros, and constants in functions."""
    if this.computes not in _FLOATS:
        known = ", ".join(_FLOATS.values())
        raise _cannot(
            "ONNX does not define this operator for that type", known, f"type {this.computes}"
        )
    if this.scope.opset < 9 and this.scope.function:
        raise _cannot(
            "constants in functions must be floats", "opset 9 or later", f"opset {this.scope.opset}"
        )


def _lookup(scope, known, name):
    """(data type, shape) of a value; (0, None) if nothing is known."""
    tensor = scope.constant(name)
    if tensor is not None:
        return tensor.data_type, tuple(tensor.dims)
    return known.get(name, (0, None))

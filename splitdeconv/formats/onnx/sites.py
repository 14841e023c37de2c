"""What an ONNX model contains of each transposed convolution, and why one cannot be converted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SplitDeconvError
from ..finite import describe
from ..site import Site
from .folding.tail import tail_of
from .follow import can_follow, is_linear, type_behind
from .graph import DEFAULT_DOMAINS, Source, trace, uses
from .shapes.geometry import cannot, geometry
from .unseen import MICROSOFT

if TYPE_CHECKING:
    from onnx import NodeProto

    from ...core.geometry import Axis
    from .folding.tail import Tail
    from .graph import Known, Read, Scope, ValueType

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
_SIZED = "output_shape only holds for the declared input size, as does the result"
_READABLE = {**_FLOATS, 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32"}


@dataclass(eq=False)
class Found:
    """A ConvTranspose node and what is needed to replace it, as far as there is no `problem`."""

    scope: Scope
    place: int  # index of the scope in the model, the same in the converted model
    node: NodeProto
    axes: tuple[Axis, ...] = ()
    groups: int = 1
    shape: tuple[int, ...] = ()  # of the filters
    weights: Source | None = None  # None: cut in the graph
    bias: Source | None = None  # None: no bias, or stacked in the graph
    computes: int = 0  # data type of the sums
    batch: int | None = None  # None where open
    problem: str | None = None
    tail: Tail | None = None  # what follows and can be folded

    @property
    def name(self) -> str:
        """The name of the node, or of its output."""
        return self.node.name or self.node.output[0]

    @property
    def out_channels(self) -> int:
        """The output channels of all groups."""
        return self.shape[1] * self.groups


def find(
    every: Sequence[Scope], types: Sequence[Known], read: Read | None = None
) -> list[tuple[Found, Site]]:
    """A `Found` for every ConvTranspose node.

    Args:
        every: the scopes.
        types: for each scope, ``name -> (data type, shape)``, as far as they are known.
        read: ``tensor -> array`` for stored tensors; raises if an external one cannot be read. None
            to determine only the geometry.

    Returns:
        List of (`Found`, `Site`), in the order of the scopes.
    """
    pairs = [
        _look(scope, place, node, known, read)
        for place, (scope, known) in enumerate(zip(every, types, strict=True))
        for node in scope.graph.node
        if node.op_type == "ConvTranspose" and node.domain in DEFAULT_DOMAINS and node.output
    ]
    if read is None:
        return pairs
    count = uses(every)
    return [(this, _with_tail(this, site, count, read)) for this, site in pairs]


def _with_tail(this: Found, site: Site, count: Mapping[str, int], read: Read) -> Site:
    """The site with what can be folded into it, which is recorded in `this` as well."""
    try:
        this.tail = None if this.problem else tail_of(this, count, read)
    except SplitDeconvError:  # its constants are in a file that cannot be read
        return site
    return site if this.tail is None else replace(site, foldable=this.tail.records())


def find_foreign(every: Iterable[Scope], defined: Collection[tuple[str, str]]) -> list[Site]:
    """Transposed convolutions of other domains, such as a runtime's, which are not convertible.

    Args:
        every: the scopes.
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
        for scope in every
        for node in scope.graph.node
        if "ConvTranspose" in node.op_type
        and node.domain not in DEFAULT_DOMAINS
        and node.output
        and (node.domain, node.op_type) not in defined
    ]


def _way_around(node: NodeProto) -> str:
    """How to get a file with the standard ONNX operator."""
    if node.op_type == "ConvTransposeWithDynamicPads":  # by tf2onnx, on request
        return "export the model without --extra_opset com.microsoft:1 (tf2onnx)"
    if node.domain in MICROSOFT:
        return "convert the model before it is optimized for a runtime"
    return "export the model with the ONNX operator ConvTranspose, or convert its source model"


def _look(
    scope: Scope, place: int, node: NodeProto, known: Known, read: Read | None
) -> tuple[Found, Site]:
    this = Found(scope, place, node)
    batch = cin = cout = None
    stored = 0
    try:
        if len(node.input) < 2 or not all(node.input[:2]):
            raise cannot("missing input or filters", "two or three inputs", str(list(node.input)))
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
    site = Site(
        name=this.name,
        operator="ConvTranspose",
        axes=this.axes or None,
        groups=this.groups,
        in_channels=cin,
        out_channels=cout,
        dtype=dtype,
        batch=batch,
        problem=this.problem,
        key=this,
        interleaves=_ALONG_ONE if len(this.axes) == 1 else _ALONG_MORE,
        bound=_SIZED if sized else None,
        computes=_FLOATS.get(this.computes, ""),
    )
    return this, site


def in_words(error: SplitDeconvError) -> str:
    """An error as one line of text."""
    details = [
        f"{label} {text}"
        for label, text in (("expected", error.expected), ("got", error.got))
        if text
    ]
    return ": ".join([error.problem, ", ".join(details)]) if details else error.problem


def _take_weights(this: Found, known: Known) -> Source | None:
    """Record shape and type of the filters; returns their `Source`, None if not constant."""
    scope, node = this.scope, this.node
    source = trace(scope, node.input[1])
    this.computes, shape = _lookup(scope, known, node.input[1])
    if source:
        this.computes, shape = type_behind(source, scope), tuple(source.tensor.dims)
    lengths = tuple(length for length in shape or () if length)
    if shape is None or len(shape) < 3 or len(lengths) < len(shape):
        fix = "; inline the functions first, with onnx.inliner" if scope.function else ""
        raise cannot(f"the shape of the filters is unknown{fix}", "known lengths", str(shape))
    this.shape = lengths
    return source


def _is_followed(this: Found, source: Source, rank: int, read: Read) -> bool:
    """Whether a constant is cut in its stored form, with its operators repeated on the parts."""
    return source.tensor.data_type in _READABLE and can_follow(
        source, this.scope, rank, this.groups, read
    )


def _refuse_overflow(this: Found, source: Source, read: Read) -> None:
    """Reject filters for which the sums of the convolutions may differ from the original's."""
    expected = "finite filters whose sums cannot overflow"
    for node in filter(is_linear, source.chain):
        scale = this.scope.constant(node.input[1])
        if scale is not None and not np.isfinite(read(scale).astype(np.float64)).all():
            raise cannot("the scales of its filters contain NaN or infinity", expected, "")
    if source.tensor.data_type in _FLOATS:
        with np.errstate(over="ignore"):
            filters = read(source.tensor)
            fault = describe(filters, channels=1, largest=_LARGEST.get(this.computes, np.inf))
        if fault:
            raise cannot(fault, expected, "")


def _check_function(this: Found) -> None:
    """Checks that only concern protobuf graphs: the type of zeros, and constants in functions."""
    if this.computes not in _FLOATS:
        known = ", ".join(_FLOATS.values())
        raise cannot(
            "ONNX does not define this operator for that type", known, f"type {this.computes}"
        )
    if this.scope.opset < 9 and this.scope.function:
        raise cannot(
            "constants in functions must be floats", "opset 9 or later", f"opset {this.scope.opset}"
        )


def _lookup(scope: Scope, known: Known, name: str) -> ValueType:
    """(data type, shape) of a value; (0, None) if nothing is known."""
    tensor = scope.constant(name)
    if tensor is not None:
        return tensor.data_type, tuple(tensor.dims)
    return known.get(name, (0, None))

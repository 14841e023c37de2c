"""One operator of an ONNX model in isolation: the nodes between two values of any of its graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SplitDeconvError
from ...extras import require
from ..content import content
from ..cut import Cut, Grid, UncutError
from ..site import Site
from .graph import scopes
from .shapes.types import known_types
from .storage.bulk import save
from .tensors import array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

    from .graph import Scope, ValueType
    from .sites import Found


def cut(
    original: bytes | Path, converted: bytes | Path, site: Site, folder: Path | None = None
) -> Cut:
    """Cut the operator of a site out of both models.

    Args:
        original, converted: the models.
        site: one of the original's transposed convolutions.
        folder: where to write parts that need no other file; None to keep them in memory.

    Raises:
        UncutError: the operator cannot be cut out.
    """
    parse = require("onnx", "onnx").load_model_from_string
    ends = _ends(parse(content(original)), site) if site.foldable else [_output(site)]
    parts: list[bytes | Path] = []
    for name, source in (("converted", converted), ("original", original)):  # one in memory
        file = None if folder is None else folder / f"{name}.onnx"
        part, sink = _subnet(parse(content(source)), site, ends, file)
        parts, ends = [part, *parts], [sink]
    return Cut(parts[0], parts[1], grid_behind(site.key, ends[0]))


def _ends(original: ModelProto, site: Site) -> list[str]:
    """The output of a site, and those of the operators behind it that may be folded into it."""
    every, names = scopes(original), [_output(site)]
    nodes = every[site.key.place].graph.node if site.key.place < len(every) else []
    for _ in site.foldable:
        reader = next((node for node in nodes if names[-1] in node.input), None)
        if reader is None:
            break
        names.append(reader.output[0])
    return names


def _output(site: Site) -> str:
    """The name of the output of a site, or an empty one if the format does not know it."""
    return "" if site.key is None else site.key.node.output[0]


def _subnet(
    model: ModelProto, site: Site, ends: Sequence[str], file: Path | None
) -> tuple[bytes | Path, str]:
    """A model of the nodes between the input of the site and a value behind it, and its name.

    This is the first of the values `ends` that the model computes: where operators behind the site
    were folded into it, neither the output of the site nor the values between them are left.

    It is written to `file` if one is given and no other file is needed, or else returned as bytes.
    Where the input is dequantized, the part begins at the integers. Other values that it needs
    become inputs.
    """
    helper = require("onnx", "onnx").helper
    this, every = site.key, scopes(model)
    if this is None or len(every) <= this.place:
        raise UncutError("the converted model does not have it in the same place")
    scope = every[this.place]
    sink = next((name for name in ends if name in scope.producers), ends[0])
    source, kind = _source(this)
    sizes = [axis.n for axis in site.known_axes]
    shape = [site.batch, site.in_channels, *sizes]
    inputs = [helper.make_tensor_value_info(source, kind, shape)]
    known = known_types(model, every)[this.place]
    needed: list[NodeProto] = []
    stored: list[TensorProto] = []
    pending, seen = [sink], {source, ""}
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        home = scope.home(name)
        if home is None or (home.inputs & {name} and name not in known):
            raise UncutError(f"the type of {name!r} is unknown")
        # Up to IR version 3 every constant is also listed as an input.
        if name in home.overridable or (name in home.inputs and name not in home.initializers):
            inputs.append(helper.make_tensor_value_info(name, *_entry(known[name], home, name)))
            continue
        node, constant = home.producers.get(name), home.constant(name)
        if constant is not None:  # also for Constant nodes, because nodes are copied
            constant.name = name
            stored.append(constant)
        elif node is not None and node not in needed:
            needed.append(node)
            pending += node.input
    ordered = [node for each in every for node in each.graph.node if any(node is n for n in needed)]
    y = helper.make_tensor_value_info(sink, this.computes, None)
    graph = helper.make_graph(ordered, "operator", inputs, [y])
    # A function declares the operator sets of its own nodes.
    own = scope.function and hasattr(scope.graph, "opset_import")
    part = helper.make_model(
        graph,
        opset_imports=(scope.graph if own else model).opset_import,
        ir_version=max(model.ir_version, 4),
        functions=model.functions,
    )
    if file is None or any(tensor.external_data for tensor in stored):
        part.graph.initializer.extend(stored)
        return part.SerializeToString(), sink
    save(part, lambda: stored, file)
    return file, sink


def _entry(known: ValueType, home: Scope, name: str) -> ValueType:
    """The type and shape of an input of the part; a default gives the lengths that are open.

    A length of a filter is not a batch, so it must not be tried at 0, 1 and 3.
    """
    kind, shape = known
    default = home.initializers.get(name)
    if shape is None or default is None or len(default.dims) != len(shape):
        return known
    return kind, tuple(
        n if length is None else length for length, n in zip(shape, default.dims, strict=True)
    )


def _source(this: Found) -> tuple[str, int]:
    """(name, data type) of the value at which the part of a site begins."""
    name = this.node.input[0]
    before = this.scope.producers.get(name)
    if before is None or before.op_type != "DequantizeLinear":
        return name, this.computes
    point = before.input[2] if len(before.input) > 2 else ""
    tensor = this.scope.constant(point) if point else None
    if tensor is None or this.scope.constant(before.input[1]) is None:
        return name, this.computes
    return before.input[0], tensor.data_type


def grid_behind(this: Found, name: str) -> Grid | None:
    """The grid of the QuantizeLinear that alone reads a value, if its scale is known.

    Args:
        this: the site at which the part of the model begins.
        name: the value at which it ends.
    """
    scope = this.scope
    readers = [node for node in scope.graph.node if name in node.input]
    if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return None
    scale, zero = (scope.constant(n) for n in (*readers[0].input[1:], "")[:2])
    if scale is None or (zero is None and len(readers[0].input) > 2 and readers[0].input[2]):
        return None
    if any(t is not None and list(t.dims) not in ([], [1]) for t in (scale, zero)):
        return None
    try:
        point = np.zeros(1, np.uint8) if zero is None else array(zero, None).reshape(-1)
        step = float(array(scale, None).reshape(-1)[0])
    except SplitDeconvError:  # stored in another file, or of an unknown type
        return None
    if point.dtype.kind not in "iu":
        return None
    limits = np.iinfo(point.dtype)
    low, high = ((limit - int(point[0])) * step for limit in (limits.min, limits.max))
    return Grid(step, low, high) if step > 0 else None

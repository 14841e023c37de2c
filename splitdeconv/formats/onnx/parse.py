"""An ONNX file as data: parsed by protobuf and checked in Python before anything in it is trusted.

ONNX's checker and shape inference are compiled code that a broken model can crash; they are run
later, not in this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod
from typing import TYPE_CHECKING

from ...extras import require
from .graph import DEFAULT_DOMAINS, Scope, scopes, subgraphs
from .tensors import BITS, LARGEST, STRING, broken, is_external, tensors_of

if TYPE_CHECKING:
    from onnx import FunctionProto, ModelProto, TensorProto

    from .graph import Graph

_FIELDS = {
    1: "float_data",
    7: "int64_data",
    8: "string_data",
    11: "double_data",
    12: "uint64_data",
    13: "uint64_data",
}


def parse(data: bytes, where: str) -> ModelProto:
    """The ModelProto in `data`, with valid names, sizes and references.

    Raises:
        SplitDeconvError: the model is not valid.
    """
    onnx = require("onnx", "onnx")
    from google.protobuf.message import DecodeError

    if not 0 < len(data) <= LARGEST:
        raise broken("invalid size", where, f"1 to {LARGEST} bytes", f"{len(data)} bytes")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        got = str(error)
        raise broken("not a complete protocol buffer", where, "an ONNX model", got) from None
    nodes, version, sets = len(model.graph.node), model.ir_version, len(model.opset_import)
    if not nodes or version < 1 or (version >= 3 and not sets):
        expected = "a graph with nodes, a version and its operator sets"
        got = f"{nodes} nodes, IR version {version}, {sets} operator sets"
        raise broken("parts are missing", where, expected, got)
    for holder in (model, *model.functions):
        _check_versions(holder, where)
    for scope in scopes_checked(model, where):
        _check_names(scope, where)
        for tensor in tensors_of(scope.graph):
            _check_tensor(tensor, where)
    return model


def scopes_checked(model: ModelProto, where: str) -> list[Scope]:
    """The scopes of a model, after checking that all names are valid text."""
    stack = [model.graph, *model.functions]
    while stack:
        graph = stack.pop()
        _check_words(_words_of_values(graph), where)
        for node in graph.node:
            words = (node.op_type, node.domain, node.name, *node.input, *node.output)
            _check_words((*words, *(a.name for a in node.attribute)), where)
            stack.extend(subgraphs(node))
    return scopes(model)


def _words_of_values(graph: Graph) -> Iterator[str | bytes]:
    """The names of values that a graph declares, and of their symbolic sizes."""
    for kind in ("input", "output", "value_info"):
        for value in getattr(graph, kind):
            if isinstance(value, str | bytes):  # in a function
                yield value
                continue
            yield value.name
            yield from (n.dim_param for n in value.type.tensor_type.shape.dim)


def _check_words(words: Iterable[str | bytes], where: str) -> None:
    """Reject names that are not valid text: protobuf returns these as bytes."""
    odd = next((word for word in words if not isinstance(word, str)), None)
    if odd is not None:
        raise broken("a name is not valid UTF-8", where, "UTF-8", repr(odd))


def _check_names(scope: Scope, where: str) -> None:
    """Check that every name is defined once, and that every name that is read is defined."""
    graph = scope.graph
    # An initializer may be the default of an input; every other name has one definition.
    stored = [t.name for t in getattr(graph, "initializer", ())]
    stored += [t.values.name for t in getattr(graph, "sparse_initializer", ())]
    given = [v if isinstance(v, str) else v.name for v in graph.input]
    defined = [*stored, *(name for node in graph.node for name in node.output if name)]
    for names in (given, [*defined, *(name for name in given if name not in set(stored))]):
        if len(names) != len(set(names)):
            raise broken("duplicate name", where, "one definition per name", _repeated(names))
    read = (name for node in scope.graph.node for name in node.input if name)
    for name in (*read, *scope.outputs):
        if scope.home(name) is None:
            raise broken("undefined value", where, "an input, initializer or output", repr(name))


def _repeated(names: Iterable[str]) -> str:
    return repr(next(name for name, count in Counter(names).items() if count > 1))


def _check_versions(holder: ModelProto | FunctionProto, where: str) -> None:
    """Check that each operator set is imported in one version; the default domain has two names."""
    versions: dict[str, int] = {}
    for one in holder.opset_import:
        domain = "" if one.domain in DEFAULT_DOMAINS else one.domain
        if versions.setdefault(domain, one.version) != one.version:
            got = f"{versions[domain]} and {one.version} of {domain or 'ai.onnx'!r}"
            raise broken("duplicate operator set", where, "one version of each", got)


def _check_tensor(tensor: TensorProto, where: str) -> None:
    """Check that a tensor stores as many values as its shape requires."""
    if any(d < 0 for d in tensor.dims):
        raise broken("negative length in a tensor", where, "lengths of at least 0", _shape(tensor))
    if is_external(tensor) or tensor.data_type not in (*BITS, STRING):
        return
    count, kind = prod(tensor.dims), tensor.data_type
    bits = BITS.get(kind, 0)
    if tensor.HasField("raw_data"):
        held, need = len(tensor.raw_data), -(-count * bits // 8)
    elif 0 < bits < 8:
        return  # only some writers pack them into 32 bits
    else:
        # A complex number is stored as two reals.
        field = {14: "float_data", 15: "double_data"}.get(kind) or _FIELDS.get(kind, "int32_data")
        held, need = len(getattr(tensor, field)), count * (2 if kind in (14, 15) else 1)
    if held != need:
        raise broken(
            "stored values do not match the shape", where, f"{need} for {_shape(tensor)}", str(held)
        )


def _shape(tensor: TensorProto) -> str:
    return f"{tensor.name!r} of shape {list(tensor.dims)}"

"""An ONNX file as data: parsed by protobuf and checked in Python before anything in it is trusted.

ONNX's checker and shape inference are compiled code that a broken model can crash; they are run
later, not in this module.
"""

from collections import Counter
from math import prod
from pathlib import Path

from ...errors import SplitDeconvError
from ...extras import require
from .graph import DEFAULT_DOMAINS, Scope, scopes, subgraphs

#: Protobuf's limit for one message.
LARGEST = 2**31 - 1
_BITS = dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8) | dict.fromkeys((4, 5, 10, 16), 16)
_BITS |= (
    dict.fromkeys((1, 6, 12), 32)
    | dict.fromkeys((7, 11, 13, 14), 64)
    | {15: 128, 21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
)
_FIELDS = {
    1: "float_data",
    7: "int64_data",
    8: "string_data",
    11: "double_data",
    12: "uint64_data",
    13: "uint64_data",
}
_STRING = 8


def parse(data, where):
    """The ModelProto in `data`, with valid names, sizes and references.

    Raises:
        SplitDeconvError: the model is not valid.
    """
    onnx = require("onnx", "onnx")
    from google.protobuf.message import DecodeError

    if not 0 < len(data) <= LARGEST:
        raise _broken("invalid size", where, f"1 to {LARGEST} bytes", f"{len(data)} bytes")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise _broken(
            "not a complete protocol buffer", where, "an ONNX model", str(error)
        ) from None
    if (
        not model.graph.node
        or model.ir_version < 1
        or (model.ir_version >= 3 and not model.opset_import)
    ):
        got = f"{len(model.graph.node)} nodes, IR version {model.ir_version}, {len(model.opset_import)} operator sets"
        raise _broken(
            "parts are missing", where, "a graph with nodes, a version and its operator sets", got
        )
    for holder in (model, *model.functions):
        _check_versions(holder, where)
    for scope in scopes_checked(model, where):
        _check_names(scope, where)
        for tensor in tensors_of(scope.graph):
            _check_tensor(tensor, where)
    return model


def scopes_checked(model, where):
    """The scopes of a model, after checking that all names are valid text."""
    stack = [model.graph, *model.functions]
    while stack:
        graph = stack.pop()
        _check_words(_words_of_values(graph), where)
        for node in graph.node:
            words = (
                node.op_type,
                node.domain,
                node.name,
                *node.input,
                *node.output,
                *(a.name for a in node.attribute),
            )
            _check_words(words, where)
            stack.extend(subgraphs(node))
    return scopes(model)


def _words_of_values(graph):
    """The names of values that a graph declares, and of their symbolic sizes."""
    for kind in ("input", "output", "value_info"):
        for value in getattr(graph, kind):
            if isinstance(value, str | bytes):  # in a function
                yield value
                continue
            yield value.name
            yield from (n.dim_param for n in value.type.tensor_type.shape.dim)


def _check_words(words, where):
    """Reject names that are not valid text: protobuf returns these as bytes."""
    odd = next((word for word in words if not isinstance(word, str)), None)
    if odd is not None:
        raise _broken("a name is not valid UTF-8", where, "UTF-8", repr(odd))


def tensors_of(graph):
    """Every stored tensor of a graph or function, without those of the graphs inside it."""
    yield from getattr(graph, "initializer", ())
    sparse = list(getattr(graph, "sparse_initializer", ()))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                sparse.append(attribute.sparse_tensor)
            sparse += attribute.sparse_tensors
    for one in sparse:
        yield from (one.values, one.indices)


def all_tensors(model):
    """Every stored tensor of a model, including its training information."""
    stack = [model.graph, *model.functions]
    for info in model.training_info:
        stack += [info.initialization, info.algorithm]
    while stack:
        graph = stack.pop()
        yield from tensors_of(graph)
        for node in graph.node:
            stack.extend(subgraphs(node))


def array(tensor, folder):
    """The values of a stored tensor as a NumPy array.

    Args:
        tensor: a TensorProto that `parse` has checked.
        folder: the folder of the model, for tensors in other files; None if the model is not a
            file.

    Raises:
        SplitDeconvError: its type is unknown; or its file is missing, too short, or outside the
            folder.
    """
    onnx = require("onnx", "onnx")
    if tensor.data_type not in (*_BITS, _STRING):
        raise _broken(
            "unknown tensor type", f"tensor {tensor.name!r}", "an ONNX type", str(tensor.data_type)
        )
    if is_external(tensor):
        tensor = inlined(tensor, folder)
    return onnx.numpy_helper.to_array(tensor)


def is_external(tensor):
    """Whether the values are stored in a separate file."""
    return tensor.data_location == type(tensor).EXTERNAL


def inlined(tensor, folder):
    """A copy of an external tensor with its values inside."""
    copy = type(tensor)(
        data_type=tensor.data_type, dims=tensor.dims, name=tensor.name, doc_string=tensor.doc_string
    )
    copy.metadata_props.extend(tensor.metadata_props)
    copy.raw_data = read_external(tensor, folder)
    return copy


def read_external(tensor, folder):
    """The bytes that an external tensor refers to; see `locate`."""
    path, offset, count = locate(tensor, folder)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(count)
    except OSError as error:
        raise _unreadable(tensor, path, count, str(error)) from None


def locate(tensor, folder):
    """The location of an external tensor: a regular file inside `folder`, an offset and a length.

    Raises:
        SplitDeconvError: the folder is unknown, the file is outside it or missing, or it is too
            short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise SplitDeconvError(
            "the model stores tensors in another file whose location is unknown",
            where=f"tensor {tensor.name!r}",
            expected="the path of a model",
            got=f"bytes that refer to {location!r}",
            fix="pass the path of the model",
        )
    base = Path(folder).resolve()
    path = (
        (base / location).resolve() if isinstance(location, str) and "\0" not in location else base
    )
    # Links are resolved before the comparison, so that none of them leads out of the folder either.
    if not location or Path(location).is_absolute() or base not in path.parents:
        raise SplitDeconvError(
            "the model refers to a file outside its folder, which was not read",
            where=f"tensor {tensor.name!r}",
            expected="a file in the folder of the model",
            got=repr(location),
        )
    need = -(-prod(tensor.dims) * _BITS.get(tensor.data_type, 0) // 8)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", need))
        if not path.is_file():
            raise OSError("no such regular file")
        held = path.stat().st_size
        if offset < 0 or length != need or offset + need > held:
            raise ValueError(f"{length} bytes from {offset} of {held}")
    except (OSError, ValueError) as error:
        raise _unreadable(tensor, path, need, str(error)) from None
    return path, offset, need


def _unreadable(tensor, path, need, got):
    return SplitDeconvError(
        "a tensor cannot be read from its external file",
        where=f"tensor {tensor.name!r} in {path.name}",
        expected=f"{need} bytes",
        got=got,
    )


def _check_names(scope: Scope, where):
    """Check that every name is defined once, and that every name that is read is defined."""
    graph = scope.graph
    # An initializer may be the default of an input; every other name has one definition.
    stored = [t.name for t in getattr(graph, "initializer", ())]
    stored += [t.values.name for t in getattr(graph, "sparse_initializer", ())]
    given = [v if isinstance(v, str) else v.name for v in graph.input]
    defined = [*stored, *(name for node in graph.node for name in node.output if name)]
    for names in (given, [*defined, *(name for name in given if name not in set(stored))]):
        if len(names) != len(set(names)):
            raise _broken("duplicate name", where, "one definition per name", _repeated(names))
    for name in (
        *(name for node in scope.graph.node for name in node.input if name),
        *scope.outputs,
    ):
        if scope.home(name) is None:
            raise _broken("undefined value", where, "an input, initializer or output", repr(name))


def _repeated(names):
    return repr(next(name for name, count in Counter(names).items() if count > 1))


def _check_versions(holder, where):
    """Check that each operator set is imported in one version; the default domain has two names."""
    versions = {}
    for one in holder.opset_import:
        domain = "" if one.domain in DEFAULT_DOMAINS else one.domain
        if versions.setdefault(domain, one.version) != one.version:
            got = f"{versions[domain]} and {one.version} of {domain or 'ai.onnx'!r}"
            raise _broken("duplicate operator set", where, "one version of each", got)


def _check_tensor(tensor, where):
    """Check that a tensor stores as many values as its shape requires."""
    if any(d < 0 for d in tensor.dims):
        raise _broken("negative length in a tensor", where, "lengths of at least 0", _shape(tensor))
    if is_external(tensor) or tensor.data_type not in (*_BITS, _STRING):
        return
    count, kind = prod(tensor.dims), tensor.data_type
    bits = _BITS.get(kind, 0)
    if tensor.HasField("raw_data"):
        held, need = len(tensor.raw_data), -(-count * bits // 8)
    elif 0 < bits < 8:
        return  # only some writers pack them into 32 bits
    else:
        # A complex number is stored as two reals.
        field = {14: "float_data", 15: "double_data"}.get(kind) or _FIELDS.get(kind, "int32_data")
        held, need = len(getattr(tensor, field)), count * (2 if kind in (14, 15) else 1)
    if held != need:
        raise _broken(
            "stored values do not match the shape", where, f"{need} for {_shape(tensor)}", str(held)
        )


def _shape(tensor):
    return f"{tensor.name!r} of shape {list(tensor.dims)}"


def _broken(what, where, expected, got):
    return SplitDeconvError(
        f"invalid ONNX model: {what}",
        where=where,
        expected=expected,
        got=got,
        fix="check how the file was created or transferred",
    )

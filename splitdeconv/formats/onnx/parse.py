"""An ONNX file as data: parsed by protobuf, checked in Python, and nothing of it believed before.

ONNX' own checker and shape inference are compiled code that a broken model can bring down; they come later, and not
in here.
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
    dict.fromkeys((1, 6, 12), 32) | dict.fromkeys((7, 11, 13, 14), 64) | {15: 128, 21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
)
_FIELDS = {1: "float_data", 7: "int64_data", 8: "string_data", 11: "double_data", 12: "uint64_data", 13: "uint64_data"}
_STRING = 8


def parse(data, where):
    """The ModelProto in `data`, sound as far as names, sizes and references go.

    Raises:
        SplitDeconvError: it is not.
    """
    onnx = require("onnx", "onnx")
    from google.protobuf.message import DecodeError

    if not 0 < len(data) <= LARGEST:
        raise _broken("its size is not that of a model", where, f"1 to {LARGEST} bytes", f"{len(data)} bytes")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise _broken("it is not a whole protocol buffer", where, "an ONNX model", str(error)) from None
    if not model.graph.node or model.ir_version < 1 or (model.ir_version >= 3 and not model.opset_import):
        got = f"{len(model.graph.node)} nodes, IR version {model.ir_version}, {len(model.opset_import)} operator sets"
        raise _broken("parts of it are missing", where, "a graph with nodes, a version and its operator sets", got)
    for holder in (model, *model.functions):
        _check_versions(holder, where)
    for scope in scopes_checked(model, where):
        _check_names(scope, where)
        for tensor in tensors_of(scope.graph):
            _check_tensor(tensor, where)
    return model


def scopes_checked(model, where):
    """The scopes of a model whose names are all text."""
    stack = [model.graph, *model.functions]
    while stack:
        graph = stack.pop()
        _check_words(_words_of_values(graph), where)
        for node in graph.node:
            words = (node.op_type, node.domain, node.name, *node.input, *node.output, *(a.name for a in node.attribute))
            _check_words(words, where)
            stack.extend(subgraphs(node))
    return scopes(model)


def _words_of_values(graph):
    """The names of values that a graph declares, and of their open sizes."""
    for kind in ("input", "output", "value_info"):
        for value in getattr(graph, kind):
            if isinstance(value, str | bytes):  # of a function
                yield value
                continue
            yield value.name
            yield from (n.dim_param for n in value.type.tensor_type.shape.dim)


def _check_words(words, where):
    """Refuse what is no text: protobuf gives its bytes."""
    odd = next((word for word in words if not isinstance(word, str)), None)
    if odd is not None:
        raise _broken("a name in it is no text", where, "UTF-8", repr(odd))


def tensors_of(graph):
    """Every stored tensor of a graph or function, those of the graphs inside it left out."""
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
    """Every stored tensor of a model, those of its training information included."""
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
        tensor: a TensorProto that `parse` has seen.
        folder: where its model lies, for tensors kept in files of their own; None where it lies nowhere.

    Raises:
        SplitDeconvError: its type is unknown; or its file is missing, too short, or outside the folder.
    """
    onnx = require("onnx", "onnx")
    if tensor.data_type not in (*_BITS, _STRING):
        raise _broken(
            "a tensor in it is of an unknown type", f"tensor {tensor.name!r}", "a type of ONNX", str(tensor.data_type)
        )
    if is_external(tensor):
        tensor = inlined(tensor, folder)
    return onnx.numpy_helper.to_array(tensor)


def is_external(tensor):
    """Whether the values are kept in a file beside the model."""
    return tensor.data_location == type(tensor).EXTERNAL


def inlined(tensor, folder):
    """A copy of an external tensor with its values inside."""
    copy = type(tensor)(data_type=tensor.data_type, dims=tensor.dims, name=tensor.name, doc_string=tensor.doc_string)
    copy.metadata_props.extend(tensor.metadata_props)
    copy.raw_data = read_external(tensor, folder)
    return copy


def read_external(tensor, folder):
    """The bytes an external tensor refers to; see `locate`."""
    path, offset, count = locate(tensor, folder)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(count)
    except OSError as error:
        raise _unreadable(tensor, path, count, str(error)) from None


def locate(tensor, folder):
    """Where an external tensor lies: a regular file inside `folder`, the offset, and as many bytes as it needs.

    Raises:
        SplitDeconvError: the folder is not known, the file is outside of it or missing, or it is too short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise SplitDeconvError(
            "the model keeps tensors in another file, and where it lies is not known",
            where=f"tensor {tensor.name!r}",
            expected="a model given by its path",
            got=f"bytes that refer to {location!r}",
            fix="give the path of the model",
        )
    base = Path(folder).resolve()
    path = (base / location).resolve() if isinstance(location, str) and "\0" not in location else base
    # Links are followed before the comparison, so that none leads out of the folder either.
    if not location or Path(location).is_absolute() or base not in path.parents:
        raise SplitDeconvError(
            "the model refers to a file outside its own folder; it was not read",
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
        "a tensor cannot be read from the file the model keeps it in",
        where=f"tensor {tensor.name!r} in {path.name}",
        expected=f"{need} bytes",
        got=got,
    )


def _check_names(scope: Scope, where):
    """Every name is defined once, and every name that is read is defined."""
    graph = scope.graph
    # An initializer may give an input its default; every other name has one definition.
    stored = [t.name for t in getattr(graph, "initializer", ())]
    stored += [t.values.name for t in getattr(graph, "sparse_initializer", ())]
    given = [v if isinstance(v, str) else v.name for v in graph.input]
    defined = [*stored, *(name for node in graph.node for name in node.output if name)]
    for names in (given, [*defined, *(name for name in given if name not in set(stored))]):
        if len(names) != len(set(names)):
            raise _broken("duplicate name", where, "one definition for each", _repeated(names))
    for name in (*(name for node in scope.graph.node for name in node.input if name), *scope.outputs):
        if scope.home(name) is None:
            raise _broken("it reads a value that nothing defines", where, "an input, initializer or output", repr(name))


def _repeated(names):
    return repr(next(name for name, count in Counter(names).items() if count > 1))


def _check_versions(holder, where):
    """Each operator set is imported in one version; the default domain has two names."""
    versions = {}
    for one in holder.opset_import:
        domain = "" if one.domain in DEFAULT_DOMAINS else one.domain
        if versions.setdefault(domain, one.version) != one.version:
            got = f"{versions[domain]} and {one.version} of {domain or 'ai.onnx'!r}"
            raise _broken("it imports an operator set twice", where, "one version of each", got)


def _check_tensor(tensor, where):
    """As many values are stored as the shape says."""
    if any(d < 0 for d in tensor.dims):
        raise _broken("a tensor in it has a negative length", where, "lengths of 0 and more", _shape(tensor))
    if is_external(tensor) or tensor.data_type not in (*_BITS, _STRING):
        return
    count, kind = prod(tensor.dims), tensor.data_type
    bits = _BITS.get(kind, 0)
    if tensor.HasField("raw_data"):
        held, need = len(tensor.raw_data), -(-count * bits // 8)
    elif 0 < bits < 8:
        return  # packed into 32 bits by some writers and not by others
    else:
        # A complex number is stored as two reals.
        field = {14: "float_data", 15: "double_data"}.get(kind) or _FIELDS.get(kind, "int32_data")
        held, need = len(getattr(tensor, field)), count * (2 if kind in (14, 15) else 1)
    if held != need:
        raise _broken(
            "a tensor in it does not hold what its shape says", where, f"{need} for {_shape(tensor)}", str(held)
        )


def _shape(tensor):
    return f"{tensor.name!r} of shape {list(tensor.dims)}"


def _broken(what, where, expected, got):
    return SplitDeconvError(
        f"this is not a sound ONNX model: {what}",
        where=where,
        expected=expected,
        got=got,
        fix="check how the file was made or transferred",
    )

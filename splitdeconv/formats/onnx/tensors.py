"""The stored tensors of an ONNX model, and their values, in the file or in another one."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import SplitDeconvError
from ...extras import require
from .graph import subgraphs

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

    from ...core.typing import NumpyArray
    from .graph import Graph

#: Protobuf's limit for one message.
LARGEST = 2**31 - 1
#: The size of an element in bits, by data type.
BITS = dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8) | dict.fromkeys((4, 5, 10, 16), 16)
BITS |= (
    dict.fromkeys((1, 6, 12), 32)
    | dict.fromkeys((7, 11, 13, 14), 64)
    | {15: 128, 21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
)
#: The data type of text.
STRING = 8


class Place(NamedTuple):
    """Where an external tensor is: a file, a position in it, and a number of bytes."""

    path: Path
    offset: int
    size: int


def tensors_of(graph: Graph) -> Iterator[TensorProto]:
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


def all_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor of a model, including its training information."""
    stack = [model.graph, *model.functions]
    for info in model.training_info:
        stack += [info.initialization, info.algorithm]
    while stack:
        graph = stack.pop()
        yield from tensors_of(graph)
        for node in graph.node:
            stack.extend(subgraphs(node))


def array(tensor: TensorProto, folder: str | Path | None) -> NumpyArray:
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
    if tensor.data_type not in (*BITS, STRING):
        raise broken(
            "unknown tensor type", f"tensor {tensor.name!r}", "an ONNX type", str(tensor.data_type)
        )
    if is_external(tensor):
        tensor = inlined(tensor, folder)
    return onnx.numpy_helper.to_array(tensor)


def is_external(tensor: TensorProto) -> bool:
    """Whether the values are stored in a separate file."""
    return tensor.data_location == type(tensor).EXTERNAL


def inlined(tensor: TensorProto, folder: str | Path | None) -> TensorProto:
    """A copy of an external tensor with its values inside."""
    copy = type(tensor)(
        data_type=tensor.data_type, dims=tensor.dims, name=tensor.name, doc_string=tensor.doc_string
    )
    copy.metadata_props.extend(tensor.metadata_props)
    copy.raw_data = read_external(tensor, folder)
    return copy


def read_external(tensor: TensorProto, folder: str | Path | None) -> bytes:
    """The bytes that an external tensor refers to; see `locate`."""
    path, offset, count = locate(tensor, folder)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(count)
    except OSError as error:
        raise _unreadable(tensor, path, count, str(error)) from None


def locate(tensor: TensorProto, folder: str | Path | None) -> Place:
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
    need = -(-prod(tensor.dims) * BITS.get(tensor.data_type, 0) // 8)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", need))
        if not path.is_file():
            raise OSError("no such regular file")
        held = path.stat().st_size
        if offset < 0 or length != need or offset + need > held:
            raise ValueError(f"{length} bytes from {offset} of {held}")
    except (OSError, ValueError) as error:
        raise _unreadable(tensor, path, need, str(error)) from None
    return Place(path, offset, need)


def _unreadable(tensor: TensorProto, path: Path, need: int, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "a tensor cannot be read from its external file",
        where=f"tensor {tensor.name!r} in {path.name}",
        expected=f"{need} bytes",
        got=got,
    )


def broken(what: str, where: str, expected: str, got: str) -> SplitDeconvError:
    """The error about a file that is not a valid model."""
    return SplitDeconvError(
        f"invalid ONNX model: {what}",
        where=where,
        expected=expected,
        got=got,
        fix="check how the file was created or transferred",
    )

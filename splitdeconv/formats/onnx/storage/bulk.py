"""Large ONNX models, without holding their constants in memory more often than needed.

protobuf copies data in many places: a bytes field when it is read, a message when it is inserted
into another one or its size is requested, everything when a model is written. What is removed from
a message is only freed with the whole message. Models are therefore copied without their large
constants, and written one stored tensor at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...recognition.wire import fields

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from onnx import AttributeProto, ModelProto, TensorProto

#: Number of elements up to which a tensor is not large: shapes, scales and the like.
SMALL = 1024
_GRAPH, _INITIALIZER = 7, 5
#: Messages that may contain tensors.
_HOLDERS = {"ModelProto", "GraphProto", "FunctionProto", "NodeProto", "AttributeProto"}


def light(model: ModelProto) -> ModelProto:
    """A copy of a model whose large tensors have a name, a type and a shape, but no values."""
    copy = type(model)()
    _copy(model, copy)
    return copy


def _copy(source: Message, target: Message) -> None:
    kind = source.DESCRIPTOR.name
    if kind == "TensorProto" and prod(source.dims) > SMALL and not source.external_data:
        target.name, target.data_type = source.name, source.data_type
        target.dims.extend(source.dims)
    elif kind not in _HOLDERS or (kind == "NodeProto" and not any(map(_holds, source.attribute))):
        target.CopyFrom(source)
    else:
        for field, value in source.ListFields():
            if field.message_type is None:
                _copy_plain(target, field.name, value)
            elif hasattr(value, "add"):
                for item in value:
                    _copy(item, getattr(target, field.name).add())
            else:
                getattr(target, field.name).SetInParent()
                _copy(value, getattr(target, field.name))


def _holds(attribute: AttributeProto) -> bool:
    return (
        attribute.HasField("t") or attribute.HasField("g") or attribute.tensors or attribute.graphs
    )


def _copy_plain(target: Message, name: str, value: Any) -> None:
    """A field of numbers, text or bytes, single or repeated."""
    # Names have been checked; documentation that is not valid text does not matter.
    with suppress(UnicodeDecodeError):
        if hasattr(value, "extend"):
            getattr(target, name).extend(value)
        else:
            setattr(target, name, value)


def save(model: ModelProto, tensors: Callable[[], Iterable[TensorProto]], path: str | Path) -> None:
    """Write a model to a file, byte for byte as protobuf would write it.

    Args:
        model: a ModelProto without initializers in its main graph.
        tensors: a function without arguments that yields the initializers; it is called twice.
        path: the file.
    """
    rest = memoryview(model.SerializeToString(deterministic=True))
    before, start, stop = next(places for number, *places in _places(rest) if number == _GRAPH)
    graph = rest[start:stop]
    # Fields are written in the order of their numbers.
    here = next((key for number, key, _, _ in _places(graph) if number > _INITIALIZER), len(graph))
    sizes = (tensor.ByteSize() for tensor in tensors())
    more = sum(len(_head(_INITIALIZER, size)) + size for size in sizes)
    with open(path, "wb") as file:
        file.writelines((rest[:before], _head(_GRAPH, len(graph) + more), graph[:here]))
        for tensor in tensors():
            data = tensor.SerializeToString(deterministic=True)
            file.writelines((_head(_INITIALIZER, len(data)), data))
            del data, tensor
        file.writelines((graph[here:], rest[stop:]))


def _places(data: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: number, start of the key, start and end of the value."""
    key = 0
    for number, _, start, stop in fields(data, len(data)):
        yield number, key, start, stop
        key = stop


def _head(number: int, length: int) -> bytes:
    """Key and length of a bytes field."""
    head = bytearray([number << 3 | 2])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes(head + bytes([length]))

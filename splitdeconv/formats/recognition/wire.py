"""The protocol buffer wire format, read without a schema, to tell kinds of model apart."""

from collections.abc import Iterator
from typing import TypeAlias

from ..content import Bytes

#: (number, wire type, start, stop) of a field.
Field: TypeAlias = tuple[int, int, int, int]


def fields(data: Bytes | memoryview, most: int = 64) -> Iterator[Field]:
    """(number, wire type, start, stop) of the first `most` top-level fields of a protobuf.

    Raises:
        ValueError: it is not a protobuf; or it is truncated, raised after its last whole field.
    """
    position = 0
    for _ in range(most):
        if position == len(data):
            return
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            start, stop = position, _varint(data, position)[1]
        elif wire == 2:
            length, start = _varint(data, position)
            stop = start + length
        else:
            start, stop = position, position + {1: 8, 5: 4}.get(wire, len(data) + 1)
        if number == 0 or (stop > len(data) and wire != 2):
            raise ValueError("not a protobuf")
        yield number, wire, start, stop
        if stop > len(data):
            raise ValueError("truncated")
        position = stop


def _varint(data: Bytes | memoryview, position: int) -> tuple[int, int]:
    """A base-128 number and the position after it."""
    value = 0
    for i in range(10):
        if position + i >= len(data):
            break
        byte = data[position + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, position + i + 1
    raise ValueError("not a varint")


def is_onnx(data: Bytes | memoryview) -> bool:
    """Whether this is a ModelProto: top-level fields with the right numbers and types, and a graph.

    It is read at the level of the wire format, so that no parser sees anything but models: each
    field begins with a varint of number and type (0 varint, 1 eight bytes, 2 length and that many
    bytes, 5 four bytes).
    """
    # ModelProto: ir_version=1 opset_import=8 producer_name=2 producer_version=3 domain=4
    # model_version=5 doc_string=6 graph=7 metadata_props=14 training_info=20 functions=25
    known = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2}
    seen: set[int] = set()
    try:
        for number, wire, _, _ in fields(data):
            if known.get(number, wire) != wire:
                return False
            seen.add(number)
    except ValueError:
        pass  # a truncated model is still a model, and its parser can report more
    return 7 in seen


def is_frozen_graph(data: Bytes | memoryview) -> bool:
    """Whether this is a GraphDef: nodes in field 1, each with its name first."""
    try:
        number, wire, start, stop = next(fields(data))
        inner, inner_wire, _, _ = next(fields(data[start : min(stop, start + 64)]))
        return (number, wire) == (1, 2) == (inner, inner_wire)
    except (ValueError, StopIteration):
        return False


def is_saved_model(data: Bytes | memoryview) -> bool:
    """Whether this is a SavedModel: a version in field 1, meta graphs in field 2."""
    return _begins_as_model(data) and not is_core_ml(data)


def is_core_ml(data: Bytes | memoryview) -> bool:
    """Whether this is a Core ML Model: a version in field 1, a ModelDescription in field 2.

    A SavedModel begins the same way. But its MetaGraphDef has fields 1 to 8 only, and the whole has
    fields 1 and 2 only. A ModelDescription has outputs (10), metadata (100) and others from
    10 on, and a Core ML Model has its network in a field from 200 on.
    """
    if not _begins_as_model(data):
        return False
    _, _, start, stop = _numbers(data, 2)[1]
    return any(n >= 10 for n, *_ in (*_numbers(data, 64), *_numbers(data[start:stop], 64)))


def _begins_as_model(data: Bytes | memoryview) -> bool:
    return [field[:2] for field in _numbers(data, 2)] == [(1, 0), (2, 2)]


def _numbers(data: Bytes | memoryview, most: int) -> list[Field]:
    """The field numbers up to the end of the data, or up to where it is not a protobuf."""
    whole = []
    try:
        for field in fields(data, most):
            whole.append(field)
    except ValueError:
        pass
    return whole

"""Injuries to ONNX files: fields of the protocol buffer, and bytes."""

from itertools import islice

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper
from onnx.checker import ValidationError

from benchmarks.fuzz.case import chance, pick
from benchmarks.fuzz.edges import bytes_near, edge_array, real_near, text_near, whole_near

_MOST = 4000  # of messages looked at


def damage(case, rng):
    """The case with one to three injuries; one in four of them to bytes."""
    data, done, files = case.data, [], dict(case.files)
    if chance(rng, 0.25):
        data, done = bytes_near(rng, data), ["bytes"]
    else:
        model = ModelProto.FromString(data)
        for _ in range(pick(rng, (1, 1, 1, 2, 3))):
            done.append(_injure(model, rng))
        data = model.SerializeToString()
    if files and chance(rng, 0.2):
        files = {name: bytes_near(rng, content) for name, content in files.items()}
        done.append("external data")
    return type(case)(case.kind, data, case.story, files, tuple(done), case.options)


def _injure(model, rng):
    """One injury to a field; returns its name."""
    if chance(rng, 0.15):
        tensors = [m for m in _messages(model) if isinstance(m, TensorProto) and m.raw_data]
        if tensors and (name := _edge_tensor(pick(rng, tensors), rng)):
            return name
    messages = list(_messages(model))
    # Small messages are many; every kind of message is to have its turn.
    kinds = sorted({m.DESCRIPTOR.name for m in messages})
    kind = pick(rng, kinds)
    message = pick(rng, [m for m in messages if m.DESCRIPTOR.name == kind])
    present = [field for field, _ in message.ListFields()]
    absent = [field for field in message.DESCRIPTOR.fields if field not in present]
    scalar = [f for f in absent if f.message_type is None and not f.is_repeated]
    if scalar and chance(rng, 0.1):
        field = pick(rng, scalar)
        setattr(message, field.name, _value(rng, field, _nothing(field), model))
        return f"{kind}.{field.name} added"
    if not present:
        return f"{kind} left"
    field = pick(rng, present)
    if field.is_repeated:
        return f"{kind}.{field.name} {_repeated(message, field, rng, model)}"
    if field.message_type is not None or chance(rng, 0.2):
        message.ClearField(field.name)
        return f"{kind}.{field.name} removed"
    setattr(message, field.name, _value(rng, field, getattr(message, field.name), model))
    return f"{kind}.{field.name} changed"


def _edge_tensor(tensor, rng):
    try:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind not in "fiu" or not array.size:
            return None
        new = edge_array(rng, array)
    except (ValueError, TypeError, KeyError, ValidationError):  # damaged before
        return None
    tensor.raw_data = np.ascontiguousarray(new).tobytes()
    return "TensorProto values at the edge"


def _messages(message):
    """A message and all in it, up to a number."""

    def walk(this):
        yield this
        for field, value in this.ListFields():
            if field.message_type is not None:
                for part in value if field.is_repeated else (value,):
                    yield from walk(part)

    return islice(walk(message), _MOST)


def _repeated(message, field, rng, model):
    """Change, remove, swap, repeat or copy elements; returns what was done."""
    values = getattr(message, field.name)
    at, other = (int(n) for n in rng.integers(len(values), size=2))
    how = pick(rng, ("removed", "repeated", "swapped", "changed", "changed"))
    if how == "removed":
        del values[at]
    elif field.message_type is not None:
        if how == "repeated":
            values.add().CopyFrom(values[at])
        elif how == "swapped":
            kept = type(values[at])()
            kept.CopyFrom(values[at])
            values[at].CopyFrom(values[other])
            values[other].CopyFrom(kept)
        else:
            values[at].CopyFrom(values[other])
    elif how == "repeated":
        values.insert(at, values[at])
    elif how == "swapped":
        values[at], values[other] = values[other], values[at]
    else:
        values[at] = _value(rng, field, values[at], model)
    return how


def _value(rng, field, value, model):
    """Another value for a field of no message."""
    if field.enum_type is not None:
        numbers = [v.number for v in field.enum_type.values if v.number != value]
        return pick(rng, numbers)
    if isinstance(value, bytes):
        return bytes_near(rng, value)
    if isinstance(value, str):
        return text_near(rng, value, _names(model))
    if isinstance(value, float):
        return real_near(rng, value)
    wide = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
    low = 0 if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64) else -(2**63)
    low, high = (low, 2**63 - 1) if wide else (max(low, -(2**31)), 2**31 - 1)
    return whole_near(rng, int(value), low, high)


def _nothing(field):
    return {field.CPPTYPE_STRING: b"" if field.type == field.TYPE_BYTES else ""}.get(
        field.cpp_type, 0.0 if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE) else 0
    )


def _names(model):
    """What things in the model are called: values, nodes, operators, domains."""
    names = set()
    for message in _messages(model):
        for field, value in message.ListFields():
            if field.cpp_type == field.CPPTYPE_STRING and field.type != field.TYPE_BYTES:
                names.update(value if field.is_repeated else (value,))
    return sorted(names)

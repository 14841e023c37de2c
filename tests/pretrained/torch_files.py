"""PyTorch checkpoint files written byte by byte, without PyTorch, forgeries among them."""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {
    "f8": "Double",
    "f4": "Float",
    "f2": "Half",
    "i8": "Long",
    "i4": "Int",
    "i2": "Short",
    "i1": "Char",
}
STORAGES |= {"u1": "Byte", "b1": "Bool"}
FALSE, EMPTY_DICT, REDUCE, BUILD, PERSISTENT = b"\x89", b"}", b"R", b"b", b"Q"


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def pack(*parts):
    return b"(" + b"".join(parts) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def ordered(*items):
    return named("collections", "OrderedDict") + b")R" + b"(" + b"".join(items) + b"u"


def storage(key, kind, numel, device="cpu", legacy=False):
    parts = (
        text("storage"),
        named("torch", f"{kind}Storage"),
        text(key),
        text(device),
        number(numel),
    )
    return pack(*parts, *([b"N"] if legacy else [])) + PERSISTENT


def tensor(stored, shape, strides, offset=0):
    sizes = (number(offset), pack(*map(number, shape)), pack(*map(number, strides)))
    return (
        named("torch._utils", "_rebuild_tensor_v2")
        + pack(stored, *sizes, FALSE, ordered())
        + REDUCE
    )


def pickled(body):
    return b"\x80\x02" + body + b"."


def zip_file(path, body, storages, prefix="archive/", compression=zipfile.ZIP_STORED, extra=()):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{prefix}data.pkl", pickled(body))
        for key, content in storages.items():
            archive.writestr(f"{prefix}data/{key}", content)
        for name, content in extra:
            archive.writestr(f"{prefix}{name}", content)
    return path


def legacy_file(path, body, storages, magic=0x1950A86A20F9469CFC6C):
    """`storages`: key -> (number of elements, bytes)."""
    out = io.BytesIO()
    for header in (
        magic,
        1001,
        {"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 4}},
    ):
        out.write(pickle.dumps(header, protocol=2))
    out.write(pickled(body))
    out.write(pickle.dumps(sorted(storages), protocol=2))
    for key in sorted(storages):
        numel, content = storages[key]
        out.write(struct.pack("<q", numel) + content)
    path.write_bytes(out.getvalue())
    return path


def save(path, arrays, container="zip", version_numbers=True):
    """A `state_dict` of arrays, in file order, as `torch.save` lays it out."""
    items, storages, legacy = [], {}, container == "legacy"
    for index, (name, array) in enumerate(arrays.items()):
        array = np.asarray(array)
        kind = STORAGES[array.dtype.str[1:].replace("|", "")]
        strides = [step // array.itemsize for step in np.empty(array.shape, array.dtype).strides]
        items.append(
            text(name)
            + tensor(storage(str(index), kind, array.size, legacy=legacy), array.shape, strides)
        )
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        storages[str(index)] = (array.size, content) if legacy else content
    body = ordered(*items)
    if version_numbers:
        body += EMPTY_DICT + text("_metadata") + ordered() + b"s" + BUILD
    return (legacy_file if legacy else zip_file)(path, body, storages)


def one(path, stored, shape, strides, content, offset=0):
    """A zip checkpoint with one tensor `w` of storage `0`."""
    return zip_file(
        path, ordered(text("w") + tensor(stored, shape, strides, offset)), {"0": content}
    )

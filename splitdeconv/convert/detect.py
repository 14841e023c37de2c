"""Which format a model is in, told by what it holds and never by its name; for every other kind, the next command."""

import io
import os
import shlex
import stat
import string
import zipfile
from pathlib import Path

from ..errors import SplitDeconvError

FORMATS = {"tflite": ".tflite", "onnx": ".onnx", "keras": ".keras"}
_EXPECTED = "a .tflite, .onnx or .keras model"
_AGAIN = "fetch or export the model again, and compare the size of the two files"
# Commands as a shell takes them; {} is the path that was given, quoted.
_TO_KERAS = (
    "python -c \"import keras, sys; keras.models.load_model(sys.argv[1]).save('model.keras')\" {}, "
    "then splitdeconv convert model.keras -o split.keras"
)
_TO_ONNX = (
    "in Python, torch.onnx.export(model, example_inputs, 'model.onnx', dynamo=True), "
    "then splitdeconv convert model.onnx -o split.onnx"
)
_LITE = (
    "python -c \"import sys, tensorflow as tf; open('model.tflite', 'wb').write(%s.convert())\" {}, "
    "then splitdeconv convert model.tflite -o split.tflite"
)
_TO_TFLITE = _LITE % "tf.lite.TFLiteConverter.from_saved_model(sys.argv[1])"
_FROZEN = "with the names of the graph's ends, " + (
    _LITE % "tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(sys.argv[1], ['INPUT'], ['OUTPUT'])"
)


#: Bytes; neither protobuf nor a flatbuffer holds more.
LARGEST = (1 << 31) - 1


def read_model(model) -> tuple[bytes, str | None]:
    """The bytes of a model given as bytes or as a path, and the path.

    Raises:
        SplitDeconvError: as `look`.
    """
    _, size, path = look(model)
    if path is None:
        return bytes(model), None
    try:
        with open(path, "rb") as file:
            return file.read(size), path
    except OSError as error:
        raise _unreadable(path, error) from None


def look(model) -> tuple[bytes, int, str | None]:
    """The first bytes of a model given as bytes or as a path, its size, and the path; the file is not read.

    Raises:
        SplitDeconvError: there is no such file, it is a directory, empty, too large, or cannot be read.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return bytes(model[:64]), len(model), None
    if not isinstance(model, str | os.PathLike):
        raise SplitDeconvError(
            "not a recognised model",
            where="model",
            expected=f"{_EXPECTED} as path or bytes, or a keras.Model",
            got=f"{type(model).__module__}.{type(model).__name__}",
        )
    path = Path(model)
    try:
        held = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise _unreadable(path, error) from None
    if stat.S_ISDIR(held.st_mode):
        raise _refuse_directory(path)
    if not stat.S_ISREG(held.st_mode):  # it need not end
        raise _refuse("a pipe, a socket or a device", path, "save the model in a file")
    if not held.st_size:  # as is told of the files in /proc, of which some never end
        raise _refuse("an empty file", path)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise _unreadable(path, error) from None
    if held.st_size > LARGEST:
        raise _too_large(path, head, held.st_size)
    return head, held.st_size, str(path)


def detect(data: bytes, where="the model") -> str:
    """The format of a model: "tflite", "onnx" or "keras".

    Args:
        data: its bytes.
        where: what to call it in a refusal.

    Raises:
        SplitDeconvError: it is empty, or of another kind; with the command that leads on where one is known.
    """
    if data[4:8] == b"TFL3":
        return "tflite"
    if data[:4] == b"PK\x03\x04":
        return _in_zip(data, where)
    if _is_onnx(data):
        return "onnx"
    path, folder = (shlex.quote(str(p)) for p in (where, Path(str(where)).parent))
    for matches, what, fix in (
        (not data, "an empty file", _AGAIN),
        (data[:8] == b"\x89HDF\r\n\x1a\n", "an HDF5 file: legacy Keras", _TO_KERAS.format(path)),
        (_is_pickle(data), "a pickle: legacy PyTorch or another; it is never opened", _TO_ONNX),
        (_is_frozen_graph(data), "a TensorFlow protocol buffer: a frozen graph", _FROZEN.format(path)),
        (_is_saved_model(data), "a TensorFlow protocol buffer: part of a SavedModel folder", _TO_TFLITE.format(folder)),
        (_is_flatbuffer(data), "a flatbuffer without TFLite's identifier TFL3", _AGAIN),
    ):
        if matches:
            raise _refuse(what, where, fix)
    if set(data[:64]) <= set(string.printable.encode()):
        raise _refuse("text", where)
    raise _refuse(f"{len(data)} bytes that begin with {data[:8].hex(' ')}", where)


def _in_zip(data, where):
    """A .keras file holds its configuration and metadata at the top; PyTorch's zip holds a pickle in a folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise _refuse(f"a zip archive that is broken: {error}", where) from None
    if {"config.json", "metadata.json"} <= set(names):
        return "keras"
    if any(name.endswith("data.pkl") for name in names):
        raise _refuse("a PyTorch checkpoint; its pickle is never opened", where, _TO_ONNX)
    raise _refuse(f"a zip archive of {len(names)} other file(s)", where)


def _is_onnx(data):
    """Whether this is the protobuf of a ModelProto: top-level fields of the right numbers and types, graph included.

    Read from the wire format itself, so that no parser sees what is not a model: each field begins with a varint of
    number and type (0 varint, 1 eight bytes, 2 length and that many bytes, 5 four bytes).
    """
    # ModelProto: ir_version=1 opset_import=8 producer_name=2 producer_version=3 domain=4 model_version=5 doc_string=6
    # graph=7 metadata_props=14 training_info=20 functions=25
    known = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2}
    seen = set()
    try:
        for number, wire, _, _ in fields(data):
            if known.get(number, wire) != wire:
                return False
            seen.add(number)
    except ValueError:
        pass  # a truncated model is still one: its parser can say more
    return 7 in seen


def _is_frozen_graph(data):
    """Whether this is a GraphDef: nodes in field 1, a name first in each."""
    try:
        number, wire, start, stop = next(fields(data))
        return (number, wire) == (1, 2) and next(fields(data[start : min(stop, start + 64)]))[:2] == (1, 2)
    except (ValueError, StopIteration):
        return False


def _is_saved_model(data):
    """Whether this is a SavedModel's protobuf: a version in field 1, meta graphs in field 2."""
    try:
        return [field[:2] for field in fields(data, 2)] == [(1, 0), (2, 2)]
    except ValueError:
        return False


def fields(data, most=64):
    """(number, wire type, start, stop) of the top-level fields of a protobuf, the first `most` of them."""
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
            raise ValueError("no protobuf")
        yield number, wire, start, stop
        if stop > len(data):
            raise ValueError("truncated")
        position = stop


def _varint(data, position):
    """A base-128 number and where it ends."""
    value = 0
    for i in range(10):
        if position + i >= len(data):
            break
        byte = data[position + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, position + i + 1
    raise ValueError("no varint")


def _is_pickle(data):
    """Whether it begins with the PROTO opcode and a protocol; legacy PyTorch files begin with a pickled number."""
    return len(data) > 2 and data[0] == 0x80 and 2 <= data[1] <= 5


def _is_flatbuffer(data):
    """Whether the first offset leads to a table whose own offset leads back to a plausible vtable."""
    root = int.from_bytes(data[:4], "little")
    if not 4 <= root <= len(data) - 4:
        return False
    table = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    if not 4 <= table <= len(data) - 4:
        return False
    size = int.from_bytes(data[table : table + 2], "little")
    return size % 2 == 0 and 4 <= size <= 256 and table + size <= len(data)


def _refuse_directory(path):
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return _refuse("a SavedModel folder", path, _TO_TFLITE.format(shlex.quote(str(path))))
    return _refuse("a directory", path, "give the model file that is in it")


def _too_large(path, head, size):
    """Refused by its size; legacy files and checkpoints often are that large, and are told by their first bytes."""
    if head.startswith((b"\x89HDF", b"\x80")):
        detect(head, path)
    return SplitDeconvError(
        "the model is too large",
        where=path,
        expected=f"{_EXPECTED} of at most {LARGEST:,} bytes",
        got=f"{size:,} bytes",
        fix=f"if it is a PyTorch checkpoint: {_TO_ONNX}" if head.startswith(b"PK") else "convert a part of it",
    )


def _unreadable(path, error):
    got = getattr(error, "strerror", None) or str(error)
    return SplitDeconvError(
        "the model cannot be read", where=str(path), expected=_EXPECTED, got=got, fix="check path and rights"
    )


def _refuse(what, where, fix=_AGAIN):
    return SplitDeconvError("unsupported model format", where=where, expected=_EXPECTED, got=what, fix=fix)

"""Kinds of file that contain no convertible model: identified by content, with the next command."""

import json
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import archives, recipes, wire

_MARK = b"\xef\xbb\xbf"  # byte order mark that some editors write


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        matches: whether these bytes are of this kind.
        what: its name in errors.
        fix: what to do: one of `recipes`, a sentence, or a function that makes one from the path.
    """

    matches: Callable[[bytes], bool]
    what: str
    fix: str | Callable[[str], str] = recipes.AGAIN


def _begins(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(magic)


def _identified(*names: bytes) -> Callable[[bytes], bool]:
    """Flatbuffers store the identifier of their schema after the first offset."""
    return lambda data: data[4:8] in names


def _is_hdf5(data: bytes) -> bool:
    return data.startswith(b"\x89HDF\r\n\x1a\n")


def _holds_layers(data: bytes) -> bool:
    """Whether an HDF5 file has a Keras model configuration; attributes are never compressed."""
    return _is_hdf5(data) and b"model_config" in data


def _is_recent(data: bytes) -> bool:
    """Whether the configuration is from Keras 3, the first version to write `batch_shape`."""
    return _holds_layers(data) and b'"batch_shape"' in data and b'"batch_input_shape"' not in data


def _is_older_weights(data: bytes) -> bool:
    """Whether an HDF5 file was written by `save_weights` of Keras 1 or 2."""
    return _is_hdf5(data) and (b"layer_names" in data or b"weight_names" in data)


def _is_recent_weights(data: bytes) -> bool:
    """Whether an HDF5 file was written by `save_weights` of Keras 3."""
    return _is_hdf5(data) and b"layers" in data and b"vars" in data


def _is_pickle(data: bytes) -> bool:
    """Whether it begins with the PROTO opcode and a protocol, as even old PyTorch files do."""
    return len(data) > 2 and data[0] == 0x80 and 2 <= data[1] <= 5


def _is_safetensors(data: bytes) -> bool:
    """Whether it begins with an eight-byte length, followed by a JSON header of that length."""
    size = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or not 2 <= size <= len(data) - 8:
        return False
    try:
        return isinstance(json.loads(data[8 : 8 + size]), dict)
    except (ValueError, RecursionError):
        return False


def _is_flatbuffer(data: bytes) -> bool:
    """Whether the first offset points to a table whose offset points back to a plausible vtable."""
    root = int.from_bytes(data[:4], "little")
    if not 4 <= root <= len(data) - 4:
        return False
    table = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    if not 4 <= table <= len(data) - 4:
        return False
    size = int.from_bytes(data[table : table + 2], "little")
    return size % 2 == 0 and 4 <= size <= 256 and table + size <= len(data)


def _text(pattern: bytes) -> Callable[[bytes], bool]:
    """A predicate for text whose beginning matches a regular expression."""
    beginning = re.compile(pattern, re.IGNORECASE | re.DOTALL)

    def matches(data: bytes) -> bool:
        return _is_text(data) and beginning.search(data[:4096].removeprefix(_MARK)) is not None

    return matches


def _is_text(data: bytes) -> bool:
    return set(data[:64].removeprefix(_MARK)) <= set(string.printable.encode())


_WEIGHTS = "a Keras HDF5 file that contains only weights"
_IS_IR = _text(rb"^\s*(<\?xml.*?)?<net\b")
#: The first match wins.
KINDS = (
    Kind(lambda data: not data, "an empty file"),
    Kind(_is_recent, "a legacy Keras HDF5 file, written by Keras 3", recipes.TO_KERAS),
    Kind(_holds_layers, "a legacy Keras HDF5 file, written by Keras 1 or 2", recipes.LEGACY),
    Kind(_is_older_weights, f"{_WEIGHTS}, not a model", recipes.older_weights),
    Kind(_is_recent_weights, f"{_WEIGHTS}, not a model", recipes.recent_weights),
    Kind(_is_hdf5, "an HDF5 file without a Keras model"),
    Kind(_is_pickle, "a pickle, such as an old PyTorch file; it is never opened", recipes.TO_PT2),
    Kind(wire.is_frozen_graph, "a TensorFlow protocol buffer: a frozen graph", recipes.FROZEN),
    Kind(wire.is_core_ml, "a Core ML model", recipes.CORE_ML),
    Kind(
        wire.is_saved_model,
        "a TensorFlow protocol buffer: part of a SavedModel folder",
        recipes.TO_TFLITE.replace("{}", "{folder}"),
    ),
    Kind(_identified(b"ORTM"), "an ONNX Runtime model (.ort)", recipes.ORT),
    Kind(_identified(b"ET12", b"ET13"), "an ExecuTorch program", recipes.OWN_CODE),
    Kind(_is_safetensors, "a SafeTensors file (only weights)", recipes.OWN_CODE),
    Kind(_begins(b"GGUF"), "a GGUF file", recipes.COMPILED),
    Kind(_begins(b"\x93NUMPY"), "a NumPy array, not a model"),
    Kind(_begins(b"RKNN"), "an RKNN model, compiled for a Rockchip NPU", recipes.COMPILED),
    Kind(_begins(b"ftrt", b"ptrt"), "a TensorRT engine", recipes.COMPILED),
    Kind(
        lambda data: data[-8:] == 0xDB4775248B80FB57.to_bytes(8, "little"),
        "the index of a TensorFlow checkpoint, which contains only weights",
        "export the model from its own code as a SavedModel folder",
    ),
    Kind(_IS_IR, "an OpenVINO model (IR)", recipes.OPENVINO),
    Kind(
        _text(rb"^version https://git-lfs"),
        "a Git LFS pointer, not the file itself",
        "git lfs pull",
    ),
    Kind(_text(rb"^\s*(<!doctype html|<html)"), "a web page, not the file it describes"),
    Kind(
        _text(rb'^\s*\{.*"modelTopology"'),
        "a TensorFlow.js model",
        recipes.MADE_FROM + "tensorflowjs_converter",
    ),
    Kind(
        _text(rb'^\s*\{.*"class_name"\s*:\s*"(functional|sequential|model)"'),
        "a Keras model configuration without weights",
        "in Python, keras.models.model_from_json, load_weights, then splitdeconv.convert",
    ),
    Kind(
        _text(rb"^7767517\s"),
        "an ncnn model",
        f"{recipes.MADE_FROM}convert the result to ncnn with pnnx",
    ),
    Kind(_is_flatbuffer, "a flatbuffer without TFLite's identifier TFL3"),
    Kind(_is_text, "text"),
)


def describe(data: bytes, where: str | Path) -> tuple[str, str]:
    """Name a file that is not a .tflite, .onnx or .keras model, and explain what to do with it.

    Args:
        data: its bytes, or the first of them.
        where: its path, or its name in errors.
    """
    packed = archives.describe(data, str(where))
    if packed:
        return packed
    kind = next((kind for kind in KINDS if kind.matches(data)), None)
    if kind is not None:
        return kind.what, recipes.filled(kind.fix, where)
    if _lies_beside_ir(where):
        return "the weights of an OpenVINO model (IR), next to its .xml file", recipes.OPENVINO
    return f"{len(data)} bytes that begin with {data[:8].hex(' ')}", recipes.AGAIN


def _lies_beside_ir(where: str | Path) -> bool:
    """Whether the .xml file of an OpenVINO model is next to it; the weights have no magic bytes."""
    try:
        with Path(str(where)).with_suffix(".xml").open("rb") as file:
            return _IS_IR(file.read(4096))
    except (OSError, ValueError):
        return False


def describe_folder(path: Path) -> tuple[str, str]:
    """What a folder is, and what to do with it."""
    for names, what, fix in (
        (("saved_model.pb",), "a SavedModel folder", recipes.TO_TFLITE),
        (("saved_model.pbtxt",), "a SavedModel folder", recipes.TO_TFLITE),
        (("Data/com.apple.CoreML",), "a Core ML package", recipes.CORE_ML),
        (("coremldata.bin",), "a compiled Core ML model", recipes.CORE_ML),
        (("config.json", "metadata.json"), "an unpacked .keras file", recipes.UNPACKED),
    ):
        if all((path / name).exists() for name in names):
            return what, recipes.filled(fix, path)
    return "a directory", "use the model file inside it"

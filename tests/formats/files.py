"""Files that are no models, and what each is: for telling formats apart and for refusing."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile


def zipped(**files):
    """A zip archive of the named contents."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(
                name.replace("__", "/").replace("_json", ".json").replace("_pkl", ".pkl"), content
            )
    return target.getvalue()


def field(number, content):
    """A protobuf field: bytes, or an int below 128."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


# Legacy PyTorch files begin with a pickled magic number, protocol version and system information.
LEGACY_TORCH = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
FROZEN = field(1, field(1, b"input") + field(2, b"Placeholder")) + field(1, field(1, b"deconv"))
SAVED_MODEL = field(1, 1) + field(2, field(1, b"meta") + field(2, b"graph"))
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)
TORCH_ZIP = zipped(archive__data_pkl=b"\x80\x02}.", archive__version=b"3")
# A flatbuffer whose root table has a vtable of 4 bytes and no fields.
FLATBUFFER = bytes([8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0])

#: The first bytes of a .tflite and of an .onnx file.
TFLITE = b"\x20\0\0\0TFL3" + bytes(40)
ONNX = field(1, 8) + field(2, b"pytorch") + field(7, field(1, b"node"))
# Core ML: a description whose output is in field 10; or a network in field 500.
CORE_ML = field(1, 5) + field(2, field(1, field(1, b"picture")) + field(10, field(1, b"depth")))
CORE_ML_NETWORK = field(1, 4) + field(2, field(1, field(1, b"x"))) + b"\xa2\x1f\x02\x08\x01"


def members(**files):
    """A zip archive, whose members have any names."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(name, content):
    """A tar archive of one file."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def safetensors(**tensors):
    """A SafeTensors file of these records and no data."""
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header


# name: (content, what it is told to be, what to do)
ODD = {
    "empty": (b"", "an empty file", "export the model again"),
    "random": (
        bytes(range(200, 256)),
        "56 bytes that begin with c8 c9 ca cb cc cd ce cf",
        "export the model again",
    ),
    "text": (b"import os\n", "text", "export the model again"),
    "one byte": (b"\x08", "1 bytes that begin with 08", "export the model again"),
    "h5": (HDF5, "an HDF5 file without a Keras model", "export the model again"),
    "h5 of Keras 1": (
        HDF5 + b'model_config {"class_name": "Sequential"}',
        "a legacy Keras HDF5 file",
        "tf_keras",
    ),
    "h5 of Keras 2": (
        HDF5 + b'model_config "batch_input_shape": [null, 7]',
        "a legacy Keras HDF5 file, written by Keras 1 or 2",
        "TF_USE_LEGACY_KERAS=1 python",
    ),
    "h5 of Keras 3": (
        HDF5 + b'model_config "batch_shape": [null, 7]',
        "a legacy Keras HDF5 file, written by Keras 3",
        "keras.models.load_model",
    ),
    "weights of Keras 1": (
        HDF5 + b"layer_names weight_names",
        "a Keras HDF5 file that contains only weights",
        "cp folder/some.model renamed.h5, then in Python, ",
    ),
    "Core ML": (CORE_ML, "a Core ML model", "convert the model it was made from"),
    "Core ML network": (CORE_ML_NETWORK, "a Core ML model", "convert the model it was made from"),
    "ort": (
        b"\x24\0\0\0ORTM" + bytes(60),
        "an ONNX Runtime model (.ort)",
        "convert_onnx_models_to_ort split.onnx",
    ),
    "executorch": (b"\x24\0\0\0ET12" + bytes(60), "an ExecuTorch program", "torch.export.save"),
    "OpenVINO": (
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<net name="u">',
        "an OpenVINO model (IR)",
        "ovc split.onnx",
    ),
    "bare OpenVINO": (b'<net name="u" version="10">', "an OpenVINO model (IR)", "ovc split.onnx"),
    "other XML": (b'<?xml version="1.0"?>\n<svg></svg>', "text", "export the model again"),
    "safetensors": (
        safetensors(w={"dtype": "F32"}),
        "a SafeTensors file (only weights)",
        "with its own code",
    ),
    "gguf": (b"GGUF\3\0\0\0", "a GGUF file", "made from"),
    "npy": (b"\x93NUMPY\1\0", "a NumPy array", "export the model again"),
    "npz": (members(**{"a.npy": b"\x93NUMPY"}), "a NumPy archive (.npz)", "export the model again"),
    "checkpoint": (
        bytes(90) + bytes.fromhex("57fb808b247547db"),
        "the index of a TensorFlow checkpoint",
        "SavedModel folder",
    ),
    "git lfs": (
        b"version https://git-lfs.github.com/spec/v1\n",
        "a Git LFS pointer",
        "git lfs pull",
    ),
    "web page": (
        b"\n<!DOCTYPE html><title>404",
        "a web page",
        "download or export the model",
    ),
    "tfjs": (
        b'{"format": "layers-model", "modelTopology": {}}',
        "a TensorFlow.js model",
        "tensorflowjs_converter",
    ),
    "architecture": (
        b'{"class_name": "Sequential", "config": {}}',
        "a Keras model configuration",
        "from_json",
    ),
    "ncnn": (b"7767517\n75 83\n", "an ncnn model", "pnnx"),
    "pt2": (
        members(**{"up/archive_format": b"pt2"}),
        "a torch.export program of PyTorch 2.7 or before",
        "torch.export.load",
    ),
    "old pt2": (
        members(**{"serialized_exported_program.json": b"{}"}),
        "a torch.export program of PyTorch 2.7 or before",
        "torch.export.load",
    ),
    "torchscript": (
        members(**{"up/data.pkl": b"\x80\2}.", "up/code/__torch__.py": b"pass"}),
        "a TorchScript archive",
        "torch.jit.load('folder/some.model')",
    ),
    "Core ML package": (
        members(**{"u.mlpackage/Data/com.apple.CoreML/model.mlmodel": CORE_ML}),
        "a Core ML package",
        "made from",
    ),
    "task": (
        members(**{"encoder.tflite": TFLITE, "readme": b"hello", "decoder.bin": TFLITE}),
        "a zip archive (like a MediaPipe .task bundle) of 2 model(s): encoder.tflite, decoder.bin",
        "python -m zipfile -e folder/some.model folder/some.model.files, then "
        "splitdeconv convert folder/some.model.files/encoder.tflite -o split.tflite",
    ),
    "zipped onnx": (
        members(**{"deep/model.bin": ONNX}),
        "a zip archive (like a MediaPipe .task bundle) of 1 model(s): deep/model.bin",
        "convert folder/some.model.files/deep/model.bin -o split.onnx",
    ),
    "zipped SavedModel": (
        members(**{"one/saved_model.pb": SAVED_MODEL}),
        "a zipped SavedModel folder",
        "folder/some.model.files/one, then splitdeconv convert model.tflite",
    ),
    "gzip": (
        gzip.compress(ONNX),
        "a file compressed with gzip (a .onnx model)",
        "gunzip -c folder/some.model > model.onnx, then "
        "splitdeconv convert model.onnx -o split.onnx",
    ),
    "gzip of text": (
        gzip.compress(b"text"),
        "a file compressed with gzip",
        "splitdeconv inspect model",
    ),
    "half a gzip": (
        gzip.compress(bytes(99))[:9],
        "a file compressed with gzip",
        "splitdeconv inspect model",
    ),
    "bzip2": (
        bz2.compress(TFLITE),
        "a file compressed with bzip2 (a .tflite",
        "bunzip2 -c folder/some.model > ",
    ),
    "xz": (
        lzma.compress(TFLITE),
        "a file compressed with xz (a .tflite",
        "xz -dc folder/some.model > ",
    ),
    "zstd": (
        b"\x28\xb5\x2f\xfd" + bytes(9),
        "a file compressed with Zstandard",
        "zstd -dc folder/some.model > ",
    ),
    "tar": (tarred("m.onnx", ONNX), "a tar archive", "tar -xf folder/some.model"),
    "tgz": (
        gzip.compress(tarred("m", ONNX)),
        "a tar archive, compressed with gzip",
        "tar -xf folder/some.model",
    ),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(9), "a 7-Zip archive", "7z x folder/some.model"),
    "legacy torch": (
        LEGACY_TORCH,
        "a pickle, such as an old PyTorch file; it is never opened",
        "torch.export.save",
    ),
    "torch zip": (
        TORCH_ZIP,
        "a PyTorch checkpoint (its pickle is never opened)",
        "torch.export.save",
    ),
    "frozen graph": (FROZEN, "a TensorFlow protocol buffer: a frozen graph", "from_frozen_graph"),
    "saved_model.pb": (
        SAVED_MODEL,
        "a TensorFlow protocol buffer: part of a SavedModel",
        "from_saved_model",
    ),
    "flatbuffer": (
        FLATBUFFER,
        "a flatbuffer without TFLite's identifier TFL3",
        "export the model again",
    ),
    "zip": (zipped(readme=b"hello"), "a zip archive of 1 other file", "export the model again"),
    "broken zip": (zipped(readme=b"hello")[:20], "a broken zip archive", "export the model again"),
    "half a .keras": (
        zipped(config_json=b"{}"),
        "a zip archive of 1 other file",
        "export the model again",
    ),
}

"""Files that are no models, and what each is: for telling formats apart and for refusing."""

import io
import pickle
import zipfile


def zipped(**files):
    """A zip archive of the named contents."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json").replace("_pkl", ".pkl"), content)
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

# name: (content, what it is told to be, what to do)
ODD = {
    "empty": (b"", "an empty file", "export the model again"),
    "random": (bytes(range(200, 256)), "56 bytes that begin with c8 c9 ca cb cc cd ce cf", "export the model again"),
    "text": (b"import os\n", "text", "export the model again"),
    "one byte": (b"\x08", "1 bytes that begin with 08", "export the model again"),
    "h5": (HDF5, "an HDF5 file: legacy Keras", "keras.models.load_model"),
    "legacy torch": (LEGACY_TORCH, "a pickle: legacy PyTorch or another; it is never opened", "torch.onnx.export"),
    "torch zip": (TORCH_ZIP, "a PyTorch checkpoint; its pickle is never opened", "torch.onnx.export"),
    "frozen graph": (FROZEN, "a TensorFlow protocol buffer: a frozen graph", "from_frozen_graph"),
    "saved_model.pb": (SAVED_MODEL, "a TensorFlow protocol buffer: part of a SavedModel", "from_saved_model"),
    "flatbuffer": (FLATBUFFER, "a flatbuffer without TFLite's identifier TFL3", "export the model again"),
    "zip": (zipped(readme=b"hello"), "a zip archive of 1 other file", "export the model again"),
    "broken zip": (zipped(readme=b"hello")[:20], "a zip archive that is broken", "export the model again"),
    "half a .keras": (zipped(config_json=b"{}"), "a zip archive of 1 other file", "export the model again"),
}

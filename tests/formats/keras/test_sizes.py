"""Files that declare more than they hold are refused before anything is loaded."""

import io
import zipfile

import h5py
import keras
import numpy as np
import pytest

from splitdeconv.formats.keras.sizes import excess

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def _file(tmp_path):
    up = keras.layers.Conv2DTranspose(3, 4, strides=2)
    keras.Sequential([keras.Input((4, 4, 2)), up]).save(tmp_path / "up.keras")
    return (tmp_path / "up.keras").read_bytes()


def _with(data, name, content, compression=zipfile.ZIP_STORED):
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(target, "w", compression) as archive,
    ):
        for entry in source.namelist():
            archive.writestr(entry, content if entry == name else source.read(entry))
        if name not in source.namelist():
            archive.writestr(name, content)
    return target.getvalue()


def test_a_sound_file_holds_what_it_declares(tmp_path):
    data = _file(tmp_path)
    assert excess(data) is None
    assert excess(_with(data, "assets/note", b"text", zipfile.ZIP_DEFLATED)) is None


@pytest.mark.parametrize("shape", [(1 << 28,), (1 << 40,), (1 << 20, 1 << 20)])
def test_weights_without_contents(tmp_path, shape):
    data = _file(tmp_path)
    file = io.BytesIO(zipfile.ZipFile(io.BytesIO(data)).read("model.weights.h5"))
    with h5py.File(file, "r+") as tree:
        tree.create_dataset("huge", shape, np.float32)
    assert "declares" in excess(_with(data, "model.weights.h5", file.getvalue()))


def test_a_member_that_unfolds(tmp_path):
    assert "expand to" in excess(
        _with(_file(tmp_path), "assets/zeros", bytes(100 << 20), zipfile.ZIP_DEFLATED)
    )

"""Large TFLite models are written with few copies, and operators are cut without the rest."""

import numpy as np
import pytest

from splitdeconv.formats.content import content
from splitdeconv.formats.tflite.cut import cut
from splitdeconv.formats.tflite.flatbuffer import file as tflite_file
from splitdeconv.formats.tflite.flatbuffer.file import read, save, view, write
from splitdeconv.formats.tflite.model import TFLiteModel

from .models import Builder, make


def upsampler(numbers=1 << 18):
    """A transposed convolution, and a large constant that belongs to another operator."""
    rng, b = np.random.default_rng(0), Builder()
    x, y, z = (
        b.tensor(name, shape, "f4")
        for name, shape in (("x", (1, 2, 2, 4)), ("y", (1, 4, 4, 4)), ("z", (1, 4)))
    )
    w = b.constant("w", rng.standard_normal((4, 3, 3, 4), np.float32))
    s = b.constant("s", np.array([1, 4, 4, 4], "<i4"))
    m = b.constant("m", rng.standard_normal((numbers // 64, 64), np.float32))
    options = make("TransposeConvOptions", strideH=2, strideW=2, padding=0)
    b.operator("TRANSPOSE_CONV", [s, w, x], [y], options)
    b.operator("FULLY_CONNECTED", [y, m, -1], [z], make("FullyConnectedOptions"))
    return b.build([x], [z])


@pytest.mark.parametrize("tail", [b"", b"appended"])
def test_what_is_saved_is_what_write_returns(tmp_path, monkeypatch, tail):
    model, _ = read(upsampler(), "it")
    save(model, tmp_path / "saved", tail)
    saved = (tmp_path / "saved").read_bytes()
    assert saved == write(model, tail)
    monkeypatch.setattr(tflite_file, "_LARGE", 1 << 30)  # as the flatbuffers package writes it
    assert saved == write(model, tail)


@pytest.mark.parametrize("as_file", [False, True])
def test_an_operator_is_cut_without_the_constants_of_others(tmp_path, as_file):
    data = upsampler()
    (site,) = TFLiteModel.parse(data).sites()
    part = cut(data, data, site, tmp_path if as_file else None)
    assert isinstance(part.original, bytes) is not as_file
    held = sorted(len(view(buffer)) for buffer in read(content(part.original), "it")[0].buffers)
    assert held[-1] == 4 * 3 * 3 * 4 * 4
    assert content(part.converted) == content(part.original)

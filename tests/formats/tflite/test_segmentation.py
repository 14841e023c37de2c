"""A trained model, MediaPipe's selfie segmentation, which two of three resolvers refuse.

The file is fetched on first use; without a connection and a filled cache these tests fail and say
so.
"""

import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from skimage import data, transform

from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.pretrained import fetch
from tests.formats.tflite.models import OPTIMIZED, REFERENCE, convert, operators, run, unpack


@pytest.fixture(scope="module")
def original():
    return fetch("selfie_segmentation").read_bytes()


@pytest.fixture(scope="module")
def portrait():
    return transform.resize(data.astronaut() / 255.0, (256, 256))[None].astype("float32")


def test_its_site(original):
    (site,) = TFLiteModel.parse(original).sites()
    assert (site.operator, site.dtype, site.in_channels, site.out_channels) == (
        "Convolution2DTransposeBias",
        "float16",
        16,
        1,
    )
    assert [(axis.n, axis.k, axis.s, axis.o) for axis in site.axes] == [(128, 2, 2, 256)] * 2


@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_the_same_mask_on_every_resolver(original, portrait, form):
    for kernels in (REFERENCE, OPTIMIZED):
        with pytest.raises(RuntimeError, match="unresolved custom op: Convolution2DTransposeBias"):
            run(original, portrait, kernels=kernels)
    mask, rewritten = run(original, portrait), convert(original, form)
    assert 0.2 < (mask > 0.5).mean() < 0.8
    # XNNPACK computes all but the one operator as before, and that one's 16 products in the same
    # order.
    np.testing.assert_allclose(run(rewritten, portrait), mask, rtol=0, atol=1e-6)
    for kernels in (REFERENCE, OPTIMIZED):
        y = run(rewritten, portrait, kernels=kernels)
        # The network's other 245 operators round differently there: masks, not bits, are compared.
        assert np.abs(y - mask).max() < 1e-3
        np.testing.assert_array_equal(y > 0.5, mask > 0.5)
    # the control: another picture has another mask
    assert ((run(rewritten, portrait[:, :, ::-1]) > 0.5) != (mask > 0.5)).mean() > 0.05


def test_all_else_is_kept(original):
    rewritten = convert(original)
    before, after = (Counter(operators(d)) for d in (original, rewritten))
    assert before - after == Counter(Convolution2DTransposeBias=1)
    # four filters instead of one, each unpacked from float16
    assert after - before == Counter(CONV_2D=4, DEQUANTIZE=3, CONCATENATION=3, RESHAPE=1)
    assert len(rewritten) < 1.02 * len(original)
    about = [
        bytes(model.buffers[entry.buffer].data)
        for model in map(unpack, (original, rewritten))
        for entry in model.metadata
        if entry.name == b"TFLITE_METADATA"
    ]
    assert about[0] == about[1]
    with zipfile.ZipFile(io.BytesIO(rewritten)) as archive:
        assert archive.read("labels.txt") == b"selfie\n"

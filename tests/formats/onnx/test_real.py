"""The text detector of PP-OCR in use: equal boxes on a rendered page before and after.

The model is fetched on first use; without a connection and a filled cache this fails and says so.
"""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from skimage import measure

from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.pretrained import fetch
from tests.formats.onnx.models import convert, kinds, run

LINES = (
    "split deconvolution",
    "a few words on a line",
    "exactly the same boxes",
    "ABCDEFG hijklmn 0123456789",
    "the end.",
)
SIZE = (288, 416)


@pytest.fixture(scope="module")
def page():
    """A page of text as the detector needs it: (1, 3, height, width), in [-1, 1]."""
    figure = Figure(figsize=(SIZE[1] / 100, SIZE[0] / 100), dpi=100)
    for index, line in enumerate(LINES):
        figure.text(0.05 + 0.04 * index, 0.85 - 0.18 * index, line, fontsize=12 + 2 * (index % 3))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw")
    pixels = np.frombuffer(buffer.getvalue(), "u1").reshape(*SIZE, 4)[..., :3]
    return (pixels.astype("f") / 127.5 - 1).transpose(2, 0, 1)[None]


def _boxes(probabilities):
    """Connected regions above the package's threshold, 0.3, as (top, left, bottom, right)."""
    return [region.bbox for region in measure.regionprops(measure.label(probabilities[0, 0] > 0.3))]


@pytest.fixture(scope="module")
def detector():
    return fetch("ppocr_detector").read_bytes()


def test_its_transposed_convolutions(detector):
    first, second = OnnxModel.parse(detector).sites()
    for site, channels in ((first, (24, 24)), (second, (24, 1))):
        assert (site.in_channels, site.out_channels) == channels
        assert [(a.n, a.k, a.s, a.p) for a in site.axes] == [(None, 2, 2, 0)] * 2
        assert (site.batch, site.problem) == (None, None)


@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
@pytest.mark.parametrize("interleave", ["concat", "depth_to_space"])
def test_the_same_boxes(detector, page, form, interleave):
    name = "x"
    original = run(detector, {name: page})[0]
    converted = convert(detector, form, interleave)
    result = run(converted, {name: page})[0]
    assert len(_boxes(original)) >= len(LINES)
    assert _boxes(result) == _boxes(original)
    # Two layers of 24 products each; probabilities are at most 1.
    np.testing.assert_allclose(result, original, rtol=0, atol=2 * 24 * 2.0**-23)
    assert converted.ByteSize() < 1.01 * len(detector)
    assert "ConvTranspose" not in kinds(converted)


def test_at_other_sizes_and_batches(detector, page):
    converted = convert(detector)
    for part in (page[..., :96, :160], page.repeat(2, 0)[..., :64, :64]):
        np.testing.assert_allclose(
            run(converted, {"x": part})[0], run(detector, {"x": part})[0], rtol=0, atol=1e-5
        )

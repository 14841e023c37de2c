"""The slider holds both renderings pixel by pixel, and says what they are."""

import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from splitdeconv.study.charts.slider import CLASS, WIDEST, slider


class Elements(HTMLParser):
    """The elements of a page with their attributes, and those that are still open."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def every(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def pixels(attributes):
    data = attributes["src"].removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(BytesIO(b64decode(data))))


@pytest.mark.parametrize("channels", [1, 3])
def test_both_renderings_are_there_pixel_by_pixel(channels):
    rng = np.random.default_rng(5)
    one = rng.integers(0, 255, (3, 4, 7, channels), "uint8")
    other = one.copy()
    other[2, 1, 5, 0] += 1
    page = Elements(slider({"native": one, "split": other}, "Eyes <b>")._repr_html_())
    assert page.open == []
    left, right = page.every("img")
    for shown, batch in ((left, one), (right, other)):
        expected = np.concatenate(list(batch), axis=1)
        np.testing.assert_array_equal(pixels(shown).reshape(expected.shape), expected)
    assert left["alt"] == "Eyes <b>: 3 images, computed by native"
    assert right["alt"] == "Eyes <b>: the same 3 images, computed by split"
    assert page.every("b") == []


def test_its_control_is_a_range_that_moves_the_border_of_the_second():
    one = np.zeros((1, 2, 2, 3), "uint8")
    html = slider({"native": one, "split": one + 1}, "A face").html
    page = Elements(html)
    assert page.every("figure")[0]["class"] == CLASS
    (control,) = page.every("input")
    assert (control["type"], control["min"], control["max"]) == ("range", "0", "100")
    assert "native on the left and split on the right" in control["aria-label"]
    assert "setProperty('--border', this.value + '%')" in control["oninput"]
    clipped = ["inset(0 0 0 var(--border))" in image["style"] for image in page.every("img")]
    assert clipped == [False, True]
    assert "12 of 12 values differ between native and split" in html
    assert not re.search(r"https?://", html)


def test_of_a_wide_batch_the_first_are_shown():
    batch = np.arange(5, dtype="uint8").reshape(5, 1, 1, 1) + np.zeros((5, 2, 300, 3), "uint8")
    page = slider({"native": batch, "split": batch}, "Rooms")
    assert pixels(Elements(page.html).every("img")[0]).shape == (2, 600, 3)
    assert 600 <= WIDEST < 900
    assert "2 images" in page.html
    assert "0 of 3,600 values differ" in page.html
    wide = np.zeros((2, 1, WIDEST + 1, 3), "uint8")
    assert "1 image, computed" in slider({"native": wide, "split": wide}, "Room").html

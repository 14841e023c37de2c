"""The record of a transposed convolution: what is known of it, and what is asked of it."""

import pytest

from splitdeconv.core.forms import COUNTS
from splitdeconv.core.geometry import resolve
from splitdeconv.formats.site import Site
from tests.refusals import refused

AXES = resolve((5, 7), (3, 4), (2, 3), "SAME")
UNKNOWN = Site("up", "ConvTranspose", None, 1, 6, None, "float32", problem="its kernel is computed")


def test_what_is_known_is_given():
    site = Site("up", "ConvTranspose", AXES, 2, 6, 4, "float32")
    assert site.known_axes == AXES
    assert site.known_channels == (6, 4)


@pytest.mark.parametrize(
    ("part", "what"),
    [("known_axes", "geometry"), ("known_channels", "number of output channels")],
)
def test_what_is_unknown_is_refused_with_the_reason(part, what):
    with refused(f"this needs the {what}") as caught:
        getattr(UNKNOWN, part)
    assert caught.value.where == "up"
    assert caught.value.got == "its kernel is computed"


def test_counts_need_every_size():
    assert UNKNOWN.macs() == dict.fromkeys(COUNTS)
    site = Site("up", "ConvTranspose", AXES, 2, 6, 4, "float32", counts={"rows": 17})
    # 5 * 3 by 7 * 4 taps, for each of the 6 * 4 pairs of channels within two groups
    assert site.macs()["useful"] == 5 * 3 * 7 * 4 * 6 * 4 // 2
    assert site.macs()["rows"] == 17

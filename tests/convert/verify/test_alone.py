"""How much larger than its inputs a model's tensors may be, from the operators it holds."""

import pytest

from splitdeconv.convert.verify.alone import growth
from splitdeconv.core.geometry import Axis
from splitdeconv.formats.site import Site


def _site(strides):
    axes = strides and tuple(Axis(n=None, k=5, s=s, d=1, p=0, tail=0) for s in strides)
    return Site("up", "ConvTranspose", axes, 1, 3, 2, "float32")


@pytest.mark.parametrize(
    ("strides", "factor"),
    [([(2, 3)], 6), ([(2, 3), (1,), (4, 2, 2)], 96), ([None, (3, 2)], 48), ([], 1)],
)
def test_strides_multiply_and_unknown_ones_count_as_a_volume(strides, factor):
    assert growth([_site(s) for s in strides]) == factor

"""Sizes behind SAME padding, for which ONNX' shape inference differs from ONNX Runtime."""

import numpy as np
import pytest
from onnx import helper

from splitdeconv.core.forms import FILE_FORMS
from tests.formats.onnx.models import convert, model, run, value

FORMS = FILE_FORMS


@pytest.mark.parametrize("auto_pad", ["SAME_LOWER", "SAME_UPPER"])
@pytest.mark.parametrize(
    ("kernel", "stride", "extra"), [(4, 4, 2), (2, 5, 0), (3, 2, 1), (5, 2, 0)]
)
def test_the_size_behind_same_padding_is_what_the_runtime_yields(auto_pad, kernel, stride, extra):
    """ONNX' shape inference tells another, and the second operator would be planned for it."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2, 2, kernel, kernel)).astype("f4")
    same = {"auto_pad": auto_pad, "strides": [stride] * 2, "output_padding": [extra] * 2}
    first = helper.make_node("ConvTranspose", ["x", "w"], ["t"], name="first", **same)
    second = helper.make_node("ConvTranspose", ["t", "w"], ["y"], name="second", strides=[2, 3])
    x = rng.standard_normal((1, 2, 3, 4)).astype("f4")
    ends = [value("x", "f4", x.shape)], [value("y", "f4", [None] * 4)]
    source = model([first, second], *ends, {"w": w})
    for form in FORMS:
        got, expected = (
            run(convert(source, form, checked=False), {"x": x})[0],
            run(source, {"x": x})[0],
        )
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)

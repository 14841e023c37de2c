"""A ConvTranspose of every float type: its values, its type, and infinities."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from splitdeconv.core.definition import conv_transpose
from splitdeconv.formats.onnx.shapes.geometry import from_onnx
from tests.formats.onnx.models import arrays, convert, run, single
from tests.formats.onnx.rewrite.cases import FORMS, definition


@pytest.mark.parametrize("form", FORMS)
def test_half_precision(form):
    """ONNX Runtime sums float16 in float32 and rounds once, in each of the two models."""
    x, w, bias = (a.astype(np.float16) for a in arrays(0, (5, 6), (4, 3), 2, (3, 2)))
    source = single(x, w, bias, strides=[2, 2], group=2)
    expected, got = run(source, {"x": x})[0], run(convert(source, form), {"x": x})[0]
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, expected, rtol=2.0**-10, atol=2.0**-12)


@pytest.mark.parametrize("form", FORMS)
def test_double_precision(form):
    """ONNX Runtime has no kernel for float64; ONNX' own reference runs the converted model."""
    x, w, bias = arrays(0, (4, 3), (5, 2), 1, (3, 2), np.float64)
    source = single(x, w, bias, strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])
    axes = from_onnx((4, 3), (5, 2), strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])
    expected = definition(conv_transpose, x, w, axes, 1) + bias[:, None, None]
    got = ReferenceEvaluator(convert(source, form)).run(None, {"x": x})[0]
    # 15 products of order 1 and a bias: well below 64 * 2^-53 * 16
    np.testing.assert_allclose(got, expected, rtol=0, atol=1.2e-13)


def test_bfloat16_keeps_its_type():
    x, w, bias = (a.astype(ml_dtypes.bfloat16) for a in arrays(0, (4, 3), (3, 3), 1, (3, 2)))
    converted = convert(single(x, w, bias, strides=[2, 2], opset=22, ir_version=10), "stacked")
    stored = {tensor.data_type for tensor in converted.graph.initializer}
    assert stored == {onnx.TensorProto.BFLOAT16, onnx.TensorProto.INT64}


def test_infinities_stay_where_they_were():
    """The form split multiplies nothing by zero: empty phases are filled, not computed."""
    x, w, bias = arrays(0, (4,), (2,), 1, (2, 3))
    x[0, 0, 1] = np.inf
    source = single(x, w, bias, strides=[4])
    expected, got = run(source, {"x": x})[0], run(convert(source), {"x": x})[0]
    assert np.isinf(expected).any()
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    np.testing.assert_array_equal(got[..., 2::4], expected[..., 2::4])

"""Whole conversions for a target with limits: verified, within them, and the report says the cost.

The values are compared by `sd.convert` itself, with the original run in its own runtime.
"""

import json

import numpy as np
import onnx
import pytest

import splitdeconv as sd
from splitdeconv.convert.report import Report
from splitdeconv.convert.rewrite import Options, rewrite
from splitdeconv.core.kernels import Kernels
from tests.formats.onnx.models import arrays, run, single
from tests.formats.onnx.rewrite.test_padded import kernels_in
from tests.formats.tflite.models import REFERENCE, Deconv, deconv_model, run as run_tflite
from tests.formats.tflite.rewrite.test_padded import kernels_in as kernels_in_tflite

MINE = """name: mine
title: A processor
formats: any
others: unknown
others_source: nothing is known
accepts:
  convolution: {kernels: [[3, 3], [5, 5]], strides: [1], source: its manual}
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return str(path)


def _up(kernel=(4, 4)):
    x, w, b = arrays(5, (6, 7), kernel, 1, (16, 24))
    return single(x, w, b, strides=[2, 2], pads=[1, 1, 1, 1]).SerializeToString(), x


def test_an_onnx_model_for_tidl():
    data, x = _up()
    result = sd.convert(data, target="tidl")
    report = result.report
    assert report.verification.passed
    assert not report.objections
    converted = onnx.load_from_string(result.model)
    assert kernels_in(converted) == [(3, 3)] * 4
    # Sums of 64 products of numbers of size 1, in another order.
    np.testing.assert_allclose(run(result.model, {"x": x}), run(data, {"x": x}), atol=1e-4)
    row = report.frame().iloc[0]
    assert (row["padded_taps"], row["padding_cost"]) == ("2x2 -> 3x3", 2.25)
    assert row["split"] == 4 * 9 * 6 * 7 * 16 * 24
    content = json.loads(json.dumps(report.to_dict()))
    assert content["layers"][0]["kernels"][:2] == [[1, 1], [3, 3]]
    again = Report.from_dict(content)
    assert json.loads(json.dumps(again.to_dict())) == content
    assert again.decisions[0].padding == report.decisions[0].padding
    seen = sd.inspect(data, target="tidl").iloc[0]
    assert seen[["split", "padded_taps", "padding_cost"]].tolist() == [580608, "2x2 -> 3x3", 2.25]


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_a_quantized_tflite_model(mine, kind):
    case = Deconv(sizes=(6, 5), kernel=(5, 4), strides=(2, 2), kind=kind, cin=6, cout=10)
    data = deconv_model(case)
    result = sd.convert(data, target=mine)
    assert result.report.verification.passed
    assert set(kernels_in_tflite(result.model)) == {(3, 3)}
    y, expected = (run_tflite(m, case.input(), kernels=REFERENCE) for m in (result.model, data))
    np.testing.assert_array_equal(y, expected)


def test_a_keras_model(mine):
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [keras.Input((6, 5, 3)), keras.layers.Conv2DTranspose(6, (5, 4), 2, padding="same")]
    )
    converted, report = rewrite("keras", model, options=Options(target=mine))
    assert converted.layers[-1].pad_to == [[3, 3], [5, 5]]
    assert report.rows()[0]["padded_taps"] == "2x2 and 3x2 -> 3x3"
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 3)).astype("f")
    y, expected = (keras.ops.convert_to_numpy(m(x)) for m in (converted, model))
    # Sums of 60 products of single precision.
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_what_does_not_fit_stays_as_it_is(mine):
    data, _ = _up((14, 14))
    converted, report = rewrite("onnx", data, options=Options(target=mine))
    assert converted == data
    (row,) = report.rows()
    assert (row["verdict"], row["padded_taps"], row["padding_cost"]) == ("leave", None, None)
    assert "its kernels are 3x3, 5x5, which do not hold 7x7 taps of a phase" in row["reason"]
    assert "(its manual)" in row["reason"]


def test_a_choice_of_variants_is_padded_too(mine):
    data, _ = _up()
    options = Options(target=mine, choices=(("stacked concat", "measured"),))
    converted, report = rewrite("onnx", data, options=options)
    assert report.decisions[0].kernels == Kernels(((3, 3), (5, 5)))
    assert kernels_in(onnx.load_from_string(converted)) == [(3, 3)]
    native = Options(target=mine, choices=(("native", "measured"),))
    assert native.decide([report.decisions[0].site])[0].kernels is None

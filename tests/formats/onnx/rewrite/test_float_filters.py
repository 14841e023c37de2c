"""Float filters between quantizers, which ONNX Runtime would quantize by itself."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from splitdeconv.convert.verify.compare import compare
from tests.formats.onnx import models
from tests.formats.onnx.models import node, value

STEP = 0.7


def sandwich(strides, opset, computed):
    """A ConvTranspose of a dequantized input; sums of two products of bytes exceed 16 bits."""
    rng = np.random.default_rng(8)
    stored = {
        "w0": rng.choice([-1.0, 1.0], (20, 3, 3, 2)).astype("f4"),
        "xs": np.float32(0.01),
        "xz": np.uint8(0),
        "ys": np.float32(STEP),
        "yz": np.uint8(128),
        "yes": np.array(True),
    }
    nodes = [
        node("Where", ["yes", "w0", "w0"], "w") if computed else node("Identity", ["w0"], "w"),
        node("QuantizeLinear", ["x", "xs", "xz"], "q"),
        node("DequantizeLinear", ["q", "xs", "xz"], "d"),
        node("ConvTranspose", ["d", "w"], "c", strides=strides),
        node("QuantizeLinear", ["c", "ys", "yz"], "cq"),
        node("DequantizeLinear", ["cq", "ys", "yz"], "y"),
    ]
    ports = [value("x", "f4", [1, 20, 5, 7])], [value("y", "f4", [None] * 4)]
    return models.model(nodes, *ports, stored, opset=opset)


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize(
    ("strides", "form", "interleave"),
    [([1, 1], "split", "concat"), ([2, 2], "stacked", "transpose"), ([2, 1], "rows", "concat")],
)
@pytest.mark.parametrize("opset", [13, 17, 21])
def test_they_are_not_computed_in_integers(
    strides, form, interleave, opset, computed, tmp_path, here
):
    source = sandwich(strides, opset, computed)
    converted = models.convert(source, form, interleave)
    feed = {"x": np.random.default_rng(9).uniform(0, 2.55, (1, 20, 5, 7)).astype("f4")}
    (plain,), (fast,) = models.run(source, feed, optimized=False), models.run(converted, feed)
    # The runtime may quantize the filters, which moves a result by a step; saturation by many.
    assert np.abs(plain - fast).max() < 2.1 * STEP
    assert compare("onnx", source.SerializeToString(), converted.SerializeToString())
    options = ort.SessionOptions()
    optimized = tmp_path / "fast.onnx"
    options.optimized_model_filepath = str(optimized)
    options.log_severity_level = 4
    ort.InferenceSession(converted.SerializeToString(), options, ["CPUExecutionProvider"])
    assert "QLinearConv" not in [one.op_type for one in onnx.load(optimized).graph.node]

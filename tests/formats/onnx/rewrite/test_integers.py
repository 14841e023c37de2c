"""Quantized filters that a caller may override are cut before they are dequantized."""

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from tests.formats.onnx.models import convert, model, node, value

KINDS = {"int8": "i1", "uint8": "u1"}
OFF = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
ALL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


def network(opset, weights, zero, kernel, stride, quantized, seed=11):
    """(the model, its inputs): filters between all bytes, an input to be dequantized or not."""
    rng = np.random.default_rng(seed)
    low, high = (-127, 128) if weights == "int8" else (0, 256)
    w = rng.integers(low, high, (3, 5, kernel, kernel)).astype(weights)
    stored = {"w": w, "w_scale": np.float32(0.011)}
    if zero is not None:
        stored["w_zero"] = np.array(zero, weights)
    nodes = [
        node("DequantizeLinear", list(stored), "w_d"),
        node("ConvTranspose", ["x", "w_d"], "y", strides=[stride] * 2, pads=[1, 0, 0, 1]),
    ]
    if quantized:
        stored |= {"x_scale": np.float32(0.029), "x_zero": np.array(119, "u1")}
        stored |= {"y_scale": np.float32(0.17), "y_zero": np.array(127, "u1")}
        for name in "xy":
            parts = [f"{name}_scale", f"{name}_zero"]
            nodes.append(node("QuantizeLinear", [f"{name}0", *parts], f"{name}_q"))
            nodes.append(node("DequantizeLinear", [f"{name}_q", *parts], f"{name}1"))
        nodes[1].input[0], nodes[1].output[0] = "x1", "y0"
        nodes = [*nodes[2:4], *nodes[:2], *nodes[4:]]
    first, last = ("x0", "y1") if quantized else ("x", "y")
    ports = [value(first, "f4", [None, 3, 6, 5]), value("w", KINDS[weights], list(w.shape))]
    source = model(nodes, ports, [value(last, "f4", [None] * 4)], stored, opset=opset)
    x = rng.standard_normal((2, 3, 6, 5)).astype("f4")
    return source, [{first: x}, {first: x, "w": rng.permuted(w)}]


def run(data, feed, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    data = data if isinstance(data, bytes) else data.SerializeToString()
    return onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"]).run(None, feed)[0]


@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize(
    ("weights", "zero"), [("int8", None), ("int8", 0), ("int8", -6), ("uint8", 131)]
)
def test_all_optimizations_compute_what_the_original_does(opset, quantized, weights, zero):
    for kernel, stride, form in [(4, 2, "split"), (3, 1, "split"), (5, 2, "stacked")]:
        source, feeds = network(opset, weights, zero, kernel, stride, quantized)
        converted = convert(source, form)
        outputs = []
        for feed in feeds:
            y = run(source, feed, OFF)
            outputs.append(y)
            for level in (OFF, ALL):
                gaps = np.abs(run(converted, feed, level) - y)
                step = 0.17 if quantized else 0  # of the quantizer, next to half a step
                assert gaps.max() <= step * 1.001 + 1e-5 * np.abs(y).max()
                assert (gaps > 1e-4).mean() < 0.01
        assert np.abs(outputs[0] - outputs[1]).max() > 1


@pytest.mark.parametrize(
    ("opset", "zero", "form", "before"),
    [(21, None, "split", True), (13, 5, "stacked", True), (12, 0, "split", False)],
)
def test_nothing_lies_between_dequantization_and_convolution(opset, zero, form, before):
    """Before operator set 13 the runtime pads no bytes."""
    source, _ = network(opset, "int8", zero, 5, 2, False)
    converted = convert(source, form)
    made = {name: each.op_type for each in converted.graph.node for name in each.output}
    kinds = [made[each.input[1]] for each in converted.graph.node if each.op_type == "Conv"]
    assert all((kind == "DequantizeLinear") == before for kind in kinds)
    assert len(kinds) == (4 if form == "split" else 1)


def test_scales_of_channels_stay_before_the_cut():
    source, feeds = network(17, "int8", None, 4, 2, False)
    scale = next(t for t in source.graph.initializer if t.name == "w_scale")
    scales = np.linspace(0.01, 0.03, 5, dtype="f4")
    scale.CopyFrom(helper.make_tensor("w_scale", scale.data_type, [5], scales))
    dequantize = next(n for n in source.graph.node if n.op_type == "DequantizeLinear")
    dequantize.attribute.append(helper.make_attribute("axis", 1))
    converted = convert(source, "split")
    y = run(source, feeds[1], OFF)
    np.testing.assert_allclose(run(converted, feeds[1], OFF), y, atol=1e-5 * np.abs(y).max())
    assert sum(each.op_type == "DequantizeLinear" for each in converted.graph.node) == 1

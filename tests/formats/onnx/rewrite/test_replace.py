"""What stands around the nodes of a rewritten ConvTranspose: declared shapes, and quantizers."""

import numpy as np
import onnx
import pytest
from onnx import helper

from splitdeconv.core.forms import FILE_FORMS
from tests.formats.onnx.models import convert, kinds, model, node, run, tensor, value

FORMS = FILE_FORMS
INTERLEAVES = ("concat", "depth_to_space", "transpose")
RNG = np.random.default_rng(11)


def _scan(declares):
    """A Scan over images; its body ends behind a ConvTranspose, and declares no length."""
    w = RNG.uniform(-1, 1, (3, 2, 3, 4)).astype("f")
    up = node("ConvTranspose", ["part", "w"], "up", strides=[2, 2], pads=[1, 0, 0, 1])
    body = helper.make_graph(
        [up, node("Neg", ["up"], "negative")],
        "body",
        [value("part", "f", None)],
        [value("negative", "f", None)],
        [tensor("w", w)],
        value_info=[value("up", "f", None)] if declares else [],
    )
    scan = node("Scan", ["x"], "y", body=body, num_scan_inputs=1)
    return model(
        [scan], [value("x", "f", [2, "n", 3, "h", "w"])], [value("y", "f", [None] * 5)], {}
    )


@pytest.mark.parametrize("declares", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", INTERLEAVES)
def test_the_rank_of_the_output_stays_known_where_inference_stops(form, interleave, declares):
    source = _scan(declares)
    x = RNG.uniform(-1, 1, (2, 1, 3, 4, 5)).astype("f")
    expected = run(source, {"x": x})[0]
    changed = convert(source, form, interleave)
    assert "ConvTranspose" not in kinds(changed)
    body = changed.graph.node[0].attribute[0].g
    (known,) = (v for v in body.value_info if v.name == "up")
    dims = known.type.tensor_type.shape.dim
    assert [d.dim_value or None for d in dims] == [None, 2, None, None]
    for optimized in (True, False):
        y = run(changed, {"x": x}, optimized=optimized)[0]
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)  # 36 products of up to 1


@pytest.mark.parametrize("opset", [17, 21, 25])
@pytest.mark.parametrize("form", FORMS)
def test_a_slice_of_a_quantized_input_is_quantized_again(form, opset):
    """Crops of a whole stride are cut from the input; ONNX Runtime moves quantizers over Slice."""
    stored = {
        "w": RNG.integers(-127, 128, (2, 3, 4, 3)).astype("i1"),
        "x_scale": np.float32(0.0512347),
        "x_zero": np.int8(-7),
        "w_scale": RNG.uniform(0.002, 0.02, 3).astype("f"),
        "w_zero": np.zeros(3, "i1"),
        "y_scale": np.float32(0.1134567),
        "y_zero": np.uint8(110),
    }
    nodes = [
        node("QuantizeLinear", ["x", "x_scale", "x_zero"], "x_q"),
        node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], "x_d"),
        node("DequantizeLinear", ["w", "w_scale", "w_zero"], "w_d", axis=1),
        node("ConvTranspose", ["x_d", "w_d"], "up", strides=[2, 1], pads=[0, 3, 7, 0]),
        node("QuantizeLinear", ["up", "y_scale", "y_zero"], "y"),
    ]
    given, returned = value("x", "f", [None, 2, 6, 5]), value("y", "u1", [None] * 4)
    source = model(nodes, [given], [returned], stored, opset=opset, ir_version=10)
    x = RNG.uniform(-5, 5, (3, 2, 6, 5)).astype("f")
    expected = run(source, {"x": x})[0].astype(int)
    changed = convert(source, form)
    assert "Slice" in kinds(changed)
    assert "ConvTranspose" not in kinds(changed)
    again = [n for n in changed.graph.node if n.op_type == "QuantizeLinear"]
    assert any("slice" in n.input[0] for n in again) == (opset >= 21)
    for optimized in (True, False):
        y = run(changed, {"x": x}, optimized=optimized)[0].astype(int)
        assert np.abs(y - expected).max() <= 1  # sums in another order, on a quantizer's border
        assert np.mean(y != expected) < 0.01
    assert expected.std() > 5
    onnx.checker.check_model(changed, full_check=True)


def test_names_that_shape_inference_makes_up_do_not_meet_those_of_the_runtime():
    """Files whose shapes were inferred name open lengths "unk__0", ... as the runtime does."""
    stored = {
        "w": RNG.integers(0, 256, (6, 1, 1, 2)).astype("u1"),
        "w_zero": np.uint8(128),
        "b": RNG.uniform(-1, 1, 2).astype("f"),
        "scale": np.float32(0.03125),
        "zero": np.uint8(119),
        "nil": np.float32(0),
    }
    nodes = [
        node("Mul", ["x", "nil"], "less"),
        node("Sub", ["x", "less"], "same"),
        node("QuantizeLinear", ["same", "scale", "zero"], "x_q"),
        node("DequantizeLinear", ["x_q", "scale", "zero"], "x_d"),
        node("DequantizeLinear", ["w", "scale", "w_zero"], "w_d"),
        node(
            "ConvTranspose", ["x_d", "w_d", "b"], "up", strides=[3, 3], group=2, pads=[0, 1, 1, 0]
        ),
        node("QuantizeLinear", ["up", "scale", "zero"], "y_q"),
        node("DequantizeLinear", ["y_q", "scale", "zero"], "y"),
    ]
    source = model(
        nodes,
        [value("x", "f", [None, 6, None, 4])],
        [value("y", "f", [None] * 4)],
        stored,
        opset=10,
    )
    source = onnx.shape_inference.infer_shapes(source)
    names = {d.dim_param for v in source.graph.value_info for d in v.type.tensor_type.shape.dim}
    assert any(name.startswith("unk__") for name in names)
    x = RNG.uniform(-2, 2, (2, 6, 5, 4)).astype("f")
    expected = run(source, {"x": x}, optimized=False)[0]
    changed = convert(source, "split", "transpose")
    left = [d.dim_param for v in changed.graph.value_info for d in v.type.tensor_type.shape.dim]
    assert not any(name.startswith("unk__") for name in left)
    y = run(changed, {"x": x}, optimized=False)[0]
    assert np.abs(y - expected).max() <= 0.03125
    assert np.mean(y != expected) < 0.01
    assert expected.std() > 0.1

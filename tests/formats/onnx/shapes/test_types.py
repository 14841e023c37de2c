"""Declared shapes that the rest of the model contradicts are neither believed nor left."""

import numpy as np
import onnx
import pytest
from onnx import helper

from splitdeconv.formats.onnx.graph import scopes
from splitdeconv.formats.onnx.shapes.types import known_types
from tests.formats.onnx.models import convert, kinds, model, node, run, value

RNG = np.random.default_rng(8)
W = RNG.uniform(-1, 1, (3, 2, 2, 4)).astype("f")
X = RNG.uniform(-1, 1, (2, 3, 5, 2)).astype("f")


def _lengths(source, name):
    (found,) = (v for v in source.graph.value_info if v.name == name)
    return [d.dim_value for d in found.type.tensor_type.shape.dim]


@pytest.mark.parametrize("interleave", ["concat", "transpose"])
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_what_follows_from_a_wrong_inference_is_corrected_behind_the_operator(form, interleave):
    """ONNX' inference adds the output padding of SAME, the runtime does not: 8 and 6 columns."""
    same = {"auto_pad": "SAME_UPPER", "strides": [1, 3], "output_padding": [0, 2]}
    body = helper.make_graph(
        [node("Neg", ["up_last"], "next"), node("Identity", ["go"], "on")],
        "body",
        [value("turn", "i8", []), value("go", "?", []), value("up_last", "f", [None] * 4)],
        [value("on", "?", []), value("next", "f", [None] * 4)],
    )
    nodes = [
        node("ConvTranspose", ["x", "w"], "up", **same),
        node("Tanh", ["up"], "flat"),
        node("Loop", ["turns", "", "flat"], "y", body=body),
    ]
    stored = {"w": W, "turns": np.int64(3)}
    bare = model(nodes, [value("x", "f", X.shape)], [value("y", "f", [None] * 4)], stored)
    source = onnx.shape_inference.infer_shapes(bare)
    assert _lengths(source, "flat") == [2, 2, 5, 8]
    expected = run(bare, {"x": X})[0]
    assert expected.shape == (2, 2, 5, 6)
    changed = convert(source, form, interleave)
    assert "ConvTranspose" not in kinds(changed)
    assert _lengths(changed, "up") == _lengths(changed, "flat") == [2, 2, 5, 6]
    for optimized in (True, False):
        y = run(changed, {"x": X}, optimized=optimized)[0]
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)  # 24 products of up to 1


def test_an_operator_of_unknown_size_leaves_the_shapes_of_others_known():
    """SAME filters that the caller gives have no kernel that inference could know."""
    nodes = [
        node("Conv", ["x", "v"], "narrow"),
        node("ConvTranspose", ["narrow", "w"], "up", strides=[2, 2]),
        node("ConvTranspose", ["up", "given"], "y", auto_pad="SAME_UPPER", strides=[2, 2]),
    ]
    stored = {"w": W, "v": RNG.uniform(-1, 1, (3, 3, 2, 1)).astype("f")}
    inputs = [value("x", "f", X.shape), value("given", "f", [2, 1, 3, 3])]
    stale = [value("narrow", "f", [2, 3, 9, 2])]
    source = model(nodes, inputs, [value("y", "f", [None] * 4)], stored, value_info=stale)
    (known,) = known_types(source, scopes(source))
    assert known["narrow"] == (1, (2, 3, 4, 2))
    assert known["up"] == (1, (2, 2, 8, 6))


@pytest.mark.parametrize("declared", [[], ["starts", "ends", "axes", "steps", "scalar"]])
@pytest.mark.parametrize("shaped", [False, True])
def test_constants_are_read_whether_they_are_declared_or_not(declared, shaped):
    """PyTorch's exporter declares them; without a shape there, inference reads other axes."""
    nodes = [
        node("ConvTranspose", ["x", "w"], "up", strides=[2, 2]),
        node("Slice", ["up", "starts", "ends", "axes", "steps"], "cut"),
        node("Mul", ["cut", "scalar"], "scaled"),
        node("Concat", ["scaled", "cut"], "y", axis=1),
    ]
    one = {name: np.int64([n]) for name, n in (("starts", 2), ("axes", 3), ("steps", 1))}
    stored = {"w": W, "ends": np.int64([2**63 - 1]), "scalar": np.float32(-3), **one}
    source = model(nodes, [value("x", "f", X.shape)], [value("y", "f", [None] * 4)], stored)
    expected = run(source, {"x": X})[0]
    assert expected.shape == (2, 4, 10, 4)
    for constant in source.graph.initializer:
        if constant.name in declared:
            shape = list(constant.dims) if shaped else None
            kind = helper.make_tensor_value_info(constant.name, constant.data_type, shape)
            source.graph.value_info.append(kind)
    cut = known_types(source, scopes(source))[0]["cut"]
    assert cut == (onnx.TensorProto.FLOAT, (2, 2, 10, 4))
    changed = convert(source)
    np.testing.assert_allclose(run(changed, {"x": X})[0], expected, rtol=0, atol=1e-5)

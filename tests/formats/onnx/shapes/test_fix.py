"""ONNX models with open inputs, fixed: values, symbols, declared shapes of others, refusals."""

import numpy as np
import onnx
import pytest
from onnx import helper

import splitdeconv as sd
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import kinds, model, run, value
from tests.refusals import refused


def _shapes(source):
    graph = (onnx.load_model_from_string(source) if isinstance(source, bytes) else source).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    return {
        v.name: [
            d.dim_param or (d.dim_value if d.HasField("dim_value") else None)
            for d in v.type.tensor_type.shape.dim
        ]
        for v in values
    }


def _two_inputs(rng, x=("n", 3, "h", "w"), z=("n", 5, 1, 1)):
    """y = ConvTranspose(Relu(x)) + z; the inner value's declared shape holds for one size only."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node(
            "ConvTranspose", ["r", "w"], ["c"], name="up", strides=[3, 2], pads=[1, 1, 0, 1]
        ),
        helper.make_node("Add", ["c", "z"], ["y"]),
    ]
    weights = {"w": rng.standard_normal((3, 5, 4, 3)).astype("f4")}
    inner = [value("c", "f4", [1, 5, 96, 63]), value("r", "f4", ["n", 3, "h", "w"])]
    inputs, outputs = [value("x", "f4", x), value("z", "f4", z)], ["n", 5, "p", "q"]
    source = model(nodes, inputs, [value("y", "f4", outputs)], weights, value_info=inner)
    return source.SerializeToString()


def test_values_at_the_fixed_shape():
    rng = np.random.default_rng(11)
    source = _two_inputs(rng)
    result = sd.convert(source, input_shape={"x": (2, 3, 7, 4)})
    assert result.report.verification
    assert result.report.verification.outputs[0].values == 8 * 2 * 5 * 21 * 7
    assert result.report.notes[:2] == (
        "input x is now fixed at 2x3x7x4 (was ?x3x?x?)",
        "input z is now fixed at 2x5x1x1 (was ?x5x1x1)",
    )
    fixed = onnx.load_model_from_string(result.model)
    onnx.checker.check_model(fixed, full_check=True)
    assert "ConvTranspose" not in kinds(fixed)
    expected = {
        "x": [2, 3, 7, 4],
        "z": [2, 5, 1, 1],
        "y": [2, 5, 21, 7],
        "c": [2, 5, 21, 7],
        "r": [2, 3, 7, 4],
    }
    assert _shapes(result.model) == expected
    feeds = {
        n: rng.standard_normal(s).astype("f4")
        for n, s in (("x", (2, 3, 7, 4)), ("z", (2, 5, 1, 1)))
    }
    np.testing.assert_allclose(
        run(result.model, feeds)[0], run(source, feeds)[0], rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("sizes", [(1, 4, 13), (3, 4, 2)])
def test_a_length_and_nothing_to_convert(sizes):
    w = np.random.default_rng(3).standard_normal((4, 2, 6)).astype("f4")
    up = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[4])
    source = model(
        [up], [value("x", "f4", [None, 4, None])], [value("y", "f4", [None] * 3)], {"w": w}
    )
    for layers in (None, "^none$"):
        result = sd.convert(source.SerializeToString(), input_shape=sizes, layers=layers)
        assert result.report.converted == (layers is None)
        assert result.report.verification
        assert _shapes(result.model)["y"] == [sizes[0], 2, 4 * sizes[2] + 2]


def test_a_batch_leaves_the_image_open():
    result = sd.convert(_two_inputs(np.random.default_rng(4)), static_batch=3)
    shapes = _shapes(result.model)
    assert (shapes["x"], shapes["z"], shapes["r"]) == (
        [3, 3, "h", "w"],
        [3, 5, 1, 1],
        [3, 3, "h", "w"],
    )
    assert shapes["c"] == [3, 5, None, None]
    assert "input x is still open: 3x3x?x?" in result.report.notes


def test_a_symbol_is_one_size():
    source = _two_inputs(np.random.default_rng(5))
    with refused("invalid input shapes: expected one size per symbol") as caught:
        sd.convert(source, input_shape={"x": (2, 3, 7, 4), "z": (3, 5, 1, 1)})
    assert caught.value.where == "input z, dimension n"
    assert caught.value.expected == "2, as in input x for n"
    square = _two_inputs(np.random.default_rng(5), x=("n", 3, "h", "h"))
    with refused("expected one size per symbol"):
        sd.convert(square, input_shape={"x": (2, 3, 7, 4)})
    # "?" is how some exporters write that there is no symbol
    nameless = _two_inputs(np.random.default_rng(5), x=("?", 3, "?", "?"), z=("?", 5, 1, 1))
    result = sd.convert(nameless, input_shape={"x": (2, 3, 7, 4), "z": (1, 5, 1, 1)})
    assert _shapes(result.model)["y"] == [2, 5, 21, 7]


def test_sizes_that_an_operator_does_not_take():
    rng = np.random.default_rng(6)
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["c"], name="up", strides=[2, 2]),
        helper.make_node("Reshape", ["c", "s"], ["y"]),
    ]
    weights = {"w": rng.standard_normal((3, 2, 2, 2)).astype("f4"), "s": np.array([-1, 48])}
    source = model(
        nodes, [value("x", "f4", ["n", 3, "h", "w"])], [value("y", "f4", [None, 48])], weights
    )
    assert sd.convert(source.SerializeToString(), input_shape=(1, 3, 4, 6)).report.verification
    with refused("ONNX shape inference rejects this input shape") as caught:
        sd.convert(source.SerializeToString(), input_shape=(1, 3, 5, 5))
    assert caught.value.where == "input x of 1x3x5x5"
    # where inference sees nothing, the runtime does
    source.graph.node[1].CopyFrom(helper.make_node("Gather", ["c", "s"], ["y"], axis=2))
    source.graph.output[0].CopyFrom(value("y", "f4", [None] * 4))
    assert sd.convert(source.SerializeToString(), input_shape=(1, 3, 30, 5)).report.verification
    with refused("the model does not run at the requested input shape") as caught:
        sd.convert(source.SerializeToString(), input_shape=(1, 3, 5, 5))
    assert "the original does not accept inputs of the fixed shape" in caught.value.got


def test_an_input_of_unknown_rank_and_one_that_is_no_tensor():
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    parsed = OnnxModel.parse(model(nodes, [value("x", "f4", None)], [value("y", "f4", None)]))
    assert [one.shape for one in parsed.inputs()] == [None]
    parsed.fix([(2, 3)])
    assert _shapes(parsed.serialize())["x"] == [2, 3]
    nodes = [helper.make_node("SequenceAt", ["q", "i"], ["y"])]
    sequence = helper.make_tensor_sequence_value_info("q", 1, None)
    parsed = OnnxModel.parse(model(nodes, [sequence], [value("y", "f4", None)], {"i": np.array(0)}))
    with refused("the input has no shape that could be fixed"):
        parsed.fix([(2, 3)])

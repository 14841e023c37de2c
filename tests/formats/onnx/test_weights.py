"""Sources of filters and bias: constants of every kind, shared ones, values of the graph."""

import numpy as np
import pytest
from onnx import helper

from splitdeconv.core.forms import FILE_FORMS
from tests.formats.onnx.models import (
    convert,
    initializers,
    kinds,
    model,
    node,
    problem,
    run,
    same,
    single,
    tensor,
    value,
)

FORMS = FILE_FORMS
RNG = np.random.default_rng(0)
X = RNG.integers(-9, 10, (2, 4, 5, 4)).astype("f")
W = RNG.integers(-9, 10, (4, 3, 3, 5)).astype("f")
BIAS = RNG.integers(-9, 10, 6).astype("f")
UP = {"strides": [2, 2], "pads": [1, 1, 0, 2], "group": 2}
OPEN = value("y", "f", [None] * 4)


def _up(inputs, name="up", output="y", **changes):
    return helper.make_node("ConvTranspose", list(inputs), [output], name=name, **(UP | changes))


def _model(nodes, stored, inputs=(), **how):
    return model(nodes, [value("x", "f", [None, 4, None, None]), *inputs], [OPEN], stored, **how)


def _constant(name, array):
    return node("Constant", [], name, value=tensor(name, array))


@pytest.mark.parametrize("form", FORMS)
def test_constant_nodes(form):
    nodes = [_constant("w", W), _constant("b", BIAS), _up(["x", "w", "b"])]
    converted = same(_model(nodes, {}), form, {"x": X})
    # The filters are gone; the form split takes the bias as it is.
    assert kinds(converted).count("Constant") == (form == "split")


@pytest.mark.parametrize("form", FORMS)
def test_behind_identity_and_cast(form):
    nodes = [node("Identity", ["w"], "w1"), node("Cast", ["w1"], "w2", to=1), _up(["x", "w2", "b"])]
    nodes.insert(0, node("Cast", ["half"], "b", to=1))
    converted = same(
        _model(nodes, {"w": W.astype("f2"), "half": BIAS.astype("f2")}), form, {"x": X}
    )
    filters = [a for name, a in initializers(converted).items() if name.startswith("w_")]
    assert {a.dtype for a in filters} == {np.dtype("f2")}
    assert kinds(converted).count("Cast") == len(filters) + 1  # and the bias, once for all
    assert not {"w", "w1", "w2"} & {
        name for node in converted.graph.node for name in (*node.input, *node.output)
    }


def test_value_info_and_annotations_of_what_is_gone():
    nodes = [node("Identity", ["w"], "w1"), _up(["x", "w1", "b"])]
    source = _model(nodes, {"w": W, "b": BIAS})
    source.graph.value_info.extend([value("w1", "f", W.shape), value("y", "f", [None] * 4)])
    for name in ("w1", "y"):
        note = source.graph.quantization_annotation.add(tensor_name=name)
        note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="b")
    converted = same(source, "split", {"x": X})
    assert [v.name for v in converted.graph.value_info] == ["y"]
    assert [a.tensor_name for a in converted.graph.quantization_annotation] == ["y"]


@pytest.mark.parametrize("form", FORMS)
def test_two_nodes_that_share_weights(form):
    """Of equal form and geometry they share the parts as well; else each has its own."""
    nodes = [
        _up(["x", "w", "b"], "one", "p"),
        _up(["x2", "w", "b"], "two", "q"),
        node("Add", ["p", "q"], "y"),
    ]
    source = _model(nodes, {"w": W, "b": BIAS}, [value("x2", "f", [None, 4, None, None])])
    converted = same(source, form, {"x": X, "x2": -X})
    count = sum(name.startswith("w_") for name in initializers(converted))
    assert count == {"split": 4, "rows": 2, "stacked": 1}[form]
    nodes[1] = _up(["x2", "w", "b"], "two", "q", dilations=[2, 1], pads=[2, 1, 1, 2])
    source = _model(nodes, {"w": W, "b": BIAS}, [value("x2", "f", [None, 4, None, None])])
    same(source, form, {"x": X, "x2": -X})


def test_weights_that_something_else_uses_stay():
    nodes = [
        _up(["x", "w", "b"], output="p"),
        node("ReduceSum", ["w"], "s", keepdims=0),
        node("Add", ["p", "s"], "y"),
    ]
    assert "w" in initializers(same(_model(nodes, {"w": W, "b": BIAS}), "split", {"x": X}))


def test_weights_that_are_an_output_stay():
    source = single(X, W, BIAS, **UP)
    source.graph.output.append(value("w", "f", W.shape))
    assert "w" in initializers(same(source, "split", {"x": X}))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opset", [8, 10, 13, 18])
@pytest.mark.parametrize("groups", [1, 2])
def test_weights_that_are_inputs_are_cut_in_the_graph(form, opset, groups):
    nodes = [_up(["x", "w", "b"], group=groups)]
    inputs = [value("w", "f", W.shape), value("b", "f", [3 * groups])]
    source = _model(nodes, {}, inputs, opset=opset)
    converted = same(source, form, {"x": X, "w": W, "b": BIAS[: 3 * groups]})
    assert [v.name for v in converted.graph.input] == ["x", "w", "b"]


@pytest.mark.parametrize("form", FORMS)
def test_weights_that_are_computed_are_cut_in_the_graph(form):
    nodes = [node("Mul", ["w", "scale"], "w2"), node("Neg", ["b"], "b2"), _up(["x", "w2", "b2"])]
    source = _model(nodes, {"w": W, "b": BIAS}, [value("scale", "f", [])])
    same(source, form, {"x": X, "scale": np.array(3, "f")})
    same(source, form, {"x": X, "scale": np.array(-2, "f")})


def test_computed_weights_of_unknown_shape_are_refused():
    source = _model([_up(["x", "w", "b"])], {"b": BIAS}, [value("w", "f", [4, 3, None, 5])])
    assert "the shape of the filters is unknown" in problem(source)


@pytest.mark.parametrize("form", FORMS)
def test_initializers_a_caller_may_override(form):
    """From IR version 4 on, an initializer that is an input is a default and can be overridden."""
    source = single(X, W, BIAS, **UP)
    source.graph.input.extend([value("w", "f", W.shape), value("b", "f", BIAS.shape)])
    converted = same(source, form, {"x": X})
    assert {"w", "b"} <= set(initializers(converted))
    feeds = {"x": X, "w": W[::-1].copy(), "b": BIAS + 1}
    np.testing.assert_array_equal(run(converted, feeds)[0], run(source, feeds)[0])


@pytest.mark.parametrize("form", FORMS)
def test_old_models_list_every_initializer_as_an_input(form):
    source = single(X, W, BIAS, opset=8, ir_version=3, **UP)
    converted = same(source, form, {"x": X})
    stored, inputs = initializers(converted), [v.name for v in converted.graph.input]
    assert inputs[0] == "x"
    assert set(inputs[1:]) == set(stored)
    assert "w" not in stored


def test_weights_that_training_updates_are_cut_in_the_graph():
    source = single(X, W, BIAS, **UP)
    info = source.training_info.add()
    info.update_binding.add(key="w", value="w_new")
    converted = convert(source, checked=False)
    assert "w" in initializers(converted)
    assert converted.training_info == source.training_info
    del converted.training_info[:]
    np.testing.assert_array_equal(
        run(converted, {"x": X})[0], run(single(X, W, BIAS, **UP), {"x": X})[0]
    )

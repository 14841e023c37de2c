"""The rewrite as a rule of onnxscript's, alone and together with onnxscript's own."""

import numpy as np
import onnx
import pytest
from onnx import helper
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules.common import (
    fuse_batchnorm_into_conv_transpose_rule,
    fuse_pad_into_conv_rule,
)

from splitdeconv.formats.onnx.rewrite.rule import split_conv_transpose_rule
from tests.formats.onnx.models import convert, kinds, model, run, single, tensor, value
from tests.refusals import refused

RNG = np.random.default_rng(0)
X = RNG.integers(-9, 10, (2, 4, 5, 6)).astype("f")
W = RNG.integers(-9, 10, (4, 3, 5, 3)).astype("f")
BIAS = RNG.integers(-9, 10, 6).astype("f")
UP = {"strides": [2, 2], "pads": [1, 0, 2, 1], "output_padding": [1, 0]}


def _rewritten(source, *rules):
    result = rewrite(source, list(rules))
    onnx.checker.check_model(result, full_check=True)
    return result


def _same(source, result, feeds=None):
    for expected, got in zip(
        run(source, feeds or {"x": X}), run(result, feeds or {"x": X}), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("form", ["auto", "split", "rows", "stacked"])
@pytest.mark.parametrize("interleave", ["concat", "depth_to_space", "transpose"])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [None, [None, 4, None, None]])
def test_the_rule_alone(form, interleave, groups, shape):
    source = single(X, W, BIAS[: 3 * groups], shape=shape, group=groups, **UP)
    result = _rewritten(source, split_conv_transpose_rule(form, interleave))
    assert "ConvTranspose" not in kinds(result)
    _same(source, result)


@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_the_same_operators_as_the_converter(form):
    """Constants apart: they are nodes here and initializers there."""
    source = single(X, W, BIAS[:3], **UP)
    result = _rewritten(source, split_conv_transpose_rule(form))
    assert [kind for kind in kinds(result) if kind != "Constant"] == kinds(convert(source, form))


def test_after_a_fused_batch_normalization():
    """onnxscript folds the normalization into the filters first; only convolutions are left."""
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["u"], name="up", **UP),
        helper.make_node("BatchNormalization", ["u", "gamma", "beta", "mean", "variance"], ["n"]),
        helper.make_node("Relu", ["n"], ["y"]),
    ]
    stored = {"w": W} | {
        n: RNG.uniform(0.5, 2, 3).astype("f") for n in ("gamma", "beta", "mean", "variance")
    }
    source = model(nodes, [value("x", "f", [None, 4, 5, 6])], [value("y", "f", [None] * 4)], stored)
    result = _rewritten(source, fuse_batchnorm_into_conv_transpose_rule)
    result = _rewritten(result, split_conv_transpose_rule("split"))
    assert not {"ConvTranspose", "BatchNormalization"} & set(kinds(result))
    # 60 products up to 81 in float32, and a scale of at most 4 rounded once more
    np.testing.assert_allclose(
        run(result, {"x": X})[0], run(source, {"x": X})[0], rtol=1e-5, atol=1e-2
    )


def test_in_one_set_with_another_rule():
    """A Pad before another convolution is fused in the same pass."""
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["u"], name="up", **UP),
        helper.make_node("Pad", ["u", "pads"], ["p"]),
        helper.make_node("Conv", ["p", "w2"], ["y"]),
    ]
    stored = {
        "w": W,
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "w2": RNG.integers(-3, 4, (2, 3, 3, 3)).astype("f"),
    }
    source = model(nodes, [value("x", "f", [2, 4, 5, 6])], [value("y", "f", [None] * 4)], stored)
    source = onnx.shape_inference.infer_shapes(source)
    result = _rewritten(source, split_conv_transpose_rule("split"), fuse_pad_into_conv_rule)
    assert not {"ConvTranspose", "Pad"} & set(kinds(result))
    _same(source, result)


def test_with_all_of_onnxscripts_default_rules_afterwards():
    source = single(X, W, BIAS[:3], **UP)
    result = rewrite(_rewritten(source, split_conv_transpose_rule("rows")))
    assert "ConvTranspose" not in kinds(result)
    _same(source, result)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_weights_that_are_inputs(groups, form):
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], name="up", group=groups, **UP)
    ]
    inputs = [value("x", "f", X.shape), value("w", "f", W.shape), value("b", "f", [3 * groups])]
    source = model(nodes, inputs, [value("y", "f", [None] * 4)])
    result = _rewritten(source, split_conv_transpose_rule(form))
    assert "ConvTranspose" not in kinds(result)
    _same(source, result, {"x": X, "w": W, "b": BIAS[: 3 * groups]})


def test_in_branches_and_functions():
    up = helper.make_node("ConvTranspose", ["x", "w"], ["t"], **UP)
    local = helper.make_node("Local", ["x"], ["e"], domain="local")
    then, other = (
        helper.make_graph([node], name, [], [value(node.output[0], "f", [None] * 4)])
        for node, name in ((up, "then"), (local, "other"))
    )
    body = [
        helper.make_node("Constant", [], ["weights"], value=tensor("weights", W)),
        helper.make_node("ConvTranspose", ["in", "weights"], ["out"], **UP),
    ]
    function = helper.make_function(
        "local", "Local", ["in"], ["out"], body, [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("If", ["condition"], ["y"], then_branch=then, else_branch=other)
    inputs = [value("condition", "?", []), value("x", "f", X.shape)]
    source = model(
        [node],
        inputs,
        [value("y", "f", [None] * 4)],
        {"w": W},
        functions=[function],
        domains=["local"],
    )
    result = rewrite(source, [split_conv_transpose_rule("split")])
    assert b"ConvTranspose" not in _without_rule_names(result)
    for condition in (True, False):
        _same(source, result, {"x": X, "condition": np.array(condition)})


def _without_rule_names(result):
    """The bytes of a model, less the notes in which onnxscript records the rule."""
    stack = [result.graph, *result.functions]
    while stack:
        for node in stack.pop().node:
            node.ClearField("metadata_props")
            stack.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
    return result.SerializeToString()


@pytest.mark.parametrize(
    "source",
    [
        single(X, W, strides=[2, 3]),  # no DepthToSpace for these
        single(X, W, opset=6),
        model(
            [helper.make_node("ConvTranspose", ["x", "w"], ["y"])],
            [value("x", "f", X.shape), value("w", "f", [4, None, 5, 3])],
            [value("y", "f", [None] * 4)],
        ),
    ],
    ids=["strides", "opset", "shape"],
)
def test_what_does_not_fit_is_left(source):
    assert kinds(rewrite(source, [split_conv_transpose_rule("split", "depth_to_space")])) == [
        "ConvTranspose"
    ]


def test_arguments():
    with refused("unknown form"):
        split_conv_transpose_rule("paper")
    with refused("unknown interleave"):
        split_conv_transpose_rule("split", "magic")

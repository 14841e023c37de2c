"""What follows a transposed convolution is folded into its filters and bias, value by value."""

from random import Random

import numpy as np
import onnx
import pytest
from onnx import helper

from splitdeconv.core.definition import conv_transpose
from splitdeconv.formats.onnx.folding import tail
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.folding.cases import Case, close, foldable, folded
from tests.formats.onnx.models import arrays, kinds, node, run, tensor, value
from tests.formats.onnx.rewrite.cases import definition, draw_case

FORMS = ("split", "rows", "stacked")
#: Ranks and groups; output channels per group are more than the input's, or fewer.
SHAPES = [(1, 1, (3, 2)), (1, 3, (2, 3)), (2, 2, (1, 4)), (2, 1, (5, 3)), (3, 2, (3, 2))]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rank", "groups", "per_group"), SHAPES)
def test_a_normalization_becomes_filters_and_bias(rank, groups, per_group, bias, form):
    case = Case(rank, groups, per_group, bias=bias, seed=rank + groups)
    source = case.model([case.normalization(epsilon=0.25)], "z")
    assert foldable(source) == [("BatchNormalization", "z", False)]
    converted = folded(source, form)
    assert not {"ConvTranspose", "BatchNormalization"} & set(kinds(converted))
    read = {name for one in converted.graph.node for name in one.input}
    assert {t.name for t in converted.graph.initializer} <= read - {"z_gamma", "z_mean", "w", "b"}
    expected = case.normalized(case.summed(), epsilon=0.25)
    for result in (source, converted):
        assert close(run(result, {"x": case.x})[0], expected)


@pytest.mark.parametrize("opset", [9, 13, 17])
@pytest.mark.parametrize("interleave", ["concat", "transpose"])
@pytest.mark.parametrize(("rank", "groups", "per_group"), SHAPES[1:])
def test_chains_of_operations_are_folded(rank, groups, per_group, interleave, opset):
    case = Case(rank, groups, per_group, seed=3 * rank + opset)
    scale, shift = case.shaped(case.vector()), case.shaped(case.vector())[None]
    case.stored |= {"scale": scale, "shift": shift, "less": np.array([0.75], "f4")}
    case.stored |= {"by": np.array(-1.5, "f4"), "from": case.shaped(case.vector())}
    after = [
        node("Mul", ["scale", "y"], "a"),
        case.normalization("a", "n"),
        node("Add", ["n", "shift"], "c"),
        node("Sub", ["c", "less"], "d"),
        node("Div", ["d", "by"], "e"),
        node("Sub", ["from", "e"], "f"),
        node("Neg", ["f"], "end"),
    ]
    source = case.model(after, "end", opset=opset)
    names = ["a", "n", "c", "d", "e", "f"]
    assert [name for _, name, _ in foldable(source)] == names
    converted = folded(source, interleave=interleave)
    written = {name for one in converted.graph.node for name in one.output}
    assert written & {"y", *names} == {"f"}
    y = case.normalized(case.summed() * scale, "n") + shift - 0.75
    expected = -(case.stored["from"] - y / -1.5)
    for result in (source, converted):
        assert close(run(result, {"x": case.x})[0], expected)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_filters_are_rounded_once(dtype):
    """The factor is exact in float64; its product with a filter is rounded to the filter's type."""
    case = Case(2, 2, (2, 3), dtype)
    source = case.model([case.normalization()], "z")
    (site,) = OnnxModel.parse(source).sites()
    names = (f"z_{part}" for part in ("gamma", "variance"))
    gamma, variance = (case.stored[name].astype(np.float64) for name in names)
    factors = gamma / np.sqrt(variance + float(np.float32(1e-5)))
    scaled = tail.scaled(case.w, site.key.tail.scale, 2)
    assert scaled.dtype == case.w.dtype
    for row, column in np.ndindex(case.w.shape[:2]):
        channel = row // 2 * 3 + column
        exact = case.w[row, column].astype(np.float64) * factors[channel]
        np.testing.assert_array_equal(scaled[row, column], exact.astype(dtype))


def test_large_filters_are_scaled_in_blocks(monkeypatch):
    case = Case(2, 2, (5, 3))
    factors = case.vector().astype(np.float64)
    whole = tail.scaled(case.w, factors, 2)
    sizes = tail._sizes(case.w, 2)
    monkeypatch.setattr(tail, "_BLOCK", 40)
    np.testing.assert_array_equal(tail.scaled(case.w, factors, 2), whole)
    np.testing.assert_array_equal(tail._sizes(case.w, 2)[0], sizes[0])
    columns = np.abs(case.w.astype(np.float64)).reshape(2, 5, 3, -1).sum(axis=(1, 3)).reshape(-1)
    for _, sums in (sizes, tail._sizes(case.w, 2)):
        np.testing.assert_allclose(sums, columns, rtol=1e-12)


def _along_inputs(filters, scale, groups):
    """As `scaled`, but along the input channels."""
    factors = np.resize(scale, len(filters)).reshape(-1, *(1 for _ in filters.shape[1:]))
    return (filters * factors).astype(filters.dtype)


def _groups_inside(filters, scale, groups):
    """As `scaled`, but with the groups as the inner of the two axes of channels."""
    return real_scaled(filters, scale.reshape(-1, groups).T.reshape(-1), groups)


real_scaled = tail.scaled


@pytest.mark.parametrize("wrong", [_along_inputs, _groups_inside])
@pytest.mark.parametrize(("rank", "groups", "per_group"), SHAPES[1:3])
def test_the_reference_tells_wrong_axes_and_groups(monkeypatch, rank, groups, per_group, wrong):
    case = Case(rank, groups, per_group)
    source, expected = case.model([case.normalization()], "z"), case.normalized(case.summed())
    assert close(run(folded(source), {"x": case.x})[0], expected)
    monkeypatch.setattr(tail, "scaled", wrong)
    assert not close(run(folded(source), {"x": case.x})[0], expected)


def test_channels_as_numerous_as_pixels_are_not_confused():
    """A vector without further axes belongs to the last axis, even if it has the right length."""
    case = Case(1, 2, (2, 5))  # 10 channels and 12 pixels; the other way round below
    case.stored["scale"] = case.vector()
    assert foldable(case.model([node("Mul", ["y", "scale"], "z")], "z")) == []
    case.stored["scale"] = case.shaped(case.vector())
    assert foldable(case.model([node("Mul", ["y", "scale"], "z")], "z"))


@pytest.mark.parametrize("number", range(24))
def test_random_layers_with_random_tails(number):
    """Every geometry, form and interleave, against the definition in float64."""
    draw = Random(number)
    sizes, kernel, attributes, axes, per_group, _, bias = draw_case(draw)
    case = Case(len(sizes), attributes["group"], per_group, bias=bias, seed=number)
    given = sizes, kernel, attributes["group"], per_group
    case.x, case.w, case.b = arrays(number, *given)
    case.stored = {"w": case.w} | ({"b": case.b} if bias else {})
    case.attributes = {"strides": [1] * case.rank} | attributes
    expected = definition(
        conv_transpose, case.x.astype("f8"), case.w.astype("f8"), axes, case.groups
    )
    expected = expected + case.shaped(case.b.astype("f8")) if bias else expected
    nodes, name = [], "y"
    for index in range(draw.randint(1, 3)):
        kind, output = draw.choice(["BatchNormalization", "Add", "Mul"]), f"t{index}"
        if kind == "BatchNormalization":
            nodes.append(case.normalization(name, output))
            expected = case.normalized(expected, output)
        else:
            numbers = case.stored[f"c{index}"] = case.shaped(case.vector())
            nodes.append(node(kind, [name, f"c{index}"], output))
            expected = expected + numbers if kind == "Add" else expected * numbers
        name = output
    if draw.random() < 0.5:
        nodes.append(node("Relu", [name], "end"))
        expected, name = np.maximum(expected, 0), "end"
    source = case.model(nodes, name, opset=draw.choice([9, 13, 17]))
    assert len(foldable(source)) == len(nodes)
    equal = case.rank == 2 and len(set(attributes["strides"])) == 1
    ways = ["concat", "transpose"] + ["depth_to_space"] * (equal and attributes["strides"][0] > 1)
    converted = folded(source, draw.choice(FORMS), draw.choice(ways))
    assert close(run(converted, {"x": case.x})[0], expected)


ACTIVATIONS = {
    "Relu": ({}, lambda y: np.maximum(y, 0)),
    "LeakyRelu": ({"alpha": 0.3}, lambda y: np.where(y < 0, 0.3 * y, y)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_an_activation_follows_each_convolution(kind, form):
    case = Case(2, 2, (3, 2), seed=len(kind))
    attributes, function = ACTIVATIONS[kind]
    last = node(kind, ["z"], "out", **attributes)
    source = case.model([case.normalization(), last], "out")
    assert foldable(source)[-1] == (kind, "out", True)
    converted = folded(source, form)
    behind = [n.op_type for n in converted.graph.node if n.input[0] in _results(converted, "Conv")]
    assert set(behind) == {kind}
    assert kinds(converted).count(kind) == kinds(converted).count("Conv")
    assert close(run(converted, {"x": case.x})[0], function(case.normalized(case.summed())))


def _results(source, kind):
    return {n.output[0] for n in source.graph.node if n.op_type == kind}


@pytest.mark.parametrize("opset", [9, 13])
def test_bounds_may_be_attributes_or_constants(opset):
    case = Case(1, 1, (2, 3))
    if opset < 11:
        last = node("Clip", ["y"], "out", min=-0.5, max=1.25)
    else:
        last = node("Clip", ["y", "low", "high"], "out")
        case.stored |= {"low": np.array(-0.5, "f4"), "high": np.array(1.25, "f4")}
    source = case.model([last], "out", opset=opset)
    assert foldable(source) == [("Clip", "out", True)]
    got = run(folded(source), {"x": case.x})[0]
    assert close(got, np.clip(case.summed(), -0.5, 1.25))
    assert {-0.5, 1.25} <= {float(number) for number in got.flat}


@pytest.mark.parametrize("bias", [True, False])
def test_phases_without_taps_are_activated_too(bias):
    """A stride longer than the kernel leaves phases that are the bias alone."""
    case = Case(2, 1, (2, 3), bias=bias)
    case.attributes["strides"] = [6, 5]
    source = case.model([case.normalization(), node("LeakyRelu", ["z"], "out")], "out")
    expected = case.normalized(case.summed())
    expected = np.where(expected < 0, float(np.float32(0.01)) * expected, expected)
    got = run(folded(source), {"x": case.x})[0]
    assert close(got, expected)


def test_constants_may_stand_behind_the_layer():
    """The new nodes take the place of the last operator, where all its inputs are computed."""
    case = Case(2, 2, (2, 3))
    scale = case.shaped(case.vector())
    late = helper.make_node("Constant", [], ["s"], value=tensor("s", scale))
    high = helper.make_node("Constant", [], ["high"], value=tensor("h", np.array(0.5, "f4")))
    after = [late, node("Mul", ["s", "y"], "z"), high, node("Clip", ["z", "", "high"], "out")]
    source = case.model(after, "out")
    assert [kind for kind, *_ in foldable(source)] == ["Mul", "Clip"]
    converted = folded(source)
    assert kinds(converted).count("Constant") == 1  # that of the bound
    assert close(run(converted, {"x": case.x})[0], np.minimum(case.summed() * scale, 0.5))


def test_what_others_need_stays():
    """Constants that are read elsewhere, and filters that two layers share."""
    case = Case(2, 1, (3, 3))
    again = helper.make_node("ConvTranspose", ["r", "w"], ["z"], name="again", strides=[1, 1])
    after = [case.normalization("y", "n"), node("Relu", ["n"], "r"), again]
    more = node("Add", ["z", "n_side"], "end")
    case.stored["n_side"] = case.shaped(case.vector())
    mean = helper.make_node("ReduceSum", ["n_mean"], ["total"], keepdims=0)
    source = case.model([*after, more, mean, node("Mul", ["end", "total"], "out")], "out")
    converted = folded(source)
    assert "n_mean" in {t.name for t in converted.graph.initializer}
    expected, got = (run(one, {"x": case.x})[0] for one in (source, converted))
    assert close(got, expected.astype(np.float64))


@pytest.mark.parametrize("place", ["branch", "function"])
def test_layers_in_branches_and_functions_are_folded(place):
    case = Case(2, 1, (2, 3))
    last = case.normalization()
    up = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], **case.attributes)
    if place == "branch":
        out = value("z", "f4", [None] * 4)
        graph = helper.make_graph([up, last], "then", [], [out])
        other = helper.make_graph([node("Neg", ["x"], "z")], "else", [], [out])
        choice = helper.make_node("If", ["c"], ["out"], then_branch=graph, else_branch=other)
        nodes, functions, inputs = [choice], (), [value("c", "?", [])]
    else:
        constants = [
            helper.make_node("Constant", [], [name], value=tensor(name, array))
            for name, array in case.stored.items()
        ]
        imports = [helper.make_opsetid("", 17)]
        block = helper.make_function("own", "Up", ["x"], ["z"], [*constants, up, last], imports)
        nodes = [helper.make_node("Up", ["x"], ["out"], domain="own")]
        functions, inputs = [block], []
    source = onnx.helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [value("x", "f4", case.x.shape), *inputs],
            [value("out", "f4", [None] * 4)],
            [] if functions else [tensor(*item) for item in case.stored.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("own", 1)],
        ir_version=8,
        functions=functions,
    )
    assert foldable(source) == [("BatchNormalization", "z", False)]
    converted = folded(source)
    assert b"BatchNormalization" not in converted.SerializeToString()
    feeds = {"x": case.x} | ({"c": np.array(True)} if inputs else {})
    assert close(run(converted, feeds)[0], case.normalized(case.summed()))

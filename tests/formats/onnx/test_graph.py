"""Transposed convolutions inside If, Loop and Scan bodies and local functions."""

import numpy as np
import onnx
import onnx.inliner
import pytest
from onnx import helper, numpy_helper

from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.onnx.graph import scopes, sweep, trace, uses
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import convert, kinds, model, problem, run, tensor, value

FORMS = FILE_FORMS
RNG = np.random.default_rng(0)
X = RNG.integers(-3, 4, (1, 2, 3, 4)).astype("f")
W = RNG.integers(-3, 4, (2, 2, 3, 3)).astype("f")
BIAS = RNG.integers(-3, 4, 2).astype("f")
# o = n, so that a loop can carry it: stride 1 keeps sizes, and stride 2 after a subsampling
UP = {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}
OPEN = [None] * 4


def _up(inputs, output, name="up", **changes):
    return helper.make_node("ConvTranspose", list(inputs), [output], name=name, **(UP | changes))


def _node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def _graph(nodes, inputs, outputs, stored=(), name="body"):
    return helper.make_graph(
        nodes, name, inputs, outputs, [tensor(n, a) for n, a in dict(stored).items()]
    )


def _ops_inside(result):
    """Operators of all graphs, by graph name."""
    return {scope.graph.name: [n.op_type for n in scope.graph.node] for scope in scopes(result)}


def _check(source, form, *feeds):
    converted = convert(source, form)
    assert all("ConvTranspose" not in found for found in _ops_inside(converted).values())
    for feed in feeds:
        for expected, got in zip(run(source, feed), run(converted, feed), strict=True):
            np.testing.assert_array_equal(got, expected)
    return converted


def _if(stored_inside, opset=17, ir_version=8):
    """One branch has its own weights or the outer graph's, the other one only the outer graph's."""
    inside = {"w_in": 2 * W} if stored_inside else {}
    then = _graph(
        [_up(["x", "w_in" if stored_inside else "w", "b"], "t", "up_then")],
        [],
        [value("t", "f", OPEN)],
        inside,
    )
    other = _graph(
        [_up(["x", "w"], "e", "up_else"), _node("Neg", ["e"], ["f"])],
        [],
        [value("f", "f", OPEN)],
        name="o",
    )
    nodes = [_node("If", ["condition"], ["y"], then_branch=then, else_branch=other)]
    inputs = [value("condition", "?", []), value("x", "f", [1, 2, None, None])]
    return model(
        nodes,
        inputs,
        [value("y", "f", OPEN)],
        {"w": W, "b": BIAS},
        opset=opset,
        ir_version=ir_version,
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stored_inside", [True, False])
def test_branches(form, stored_inside):
    feeds = [{"x": X, "condition": np.array(c)} for c in (True, False)]
    converted = _check(_if(stored_inside), form, *feeds)
    left = {t.name for scope in scopes(converted) for t in scope.graph.initializer}
    assert not {"w", "w_in"} & left


def test_branches_of_an_old_model():
    """Up to IR version 3 only the main graph may have initializers."""
    source = _if(False, opset=8, ir_version=3)
    converted = _check(
        source, "stacked", *({"x": X, "condition": np.array(c)} for c in (True, False))
    )
    assert [len(scope.graph.initializer) for scope in scopes(converted)][1:] == [0, 0]


def _loop(weights="outer"):
    """x is doubled and subsampled three times; the filters are outside, inside, or carried."""
    nodes = [
        _node("Identity", ["go"], ["go_on"]),
        _up(["state", "w", "b"], "big"),
        _node("AveragePool", ["big"], ["next"], kernel_shape=[2, 2], strides=[2, 2]),
        _node("ReduceSum", ["next"], ["scan"]),
    ]
    inputs = [value("i", "i8", []), value("go", "?", []), value("state", "f", [1, 2, 3, 4])]
    outputs = [value("go_on", "?", []), value("next", "f", [1, 2, 3, 4])]
    carried = ["x"]
    if weights == "carried":
        inputs.append(value("w", "f", W.shape))
        nodes.insert(2, _node("Neg", ["w"], ["w_next"]))
        outputs.append(value("w_next", "f", W.shape))
        carried.append("start")
    outputs.append(value("scan", "f", [1, 1, 1, 1]))
    body = _graph(nodes, inputs, outputs, {"w": W} if weights == "inner" else {})
    results = ["y", "last"] if weights == "carried" else ["y"]
    node = _node("Loop", ["count", "", *carried], [*results, "sums"], body=body)
    stored = {"count": np.array(3), "b": BIAS} | ({"start": W} if weights == "carried" else {})
    stored |= {"w": W} if weights == "outer" else {}
    ends = [value("y", "f", OPEN), value("sums", "f", [None] * 5)]
    return model([node], [value("x", "f", [1, 2, 3, 4])], ends, stored)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weights", ["outer", "inner"])
def test_loops(form, weights):
    _check(_loop(weights), form, {"x": X})


def test_filters_that_a_loop_carries_may_change_their_shape():
    assert "the shape of the filters is unknown" in problem(_loop("carried"))


@pytest.mark.parametrize("form", FORMS)
def test_scans(form):
    """A Scan feeds its body one slice after the other."""
    nodes = [_up(["slice", "w", "b"], "big"), _node("Add", ["sum", "big"], ["sum_next"])]
    inputs = [value("sum", "f", [1, 2, 6, 8]), value("slice", "f", [1, 2, 3, 4])]
    body = _graph(
        nodes, inputs, [value("sum_next", "f", [1, 2, 6, 8]), value("big", "f", [1, 2, 6, 8])]
    )
    node = _node("Scan", ["start", "x"], ["total", "all"], body=body, num_scan_inputs=1)
    outputs = [value("total", "f", OPEN), value("all", "f", [None] * 5)]
    stored = {"w": W, "b": BIAS, "start": np.zeros((1, 2, 6, 8), "f")}
    source = model([node], [value("x", "f", [5, 1, 2, 3, 4])], outputs, stored)
    _check(source, form, {"x": RNG.integers(-3, 4, (5, 1, 2, 3, 4)).astype("f")})


def test_a_branch_inside_a_loop():
    """Two levels deep, and a third ConvTranspose outside."""
    inner = _if(True).graph.node[0]
    nodes = [_node("Identity", ["condition"], ["go_on"]), inner]
    body = _graph(nodes, [value("i", "i8", []), value("condition", "?", [])],
                  [value("go_on", "?", []), value("y", "f", OPEN)], name="loop")  # fmt: skip
    outer = [
        _up(["x", "w"], "z", "up_outside"),
        _node("Loop", ["count", "start"], ["all"], body=body),
    ]
    inputs = [value("x", "f", [1, 2, None, None]), value("start", "?", [])]
    outputs = [value("z", "f", OPEN), value("all", "f", [None] * 5)]
    source = model(outer, inputs, outputs, {"w": W, "b": BIAS, "count": np.array(2)})
    sites = OnnxModel.parse(source).sites()
    assert [site.name for site in sites] == ["up_outside", "up_else", "up_then"]
    for form in FORMS:
        _check(source, form, *({"x": X, "start": np.array(c)} for c in (True, False)))


def _function(nodes, inputs, attributes=(), opset=17):
    function = helper.make_function(
        "local",
        "Upscale",
        list(inputs),
        ["out"],
        nodes,
        [helper.make_opsetid("", opset)],
        list(attributes),
    )
    stored = dict(zip(["w", "b"], [W, BIAS][: len(inputs) - 1], strict=False))
    call = helper.make_node("Upscale", ["x", *stored], ["y"], domain="local")
    inputs, outputs = [value("x", "f", [1, 2, 3, 4])], [value("y", "f", OPEN)]
    return model([call], inputs, outputs, stored, functions=[function], domains=["local"])


@pytest.mark.parametrize("form", FORMS)
def test_functions_with_their_own_weights(form):
    """Functions have no initializers: the parts become Constant nodes in it."""
    constants = [
        _node("Constant", [], [n], value=tensor(n, a)) for n, a in (("weights", W), ("bias", BIAS))
    ]
    source = _function([*constants, _up(["in", "weights", "bias"], "out")], ["in"])
    converted = _check_function(source, form)
    assert "weights" not in {o for n in converted.functions[0].node for o in n.output}


def _check_function(source, form):
    converted = convert(source, form)
    (function,) = converted.functions
    assert "ConvTranspose" not in [n.op_type for n in function.node]
    np.testing.assert_array_equal(run(converted, {"x": X})[0], run(source, {"x": X})[0])
    return converted


def test_functions_whose_weights_are_inputs_are_refused_with_the_way_out():
    source = _function([_up(["in", "weights", "bias"], "out")], ["in", "weights", "bias"])
    assert "inline the functions first, with onnx.inliner" in problem(source)
    inlined = onnx.inliner.inline_local_functions(source)
    converted = convert(inlined)
    np.testing.assert_array_equal(run(converted, {"x": X})[0], run(source, {"x": X})[0])


def test_attributes_that_are_parameters_of_a_function_are_refused():
    node = _up(["in", "weights"], "out")
    group = node.attribute.add(name="group", type=onnx.AttributeProto.INT)
    group.ref_attr_name = "groups"
    constant = _node("Constant", [], ["weights"], value=tensor("weights", W))
    source = _function([constant, node], ["in"], ["groups"])
    assert problem(source) == "group is a parameter of a function: expected a number, got groups"


def test_functions_of_old_operator_sets_are_refused():
    constant = _node("Constant", [], ["weights"], value=tensor("weights", W))
    source = _function([constant, _up(["in", "weights"], "out")], ["in"], opset=8)
    assert "constants in functions must be floats" in problem(source)


def test_a_constant_is_found_through_a_chain_and_no_further():
    nodes = [
        _node("Identity", ["w"], ["a"]),
        _node("Cast", ["a"], ["c"], to=1),
        _node("Neg", ["c"], ["d"]),
    ]
    source = model(nodes, [value("x", "f", [1])], [value("d", "f", OPEN)], {"w": W})
    (scope,) = scopes(source)
    found = trace(scope, "c")
    assert (found.name, [n.op_type for n in found.chain]) == ("w", ["Cast", "Identity"])
    np.testing.assert_array_equal(numpy_helper.to_array(found.tensor), W)
    assert trace(scope, "d") is None
    assert trace(scope, "x") is None
    assert trace(scope, "nothing") is None


def test_operators_that_lack_inputs_lead_nowhere():
    nodes = [
        _node("Identity", [], ["a"]),
        _node("DequantizeLinear", ["w"], ["c"]),
        _node("Cast", [""], ["d"], to=1),
    ]
    (scope,) = scopes(model(nodes, [], [value("a", "f", OPEN)], {"w": W}))
    assert [trace(scope, name) for name in "acd"] == [None] * 3


def test_a_circle_of_identities_ends():
    nodes = [_node("Identity", ["b"], ["a"]), _node("Identity", ["a"], ["b"])]
    (scope,) = scopes(model(nodes, [], [value("a", "f", OPEN)]))
    assert trace(scope, "a") is None


def test_sweeping_takes_what_nothing_uses_and_nothing_else():
    nodes = [
        _node("Identity", ["w"], ["a"]),
        _node("Identity", ["a"], ["b"]),
        _node("Neg", ["x"], ["y"]),
    ]
    stored = {"w": W, "other": W}
    source = model(nodes, [value("x", "f", OPEN)], [value("y", "f", OPEN)], stored)
    sweep(source, {"w", "a", "b", "y"})
    assert kinds(source) == ["Neg"]
    assert [t.name for t in source.graph.initializer] == ["other"]
    assert uses(scopes(source)) == {"x": 1, "y": 1}

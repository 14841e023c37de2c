"""What must not be folded: anything that is not one factor and one term per output channel."""

import numpy as np
import pytest
from onnx import helper

from tests.formats.onnx.folding.cases import Case, close, foldable, folded
from tests.formats.onnx.models import kinds, node, run, tensor, value


def _mul(case, array, name="z"):
    case.stored["c"] = np.asarray(array, case.dtype)
    return node("Mul", ["y", "c"], name)


def _kept(source, case, kind="Mul", feeds=()):
    """The operator is still there, and so are the values."""
    assert foldable(source) == []
    converted = folded(source)
    assert kind in kinds(converted)
    given = {"x": case.x} | dict(feeds)
    for ours, theirs in zip(run(source, given), run(converted, given), strict=True):
        assert close(theirs, ours.astype(np.float64))


@pytest.mark.parametrize(
    "shape",
    [(12,), (14, 1), (14, 12), (3, 14, 1), (2, 1, 1, 1), (2, 3, 1, 1)],
)
def test_constants_along_another_axis(shape):
    """The result has 3 channels of 14 times 12 pixels."""
    case = Case(2, 1, (2, 3))
    numbers = np.random.default_rng(5).standard_normal(shape)
    assert case.summed().shape == (2, 3, 12, 12)
    numbers = np.resize(numbers, [12 if n == 14 else n for n in shape])
    _kept(case.model([_mul(case, numbers)], "z"), case)


def test_constants_that_broadcast_the_result():
    """One channel times three numbers are three channels."""
    case = Case(2, 1, (2, 1))
    _kept(case.model([_mul(case, [[[1]], [[-2]], [[3]]])], "z"), case)


def test_constants_with_more_axes():
    case = Case(1, 1, (2, 3))
    case.stored["c"] = np.array([[[[2]], [[-1]], [[3]]]], "f4")
    mul = node("Mul", ["y", "c"], "z")
    source = case.model([mul, node("ReduceSum", ["z"], "out")], "out")
    assert foldable(source) == []


def test_two_readers():
    case = Case(2, 2, (2, 3))
    mul = _mul(case, case.shaped(case.vector()))
    _kept(case.model([mul, node("Add", ["y", "z"], "end")], "end"), case)


def test_a_value_that_an_operator_reads_twice():
    case = Case(2, 2, (2, 3))
    _kept(case.model([node("Mul", ["y", "y"], "z")], "z"), case)


def test_an_output_in_between():
    case = Case(2, 2, (2, 3))
    source = case.model([_mul(case, case.shaped(case.vector()))], "z", outputs=["y"])
    _kept(source, case)
    last = case.model([case.normalization("y", "n"), _mul(case, -2.0)], "z", outputs=["n"])
    last.graph.node[2].input[0] = "n"
    assert foldable(last) == [("BatchNormalization", "n", False)]
    converted = folded(last)
    for ours, theirs in zip(run(last, {"x": case.x}), run(converted, {"x": case.x}), strict=True):
        assert close(theirs, ours.astype(np.float64))


@pytest.mark.parametrize("kind", ["If", "Loop"])
def test_readers_in_a_branch_or_a_loop(kind):
    case = Case(2, 1, (2, 3))
    mul = _mul(case, case.shaped(case.vector()), "inner")
    out = value("inner", "f4", [None] * 4)
    if kind == "If":
        other = helper.make_graph(
            [node("Neg", ["x"], "inner_2")], "else", [], [value("inner_2", "f4", [None] * 4)]
        )
        then = helper.make_graph([mul], "then", [], [out])
        outer = helper.make_node("If", ["go"], ["z"], then_branch=then, else_branch=other)
    else:
        turn = [value("i", "i8", []), value("before", "?", []), value("carried", "f4", [None] * 4)]
        same = node("Identity", ["before"], "after")
        body = helper.make_graph([mul, same], "body", turn, [value("after", "?", []), out])
        outer = helper.make_node("Loop", ["times", "go", "x0"], ["z"], body=body)
        case.stored |= {"times": np.array(2), "x0": np.zeros((1, 1, 1, 1), "f4")}
    source = case.model([outer], "z", inputs=[value("go", "?", [])])
    _kept(source, case, kind, {"go": np.array(True)})


@pytest.mark.parametrize("outer", ["Mul", "If"])
def test_a_reader_here_and_one_in_a_branch(outer):
    """The layer's graph has one reader; a branch has another."""
    case = Case(2, 1, (2, 3))
    mul = _mul(case, case.shaped(case.vector()))
    shown = value("n", "f4", [None] * 4)
    then = helper.make_graph([node("Neg", ["y"], "n")], "then", [], [shown])
    other = helper.make_graph([node("Abs", ["z"], "n")], "else", [], [shown])
    nodes = [mul, helper.make_node("If", ["go"], ["out"], then_branch=then, else_branch=other)]
    source = case.model(nodes, "out", inputs=[value("go", "?", [])])
    _kept(source, case, outer, {"go": np.array(True)})


def test_initializers_that_a_caller_may_override():
    case = Case(2, 1, (2, 3))
    mul = _mul(case, case.shaped(case.vector()))
    inputs = [value("c", "f4", [3, 1, 1])]
    other = -2 * case.stored["c"] + 1
    source = case.model([mul], "z", inputs=inputs)
    _kept(source, case, feeds={"c": other})
    case.stored["w"] = case.w
    source = case.model([mul], "z", inputs=[value("w", "f4", case.w.shape)])
    _kept(source, case, feeds={"w": case.w[::-1].copy()})


def test_values_that_training_or_annotations_refer_to():
    case = Case(2, 1, (2, 3))
    mul = _mul(case, case.shaped(case.vector()))
    source = case.model([mul], "z")
    info = source.training_info.add()
    loss = helper.make_graph([node("ReduceMean", ["y"], "loss")], "loss", [], [])
    info.algorithm.CopyFrom(loss)
    assert foldable(source) == []
    source = case.model([mul], "z")
    source.graph.quantization_annotation.add().tensor_name = "y"
    assert foldable(source) == []
    source.graph.quantization_annotation[0].tensor_name = "z"
    assert [name for _, name, _ in foldable(source)] == ["z"]


def test_computed_values():
    case = Case(2, 1, (2, 3))
    inputs = [value("c", "f4", [3, 1, 1])]
    source = case.model([node("Mul", ["y", "c"], "z")], "z", inputs=inputs)
    _kept(source, case, feeds={"c": case.shaped(case.vector())})


def test_normalization_by_the_batch():
    case = Case(2, 1, (2, 3))
    norm = case.normalization(training_mode=1)
    norm.output.extend(["mean", "variance"])
    source = case.model([norm], "z")
    assert foldable(source) == []
    norm.attribute[0].i = 0
    del norm.output[1:]
    assert foldable(case.model([norm], "z"))


def test_normalization_per_pixel():
    case = Case(2, 1, (2, 3))
    per_pixel = case.normalization(spatial=0)
    assert foldable(case.model([per_pixel], "z", opset=8)) == []
    assert foldable(case.model([case.normalization(spatial=1)], "z", opset=8))


def test_a_negative_variance_and_a_division_by_zero():
    case = Case(2, 1, (2, 3))
    norm = case.normalization()
    case.stored["z_variance"] = -np.abs(case.stored["z_variance"])
    assert foldable(case.model([norm], "z")) == []
    case.stored["c"] = case.shaped(np.array([1.5, 0, -2], "f4"))
    assert foldable(case.model([node("Div", ["y", "c"], "z")], "z")) == []
    case.stored["c"] = case.shaped(np.array([1.5, 0.25, -2], "f4"))
    assert foldable(case.model([node("Div", ["y", "c"], "z")], "z"))
    assert foldable(case.model([node("Div", ["c", "y"], "z")], "z")) == []


def test_attributes_that_a_function_is_given():
    case = Case(2, 1, (2, 3))
    up = helper.make_node("ConvTranspose", ["x", "w"], ["y"], **case.attributes)
    norm = case.normalization()
    stored = [
        helper.make_node("Constant", [], [name], value=tensor(name, array))
        for name, array in case.stored.items()
    ]
    entry = helper.make_attribute("epsilon", 1.0)
    entry.ClearField("f")
    entry.ref_attr_name = "small"
    norm.attribute.append(entry)
    imports = [helper.make_opsetid("", 17)]
    block = helper.make_function("own", "Up", ["x"], ["z"], [*stored, up, norm], imports, ["small"])
    call = helper.make_node("Up", ["x"], ["out"], domain="own", small=0.5)
    source = helper.make_model(
        helper.make_graph(
            [call], "g", [value("x", "f4", case.x.shape)], [value("out", "f4", [None] * 4)]
        ),
        opset_imports=[*imports, helper.make_opsetid("own", 1)],
        ir_version=8,
        functions=[block],
    )
    assert foldable(source) == []


@pytest.mark.parametrize("dequantized", ["x", "w", "y"])
def test_quantized_models(dequantized):
    case = Case(2, 1, (2, 3))
    case.stored |= {"s": np.array(0.05, "f4"), "point": np.array(3, "u1")}
    case.stored["c"] = case.shaped(case.vector())
    up = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], name="up", **case.attributes)
    there = node("QuantizeLinear", [dequantized, "s", "point"], "q")
    back = node("DequantizeLinear", ["q", "s", "point"], "real")
    source = case.model([there, back, node("Mul", ["y", "c"], "z")], "z")
    nodes = {n.name: n for n in source.graph.node}
    if dequantized == "y":
        nodes["z"].input[0] = "real"
        order = [up, nodes["q"], nodes["real"], nodes["z"]]
    else:
        up.input[["x", "w"].index(dequantized)] = "real"
        order = [nodes["q"], nodes["real"], up, nodes["z"]]
    del source.graph.node[:]
    source.graph.node.extend(order)
    assert foldable(source) == []


@pytest.mark.parametrize(
    ("scale", "folds"), [(1e-3, True), (1e-6, False), (2e4, True), (3e5, False), (0.0, True)]
)
def test_half_precision_must_neither_overflow_nor_lose_digits(scale, folds):
    """A channel whose filters become subnormal loses digits; sums beyond 65504 overflow."""
    case = Case(2, 1, (1, 3), np.float16, bias=False)
    case.w[:] = np.where(case.w < 0, -0.25, 0.1875)
    half = np.full(3, np.sqrt(scale), "f2")
    half[1:] = 1
    case.stored |= {"c": case.shaped(half), "d": case.shaped(half)}
    after = [node("Mul", ["y", "c"], "m"), node("Mul", ["m", "d"], "z")]
    names = [name for _, name, _ in foldable(case.model(after, "z"))]
    assert names == (["m", "z"] if folds else ["m"])


def test_what_overflows_on_the_way_is_not_folded():
    """Behind an infinite value nothing gives the number back that the folded filters would."""
    case = Case(2, 1, (1, 3), np.float16, bias=False)
    case.stored |= {"up": np.array(6e4, "f2"), "down": np.array(1e-4, "f2")}
    after = [node("Mul", ["y", "up"], "m"), node("Mul", ["m", "down"], "z")]
    assert foldable(case.model(after, "z")) == []
    after = [node("Mul", ["y", "down"], "m"), node("Mul", ["m", "up"], "z")]
    assert [name for _, name, _ in foldable(case.model(after, "z"))] == ["m", "z"]


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh", "HardSigmoid", "Elu", "PRelu", "Softmax"])
def test_only_activations_that_runtimes_fuse_with_gain_are_moved(kind):
    case = Case(2, 1, (2, 3))
    case.stored["slope"] = case.shaped(case.vector())
    inputs = ["y", "slope"] if kind == "PRelu" else ["y"]
    _kept(case.model([node(kind, inputs, "z")], "z"), case, kind)


def test_bounds_that_a_caller_gives():
    case = Case(2, 1, (2, 3))
    source = case.model([node("Clip", ["y", "low"], "z")], "z", inputs=[value("low", "f4", [])])
    _kept(source, case, "Clip", {"low": np.array(-0.25, "f4")})

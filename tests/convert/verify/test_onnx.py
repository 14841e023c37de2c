"""ONNX models are verified as wholes, and operator by operator where that proves nothing."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import splitdeconv as sd
from splitdeconv.convert.verify.compare import compare
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.site import Decision
from tests.formats.onnx import models as onnx_models
from tests.refusals import refused


def onnx_up(*, before=(), after=(), inputs=None, output="y", output_type="f4", extra=None, rank=4):
    """A model with a transposed convolution "up" from a to y, and nodes around it."""
    w = np.random.default_rng(0).standard_normal((3, 5, 3, 3)).astype("f4")
    up = helper.make_node(
        "ConvTranspose", ["a", "w"], ["y"], name="up", strides=[2, 2], pads=[1, 1, 1, 1]
    )
    inputs = inputs or [onnx_models.value("a", "f4", [1, 3, 6, 6])]
    value = onnx_models.value(output, output_type, [None] * rank)
    return onnx_models.model([*before, up, *after], inputs, [value], {"w": w} | (extra or {}))


def verified(model, **options):
    data = model.SerializeToString()
    converted = onnx_models.convert(data).SerializeToString()
    return compare("onnx", data, converted, **options), data, converted


def spoiled_onnx(data):
    """The same model with one weight changed by a hundredth."""
    model = onnx.load_model_from_string(data)
    for stored in model.graph.initializer:
        if stored.data_type == TensorProto.FLOAT and len(stored.dims) == 4:
            values = onnx.numpy_helper.to_array(stored).copy()
            values.flat[np.argmax(np.abs(values))] *= 1.01
            stored.CopyFrom(onnx_models.tensor(stored.name, values))
            return model.SerializeToString()
    raise AssertionError("there is no weight to spoil")


def test_onnx_models_are_compared():
    verification, data, converted = verified(onnx_up())
    assert (bool(verification), verification.method) == (True, "model")
    assert 0 < verification.outputs[0].tolerance < 1e-3
    assert not compare("onnx", data, spoiled_onnx(converted))


@pytest.mark.parametrize("stored", ["f8", "f2"])
def test_sums_are_judged_by_the_type_that_computes_them(stored):
    """Filters may be stored as doubles or halves although the model computes in float32."""
    w = np.random.default_rng(4).standard_normal((6, 5, 4, 5)).astype(stored)
    widen = helper.make_node("Cast", ["stored"], ["w"], to=TensorProto.FLOAT)
    up = helper.make_node("ConvTranspose", ["a", "w"], ["y"], name="up", strides=[3, 2])
    ports = onnx_models.value("a", "f4", [1, 6, 7, 9]), onnx_models.value("y", "f4", [None] * 4)
    model = onnx_models.model([widen, up], [ports[0]], [ports[1]], {"stored": w})
    verification, data, converted = verified(model)
    assert verification
    # 2x3 taps meet in an output: a bound from the sums in float32, with room for larger outputs.
    assert 0 < verification.outputs[0].tolerance < 3 * 2 * 38 * 2**-24 * 40
    parsed = onnx.load_model_from_string(converted)
    for tensor in parsed.graph.initializer:
        if len(tensor.dims) == 4:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx_models.tensor(tensor.name, (values * 1.001).astype(stored)))
    assert not compare("onnx", data, parsed.SerializeToString())


def test_random_models_are_verified_operator_by_operator():
    noise = helper.make_node("RandomNormalLike", ["x"], ["n"])
    add = helper.make_node("Add", ["x", "n"], ["a"])
    model = onnx_up(before=[noise, add], inputs=[onnx_models.value("x", "f4", [1, 3, 6, 6])])
    verification, data, converted = verified(model)
    assert verification
    assert (verification.method, [o.name for o in verification.outputs]) == ("operators", ["up"])
    assert "two runs of the original differ (random operators)" in verification.notes[0]
    assert "--inputs" in verification.notes[0]
    bad = compare("onnx", data, spoiled_onnx(converted))
    assert (bool(bad), bad.method) == (False, "operators")


def test_models_that_take_no_synthetic_input_are_verified_operator_by_operator():
    # The rows of a table, counted from 5000: neither 0 and 1 nor 0 to 100 are legal.
    table = np.ones((101, 1), "f4")
    nodes = [
        helper.make_node("Gather", ["table", "i"], ["g"]),
        helper.make_node("Mul", ["x", "g"], ["a"]),
    ]
    inputs = [onnx_models.value("x", "f4", [1, 3, 6, 6]), onnx_models.value("k", "i8", [1, 1])]
    shift = helper.make_node("Add", ["k", "far"], ["i"])
    model = onnx_up(
        before=[shift, *nodes], inputs=inputs, extra={"table": table, "far": np.array([-5000])}
    )
    verification, data, converted = verified(model)
    assert (bool(verification), verification.method) == (True, "operators")
    assert "rejected all synthetic inputs" in verification.notes[0]
    given = {
        "x": np.random.default_rng(0).standard_normal((2, 1, 3, 6, 6)).astype("f4"),
        "k": np.array([[[5000]], [[5007]]]),
    }
    own = compare("onnx", data, converted, inputs=given)
    assert (bool(own), own.method, own.samples) == (True, "model", 2)


def test_outputs_that_say_nothing_are_backed_by_operators():
    zero = helper.make_node("Mul", ["y", "nothing"], ["z"])
    model = onnx_up(after=[zero], output="z", extra={"nothing": np.zeros(1, "f4")})
    verification, data, converted = verified(model)
    assert (bool(verification), verification.method) == (True, "model and operators")
    assert "is the same for every sample" in verification.notes[0]
    assert not compare("onnx", data, spoiled_onnx(converted))


def test_classes_may_flip_only_as_rounding_flips_them():
    argmax = helper.make_node("ArgMax", ["y"], ["c"], axis=1, keepdims=0)
    verification, data, converted = verified(
        onnx_up(after=[argmax], output="c", output_type="i8", rank=3)
    )
    assert verification
    assert verification.outputs[0].lsb == {0: 8 * 11 * 11}
    model = onnx.load_model_from_string(converted)
    (bias,) = [n for n in model.graph.node if n.op_type == "ArgMax"]
    bias.attribute[0].i = 2
    assert not compare("onnx", data, model.SerializeToString())


def test_a_model_the_runtime_does_not_take_fails():
    data = onnx_up().SerializeToString()
    broken = onnx_up(
        after=[helper.make_node("NoSuchOperator", ["y"], ["z"])], output="z"
    ).SerializeToString()
    verification = compare("onnx", data, broken)
    assert not verification
    assert "rejected the converted model" in verification.outputs[0].finding
    # The other way round there is nothing to compare with: the operators are what is left.
    assert (
        compare(
            "onnx", broken, onnx_models.convert(broken, checked=False).SerializeToString()
        ).method
        == "operators"
    )


def test_an_output_that_is_missing_fails():
    _, data, converted = verified(onnx_up())
    model = onnx.load_model_from_string(converted)
    model.graph.node.append(helper.make_node("Identity", ["y"], ["other"]))
    del model.graph.output[:]
    model.graph.output.append(onnx_models.value("other", "f4", [None] * 4))
    bad = compare("onnx", data, model.SerializeToString())
    assert [o.finding for o in bad.outputs] == ["the converted model has no such output"]


def test_what_cannot_be_verified_is_not_written(here):
    # Neither the model nor its operator can be run: nobody knows how its filters are computed.
    made = helper.make_node("NoSuchOperator", ["a"], ["w"])
    model = onnx_up(before=[made])
    del model.graph.initializer[:]
    model.graph.value_info.append(onnx_models.value("w", "f4", [3, 5, 3, 3]))
    with refused("the converted model could not be verified; it was not written") as caught:
        sd.convert(model.SerializeToString())
    assert "output up" in caught.value.where
    assert "--no-verify" in caught.value.fix
    assert sd.convert(model.SerializeToString(), verify=False).report.converted == 1


def test_an_operator_whose_model_nobody_can_run_is_verified_alone():
    noise = helper.make_node("NoSuchOperator", ["x"], ["a"])
    model = onnx_up(before=[noise], inputs=[onnx_models.value("x", "f4", [1, 3, 6, 6])])
    data = model.SerializeToString()
    converted = onnx_models.convert(data, checked=False).SerializeToString()
    result = compare("onnx", data, converted)
    assert (bool(result), result.method) == (True, "operators")
    assert not compare("onnx", data, spoiled_onnx(converted))


def seldom(weights_from_outside=False):
    """A model whose transposed convolution runs for inputs of a sum that no synthetic ones have."""
    w = np.random.default_rng(0).standard_normal((3, 5, 3, 3)).astype("f4")
    up = helper.make_node(
        "ConvTranspose", ["x", "w"], ["t"], name="up", strides=[2, 2], pads=[1, 1, 1, 1]
    )
    branches = {
        "then_branch": helper.make_graph(
            [up], "then", [], [onnx_models.value("t", "f4", [None] * 4)]
        ),
        "else_branch": helper.make_graph(
            [helper.make_node("Neg", ["x"], ["t"])],
            "else",
            [],
            [onnx_models.value("t", "f4", [None] * 4)],
        ),
    }
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "limit"], ["often"]),
        helper.make_node("If", ["often"], ["y"], **branches),
    ]
    inputs = [onnx_models.value("x", "f4", [1, 3, 6, 6])]
    stored = {"limit": np.float32(1e6)} | ({} if weights_from_outside else {"w": w})
    inputs += [onnx_models.value("w", "f4", w.shape)] * weights_from_outside
    return onnx_models.model(nodes, inputs, [onnx_models.value("y", "f4", [None] * 4)], stored)


@pytest.mark.parametrize("weights_from_outside", [False, True])
def test_operators_in_branches_that_inputs_do_not_reach_are_verified_alone(weights_from_outside):
    data = seldom(weights_from_outside).SerializeToString()
    parsed = OnnxModel.parse(data)
    decisions = [Decision(site, "convert", "split", "concat", "test") for site in parsed.sites()]
    parsed.apply(decisions)
    converted = onnx.load_model_from_string(parsed.serialize())
    result = compare("onnx", data, converted.SerializeToString(), decisions=decisions)
    assert (bool(result), result.method) == (True, "model and operators")
    assert result.notes[0] == "inputs may not reach 1 operator(s) in branches, loops or functions"
    assert [o.name for o in result.outputs] == ["y", "up"]
    # A convolution of that branch reads the image's other end: no run of the whole model shows it.
    graph = next(a.g for a in converted.graph.node[-1].attribute if a.name == "then_branch")
    pads = next(
        a
        for node in graph.node
        for a in node.attribute
        if a.name == "pads" and a.ints[:2] != a.ints[2:]
    )
    pads.ints[:] = [*pads.ints[2:], *pads.ints[:2]]
    wrong = compare("onnx", data, converted.SerializeToString(), decisions=decisions)
    assert [o.passed for o in wrong.outputs] == [True, False]

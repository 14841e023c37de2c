"""Quantized ONNX models whose operators no model puts out, compared in double precision."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from splitdeconv.convert.verify.apart import double as verify_double
from splitdeconv.convert.verify.compare import compare
from splitdeconv.formats.onnx.definition import Defined
from splitdeconv.formats.onnx.graph import scopes
from tests.formats.onnx import models as onnx_models
from tests.formats.onnx.models import node, value

ANY = [None] * 4


def chaotic(kind, seed, size=24):
    """A quantized ConvTranspose in a branch or a loop, in which later layers amplify its steps."""
    rng = np.random.default_rng(seed)
    parts = {
        "w0": rng.integers(-127, 127, (6, 6, 4, 4)).astype("i1"),
        "ws": np.float32(0.00731),
        "wz": np.int8(2),
        "ys": np.float32(0.0613),
        "yz": np.int8(-3),
        "far": np.float32(300),
        "half": np.float32(1e9),
    }
    inner = [
        node("DequantizeLinear", ["w0", "ws", "wz"], "w"),
        helper.make_node(
            "ConvTranspose", ["at", "w"], ["c"], name="up", strides=[2, 2], pads=[1] * 4
        ),
        node("QuantizeLinear", ["c", "ys", "yz"], "cq"),
        node("DequantizeLinear", ["cq", "ys", "yz"], "d"),
        node("Mul", ["d", "far"], "e"),
        node("Sin", ["e"], "f"),
    ]
    nodes = {"branch": _branch, "loop": _loop}[kind](inner)
    return onnx_models.model(
        nodes, [value("x", "f4", [1, 6, size, size])], [value("y", "f4", ANY)], parts
    )


def _branch(inner):
    inner[1].input[0] = "x"
    other = helper.make_graph([node("Identity", ["x"], "g")], "other", [], [value("g", "f4", ANY)])
    then = helper.make_graph(inner, "then", [], [value("f", "f4", ANY)])
    return [
        node("ReduceMax", ["x"], "top", keepdims=0),
        node("Less", ["top", "half"], "low"),
        node("If", ["low"], "y", then_branch=then, else_branch=other),
    ]


def _loop(inner):
    ports = [value("turn", "i8", []), value("go", "b1", []), value("at", "f4", ANY)]
    outs = [value("on", "b1", []), value("f", "f4", ANY)]
    body = helper.make_graph([*inner, node("Identity", ["go"], "on")], "body", ports, outs)
    turns = helper.make_tensor("turns", onnx.TensorProto.INT64, [], [2])
    return [
        helper.make_node("Constant", [], ["n"], value=turns),
        node("Loop", ["n", "", "x"], "y", body=body),
    ]


def verified(source, change=None):
    """The verification of a model and what it is converted into, changed by hand or not."""
    converted = onnx_models.convert(source, checked=False)
    if change is not None:
        change(converted)
    return compare("onnx", source.SerializeToString(), converted.SerializeToString(), samples=3)


NESTED = [("branch", 0), ("loop", 3)]


@pytest.mark.parametrize(("kind", "seed"), NESTED)
def test_steps_in_branches_and_loops_are_told_from_faults(kind, seed):
    verification = verified(chaotic(kind, seed))
    assert verification
    y, operator = verification.outputs
    assert y.max_abs > 0.05
    assert y.finding.endswith("due to quantizer steps: in double precision it is identical")
    assert operator.max_rel < 1e-6


def _spoil_weight(model):
    """The greatest of them is off by one."""
    tensor = next(t for t in model.graph.initializer if t.name.startswith("w0"))
    array = numpy_helper.to_array(tensor).copy()
    place = np.unravel_index(np.argmax(array), array.shape)
    array[place] -= 1
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _spoil_operator(model):
    nodes = [node for scope in scopes(model) for node in scope.graph.node]
    next(node for node in nodes if node.op_type == "Sin").op_type = "Cos"


def _spoil_step(model):
    tensor = next(t for t in model.graph.initializer if t.name == "ys")
    tensor.CopyFrom(numpy_helper.from_array(np.float32(0.0614), "ys"))


@pytest.mark.parametrize("fault", [_spoil_weight, _spoil_operator, _spoil_step])
@pytest.mark.parametrize(("kind", "seed"), NESTED)
def test_a_fault_in_a_branch_or_a_loop_is_not_explained(kind, seed, fault):
    verification = verified(chaotic(kind, seed), fault)
    (y,) = [output for output in verification.outputs if output.name == "y"]
    assert not y.passed


def test_versions_of_dequantization_that_the_evaluator_lacks_are_computed():
    """Of a whole array, of slices along an axis and of blocks."""
    x = np.arange(-12, 12, dtype="i1").reshape(2, 3, 4)
    scale, zero = np.array([0.5, 2, 3], "f4"), np.array([1, -2, 5], "i1")
    sliced = (x.astype("f8") - zero[:, None]) * scale[:, None]
    assert dequantized(x, scale, zero, 13, axis=1) == pytest.approx(sliced)
    assert dequantized(x, scale, zero, 19, axis=-2) == pytest.approx(sliced)
    assert dequantized(x, np.float32(0.25), None, 10) == pytest.approx(x * 0.25)
    blocks = np.arange(1, 13, dtype="f4").reshape(2, 3, 2)
    assert dequantized(x, blocks, None, 21, axis=2, block_size=2) == pytest.approx(
        x * np.repeat(blocks, 2, 2)
    )


def dequantized(x, scale, zero, opset, **attributes):
    given = {"s": scale} | ({} if zero is None else {"z": zero})
    source = onnx_models.model(
        [node("DequantizeLinear", ["x", *given], "y", **attributes)],
        [value("x", "i1", x.shape)],
        [value("y", "f4", x.shape)],
        given,
        opset=opset,
        ir_version=10,
    )
    return Defined(source.SerializeToString(), double=True)({"x": x})["y"]


def test_models_that_take_too_long_in_numpy_are_not_compared_so(monkeypatch):
    monkeypatch.setattr(verify_double, "_MOST", 100)
    assert not verified(chaotic(*NESTED[0]))


def test_an_evaluator_that_computes_something_else_proves_nothing(monkeypatch):
    monkeypatch.setattr(
        verify_double.Defined, "__call__", lambda *_: {"y": np.zeros((1, 6, 48, 48))}
    )
    assert not verified(chaotic(*NESTED[0]))

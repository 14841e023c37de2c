"""Quantized ONNX models: steps of quantizers are told from faults."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import splitdeconv as sd
from splitdeconv.convert.verify.compare import compare
from splitdeconv.convert.verify.difference import measure
from splitdeconv.convert.verify.steps import forgive_steps
from splitdeconv.formats.cut import Grid
from splitdeconv.formats.onnx import follow as onnx_follow
from tests.formats.onnx import models as onnx_models
from tests.formats.onnx.models import node, value

OPEN = value("y", "f4", [None] * 4)


def quantized(seed, after=(), scales=None, size=16, channels=8, **stored):
    """DequantizeLinear around a ConvTranspose, of scales that are no round numbers unless given."""
    rng = np.random.default_rng(seed)
    xs, ws, ys = scales or (
        rng.uniform(0.02, 0.06),
        rng.uniform(0.005, 0.01),
        rng.uniform(0.05, 0.1),
    )
    parts = {
        "xs": np.float32(xs),
        "xz": np.int8(3),
        "w0": rng.integers(-127, 127, (channels, 4, 4, 4)).astype("i1"),
        "ws": np.float32(ws),
        "wz": np.int8(0),
        "ys": np.float32(ys),
        "yz": np.int8(-2),
        "b0": rng.integers(-500, 500, 4).astype("i4"),
        "bs": np.float32(xs * ws),
    }
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], "xq"),
        node("DequantizeLinear", ["xq", "xs", "xz"], "xd"),
        node("DequantizeLinear", ["w0", "ws", "wz"], "w"),
        node("DequantizeLinear", ["b0", "bs"], "b"),
        helper.make_node(
            "ConvTranspose", ["xd", "w", "b"], ["c"], name="up", strides=[2, 2], pads=[1] * 4
        ),
        node("QuantizeLinear", ["c", "ys", "yz"], "cq"),
        node("DequantizeLinear", ["cq", "ys", "yz"], "y"),
        *after,
    ]
    last = after[-1].output[0] if after else "y"
    inputs = [value("x", "f4", [1, channels, size, size])]
    return onnx_models.model(nodes, inputs, [value(last, "f4", [None] * 4)], parts | stored)


def compared(source, change=None, form="split"):
    """The verification of a model and what it is converted into, changed by hand or not."""
    converted = onnx_models.convert(source, form, checked=False)
    if change is not None:
        change(converted)
    return compare("onnx", source.SerializeToString(), converted.SerializeToString(), samples=4)


@pytest.mark.parametrize("scales", [None, (2.0**-5, 2.0**-7, 2.0**-4)])
def test_no_sound_model_is_refused(scales):
    """With scales that are powers of two many values lie in the very middle between two steps."""
    for seed in range(6):
        assert compared(
            quantized(seed, scales=scales), form=("split", "rows", "stacked")[seed % 3]
        ), seed


def chaotic():
    """Steps amplified: with scales that are powers of two, many values lie halfway between two."""
    far = [
        node("Mul", ["y", "hundred"], "y1"),
        node("Sin", ["y1"], "y2"),
        node("Mul", ["y2", "hundred"], "y3"),
        node("Sin", ["y3"], "end"),
    ]
    return quantized(3, far, (2.0**-5, 2.0**-7, 2.0**-4), hundred=np.float32(100))


def _nudge(model):
    """Move the result of the rewritten operator by the last bit, as another order of sums does."""
    index, last = next((i, n) for i, n in enumerate(model.graph.node) if n.output[0] == "c")
    last.output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1 + 2.0**-23), "bit"))
    model.graph.node.insert(index + 1, node("Mul", ["before", "bit"], "c"))


def test_steps_that_later_layers_amplify_are_explained():
    verification = compared(chaotic(), _nudge)
    assert verification
    (output,) = verification.outputs
    assert output.max_abs > 0.1
    assert "due to quantizer steps" in output.finding


def _spoil_filter(model):
    tensor = next(t for t in model.graph.initializer if t.name.startswith("w0"))
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] += 1 if array.flat[0] < 127 else -1
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _spoil_rest(model):
    _nudge(model)
    next(n for n in model.graph.node if n.output[0] == "y2").op_type = "Cos"


def _spoil_zero_point(model):
    last = [n for n in model.graph.node if n.op_type == "DequantizeLinear"][-1]
    model.graph.initializer.append(numpy_helper.from_array(np.array(-1, "i1"), "off"))
    last.input[2] = "off"


@pytest.mark.slow
@pytest.mark.parametrize("fault", [_spoil_filter, _spoil_rest, _spoil_zero_point])
def test_a_fault_is_not_explained_by_steps(fault):
    """Negative control: one filter off by one, another operator behind it, another zero point."""
    assert not compared(chaotic(), fault)


@pytest.mark.parametrize("fault", [None, "Cos"])
def test_what_lies_between_rewritten_operators_is_compared(fault):
    """Negative control: another operator there hands on sound values of another kind."""
    filters = np.random.default_rng(5).standard_normal((4, 3, 3, 3)).astype("f4")
    between = [
        node("Sin", ["y"], "z"),
        helper.make_node("ConvTranspose", ["z", "v"], ["end"], name="up2"),
    ]

    def change(model):
        _nudge(model)
        next(n for n in model.graph.node if n.output[0] == "z").op_type = fault or "Sin"

    verification = compared(quantized(3, between, (2.0**-5, 2.0**-7, 2.0**-4), v=filters), change)
    assert verification.passed is (fault is None)
    assert ("due to quantizer steps" in verification.outputs[0].finding) is (fault is None)


def test_a_forgotten_zero_point_is_seen_whatever_the_outputs_hide(monkeypatch):
    """Negative control: outputs that are the same for all samples, or NaN, prove nothing."""
    rng = np.random.default_rng(4)
    parts = {
        "w0": rng.integers(0, 255, (4, 2, 3, 3)).astype("u1"),
        "s": np.float32(0.01),
        "z": np.uint8(128),
        "k": np.float32(50),
        "bias": np.array([[[1]], [[2]]], "f4"),
    }
    up = helper.make_node("ConvTranspose", ["x", "w"], ["q"], name="up", strides=[2, 2])
    front = [
        node("Identity", ["w0"], "w1"),
        node("DequantizeLinear", ["w1", "s", "z"], "w"),
        up,
        node("Sub", ["q", "k"], "d"),
    ]
    tails = (
        [node("Relu", ["d"], "t"), node("Add", ["t", "bias"], "y")],
        [node("Sqrt", ["d"], "y")],
    )
    said = []
    for tail in tails:
        source = onnx_models.model([*front, *tail], [value("x", "f4", [1, 4, 5, 4])], [OPEN], parts)
        result = sd.convert(source.SerializeToString(), form="rows")
        assert result.report.verification.method == "model and operators"
        said.append(result.report.verification.notes[0])
        with monkeypatch.context() as patch:
            patch.setattr(onnx_follow, "stored_zero", lambda *_: np.zeros(1, int))
            wrong = onnx_models.convert(source, "rows")
        bad = compare("onnx", source.SerializeToString(), wrong.SerializeToString())
        assert [o.passed for o in bad.outputs] == [True, False]
    assert "is the same for every sample" in said[0]
    assert "is never finite" in said[1]


def test_overridable_filters_are_replaced():
    """Negative control: filters built in, which the original lets a caller replace."""
    rng = np.random.default_rng(0)
    x, w = (
        rng.standard_normal((1, 4, 5, 6)).astype("f4"),
        rng.standard_normal((4, 3, 3, 3)).astype("f4"),
    )
    source = onnx_models.single(x, w, strides=[2, 2])
    fixed = onnx_models.convert(source)
    source.graph.input.append(value("w", "f4", w.shape))
    assert compared(source)
    fixed.graph.input.append(value("w", "f4", w.shape))
    fixed.graph.initializer.append(numpy_helper.from_array(w, "w"))
    bad = compare("onnx", source.SerializeToString(), fixed.SerializeToString())
    assert not bad
    assert "differs" in bad.outputs[0].finding


def test_open_sizes_are_run_at_several():
    """Negative control: a size that is built in where the original follows its input."""
    x = np.zeros((2, 3, 8, 8), "f4")
    w = np.random.default_rng(0).standard_normal((3, 2, 4, 4)).astype("f4")
    source = onnx_models.single(x, w, shape=["n", 3, "h", "v"], strides=[2, 2], pads=[1] * 4)
    verification = compared(source)
    assert verification
    (said,) = [
        note for note in verification.notes if note.startswith("open sizes were also run at")
    ]
    for shape in ("[2, 3, 63, 63]", "[2, 3, 29, 33]", "[1, 3, 64, 64]", "[3, 3, 64, 64]"):
        assert shape in said
    fixed = onnx.load_model_from_string(onnx_models.convert(source).SerializeToString())
    shapes = [
        t for t in fixed.graph.initializer if t.data_type == 7 and len(t.dims) and t.dims[0] == 4
    ]
    assert shapes
    last = next(n for n in reversed(fixed.graph.node) if n.op_type == "Reshape")
    fixed.graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 130, 0]), "built_in"))
    last.input[1] = "built_in"
    assert not compare("onnx", source.SerializeToString(), fixed.SerializeToString())


@pytest.mark.parametrize(
    ("theirs", "passed"),
    [(0.5, True), (0.0, True), (1.0, False), (0.3, False), (0.5 + 5e-8, True), (np.nan, False)],
)
def test_a_value_in_the_middle_may_go_to_either_step(theirs, passed):
    ours, grid = np.array([0.25, 2.0]), Grid(0.5, -1.0, 1.0)
    theirs = np.array([theirs, 1.0])  # 2.0 is beyond the grid
    record = forgive_steps(measure("y", ours, theirs, 1e-7), ours, theirs, 1e-7, grid)
    assert record.passed is passed


def test_values_of_a_grid_of_16_bits_are_found_on_it():
    """Of so many steps float32 leaves a value further from a whole number than of 256."""
    step = np.float32(0.001)
    theirs = np.arange(60_001, dtype="f4") * step
    ours = (theirs.astype(float) + 0.5 * float(step)).astype("f4")
    grid = Grid(float(step), 0.0, 65.535)
    assert forgive_steps(measure("y", ours, theirs, 1e-5), ours, theirs, 1e-5, grid).passed
    off = theirs + np.float32(0.1) * step
    assert not forgive_steps(measure("y", ours, off, 1e-5), ours, off, 1e-5, grid).passed

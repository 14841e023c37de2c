"""Negative controls: a converter that is wrong is found out by the comparison, without the
converter's own.
"""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from benchmarks.fuzz.agree import Finding, compare
from benchmarks.fuzz.attempt import attempt
from benchmarks.fuzz.case import Case
from benchmarks.fuzz.onnx_run import OnnxProgram
from benchmarks.fuzz.tflite_run import FAMILIES, TFLiteProgram
from splitdeconv.convert import job as jobs
from splitdeconv.convert.rewrite import rewrite
from splitdeconv.formats.content import content
from tests.formats.onnx import models as onnx_models
from tests.formats.tflite.models import Deconv, deconv_model, edit


def _uint8_filters():
    """A model whose filters are integers with a zero point, behind an Identity."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Identity", ["w0"], ["w1"]),
        helper.make_node("DequantizeLinear", ["w1", "s", "z"], ["w"]),
        helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]),
    ]
    stored = {
        "w0": rng.integers(0, 255, (4, 2, 3, 3)).astype("u1"),
        "s": np.float32(0.01),
        "z": np.array(128, "u1"),
    }
    ports = [onnx_models.value("x", "f4", [1, 4, 5, 4])], [onnx_models.value("y", "f4", [None] * 4)]
    return onnx_models.model(nodes, *ports, stored).SerializeToString()


def _without_zero_point(kind, data, path=None, options=None, into=None):
    """A rewriter that takes every zero point for 0."""
    model = onnx.load_model_from_string(content(data))
    for tensor in model.graph.initializer:
        if tensor.name == "z":
            tensor.CopyFrom(numpy_helper.from_array(np.array(0, "u1"), "z"))
    return rewrite(kind, model.SerializeToString(), path, options, into)


def _case(data):
    return Case("onnx", data, "uint8 filters", options={"form": "split"})


def test_the_right_rewriter_passes():
    assert attempt(_case(_uint8_filters()), 0).name == "converted"


def test_a_rewriter_without_zero_points_is_caught_by_verification(monkeypatch):
    monkeypatch.setattr(jobs, "rewrite", _without_zero_point)
    assert attempt(_case(_uint8_filters()), 0).name == "caught"


def test_a_rewriter_without_zero_points_is_found_where_verification_is_blind(monkeypatch):
    monkeypatch.setattr(jobs, "rewrite", _without_zero_point)
    monkeypatch.setattr(jobs, "check", lambda *_: None)
    outcome = attempt(_case(_uint8_filters()), 0)
    assert outcome.name == "differ"
    assert "values off by up to" in outcome.detail


def test_a_verification_that_refuses_everything_is_found(monkeypatch):
    def refuse(*_):
        raise jobs.SplitDeconvError(f"the converted model {jobs.UNLIKE}; it was not written")

    monkeypatch.setattr(jobs, "check", refuse)
    assert attempt(_case(_uint8_filters()), 0).name == "refused wrongly"


def test_a_converter_that_breaks_is_an_error(monkeypatch):
    monkeypatch.setattr(jobs, "rewrite", lambda *_: 1 / 0)
    assert attempt(_case(_uint8_filters()), 0).name == "error"


@pytest.mark.parametrize(
    ("how", "rank"),
    [
        ("same", "same"),
        ("filters", "differ"),
        ("name", "differ"),
        ("shape", "differ"),
        ("broken", "differ"),
    ],
)
def test_onnx_files_compared(how, rank):
    x, w = (
        np.random.default_rng(1).standard_normal(s).astype("f4") for s in ((1, 2, 3), (2, 3, 4))
    )
    first = onnx_models.single(x, w, strides=[2], shape=["n", 2, "h"])
    other = onnx.load_model_from_string(first.SerializeToString())
    if how == "filters":
        other = onnx_models.single(
            x, w + np.float32(1e-3) * (w > 1), strides=[2], shape=["n", 2, "h"]
        )
    elif how == "name":
        other.graph.input[0].name = other.graph.node[0].input[0] = "z"
    elif how == "shape":
        other = onnx_models.single(x, w, strides=[2], shape=["n", 2, "h"], output_padding=[1])
    elif how == "broken":
        other.graph.node[0].op_type = "Mystery"
    finding = _compared(first.SerializeToString(), other.SerializeToString())
    assert finding.rank == rank, finding


def _compared(first, other):
    def load(data, family):
        return OnnxProgram(data, None, family)

    return compare(load, first, other, ("optimized", "plain"), np.random.default_rng(0))


def test_batch_zero_and_one_are_tried():
    x, w = np.zeros((1, 2, 3), "f4"), np.ones((2, 3, 4), "f4")
    first = onnx_models.single(x, w, strides=[2], shape=["n", 2, "h"])
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["c"], strides=[2]),
        helper.make_node("Reshape", ["c", "s"], ["y"]),
    ]
    # The shape holds for every batch but the empty one.
    ports = (
        [onnx_models.value("x", "f4", ["n", 2, "h"])],
        [onnx_models.value("y", "f4", [None] * 3)],
    )
    other = onnx_models.model(nodes, *ports, {"w": w, "s": np.array([0, 3, -1], "i8")})
    finding = _compared(first.SerializeToString(), other.SerializeToString())
    assert finding.rank == "differ"
    assert "(0, 2," in finding.detail


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
def test_tflite_files_compared(kind):
    data = deconv_model(Deconv(kind=kind, cout=3))

    def change(model, graph):
        buffer = model.buffers[next(t.buffer for t in graph.tensors if t.name == b"weights")]
        values = np.array(buffer.data)
        values[-2] ^= 0x40
        buffer.data = values

    for other, rank in ((data, "same"), (edit(data, change), "differ")):
        finding = compare(
            lambda d, family: TFLiteProgram(d, family),
            data,
            other,
            FAMILIES,
            np.random.default_rng(0),
        )
        assert finding.rank == rank, finding


def test_the_worse_of_two_findings_is_kept():
    assert Finding("same").worse(Finding("tie", "a")).rank == "tie"
    assert Finding("differ", "a").worse(Finding("not compared")).detail == "a"

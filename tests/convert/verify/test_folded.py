"""Models are verified with operators folded into the layers: as wholes and layer by layer."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import splitdeconv as sd
from splitdeconv.convert import job as jobs
from splitdeconv.convert.report import Report
from splitdeconv.convert.rewrite import Options
from splitdeconv.convert.task import Convert, Files, Task
from splitdeconv.convert.verify.compare import compare
from splitdeconv.convert.verify.difference import rounding
from splitdeconv.formats.onnx.cut import cut
from splitdeconv.formats.onnx.folding import tail
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.site import Folded
from tests.formats.onnx.folding.cases import Case, folded
from tests.formats.onnx.models import kinds, node, value


def _source(case=None, after=(), output="out"):
    """A normalization and an activation behind a layer with two groups."""
    case = case or Case(2, 2, (3, 2))
    act = node("LeakyRelu", ["z"], "out", alpha=0.125)
    return case.model([case.normalization(), act, *after], output).SerializeToString()


FOLDED = (Folded("BatchNormalization", "z"), Folded("LeakyRelu", "out", True))


def test_folding_is_the_default_where_the_result_is_verified():
    source = _source()
    result = sd.convert(source)
    (decision,) = result.report.decisions
    assert decision.folded == FOLDED
    assert decision.reason.endswith(
        "; folds BatchNormalization z; moves LeakyRelu out to its convolutions"
    )
    assert result.report.verification
    assert "BatchNormalization" not in result.report.operators_after
    assert sd.verify(source, result.model)
    again = Report.from_dict(json.loads(json.dumps(result.report.to_dict())))
    assert again.decisions[0].folded == FOLDED
    assert sd.inspect(source)["reason"][0] == decision.reason
    for given in ({"fold": False}, {"verify": False}):
        plain = sd.convert(source, **given)
        assert plain.report.decisions[0].folded == ()
        assert plain.report.operators_after["BatchNormalization"] == 1
        assert plain.report.operators_after["LeakyRelu"] == 1


def test_a_layer_that_is_left_folds_nothing():
    result = sd.convert(_source(), layers="other")
    (decision,) = result.report.decisions
    assert (decision.verdict, decision.folded) == ("leave", ())


def test_what_is_folded_is_not_held_against_the_result():
    """A target is asked only about the operators that stay."""
    model = OnnxModel.parse(_source())
    decided = Options(form="split").decide(model.sites())
    assert [name for name, _ in model.left(decided)] == ["LeakyRelu"]
    unfolded = [replace(one, folded=()) for one in decided]
    assert [name for name, _ in model.left(unfolded)] == ["BatchNormalization", "LeakyRelu"]


def test_the_part_ends_where_both_models_have_a_value():
    source = _source()
    (site,) = OnnxModel.parse(source).sites()
    part = cut(source, folded(source).SerializeToString(), site)
    ours, theirs = (onnx.load_model_from_string(one) for one in (part.original, part.converted))
    assert kinds(ours) == ["ConvTranspose", "BatchNormalization", "LeakyRelu"]
    assert [one.graph.output[0].name for one in (ours, theirs)] == ["out", "out"]
    assert [one.graph.input[0].name for one in (ours, theirs)] == ["x", "x"]
    # Where nothing is folded, the part is the layer alone.
    assert kinds(onnx.load_model_from_string(cut(source, source, site).original)) == [
        "ConvTranspose"
    ]


def test_layers_are_also_compared_alone():
    """The outputs hide the layer, which is why it is run alone as well."""
    case = Case(2, 2, (3, 2))
    case.stored["nothing"] = np.zeros(1, "f4")
    source = _source(case, [node("Mul", ["out", "nothing"], "end")], "end")
    converted = folded(source)
    proof = compare("onnx", source, converted.SerializeToString())
    assert (bool(proof), proof.method) == (True, "model and operators")
    assert [output.name for output in proof.outputs] == ["end", "up"]
    assert 0 < proof.outputs[1].tolerance < 1e-3
    for tensor in converted.graph.initializer:
        if len(tensor.dims) == 4:
            array = onnx.numpy_helper.to_array(tensor) * np.float32(1.01)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
            break
    assert not compare("onnx", source, converted.SerializeToString())


def _converted(source, folder, **given):
    """The report of a conversion in this process, and the model."""
    path = Path(folder) / "m.onnx"
    path.write_bytes(source)
    report = jobs.run(Task(Convert(Options(**given)), Files(path, "m.onnx", beside=path)), folder)
    return Report.from_dict(report), onnx.load_model(folder / "output")


def test_wrong_folding_is_caught_and_taken_back(monkeypatch, tmp_path):
    """The groups in the wrong order: the result is converted without folding, and says why."""
    real, source = tail.scaled, _source()

    def wrong(filters, scale, groups):
        return real(filters, scale.reshape(groups, -1)[::-1].reshape(-1), groups)

    monkeypatch.setattr(tail, "scaled", wrong)
    assert not compare("onnx", source, folded(source).SerializeToString())
    report, model = _converted(source, tmp_path)
    assert report.verification
    assert report.decisions[0].folded == ()
    assert "nothing was folded into the layers: the result would not agree" in report.notes[-1]
    assert "BatchNormalization" in kinds(model)
    monkeypatch.undo()
    report, model = _converted(source, tmp_path)
    assert (report.folded, report.notes) == (2, ())
    assert "BatchNormalization" not in kinds(model)


def _cancelled(bias, dtype="f4"):
    """A layer with a bias of about this size, which the mean behind it takes away."""
    case = Case(2, 1, (2, 3), dtype)
    case.b[:] = bias + 2 * case.b
    norm = case.normalization()
    case.stored["z_mean"] = (case.b + case.vector()).astype(dtype)
    return case.model([norm], "z").SerializeToString()


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize(("bias", "dtype"), [(10, "f2"), (10, "f4"), (100, "f4"), (30000, "f4")])
def test_sums_that_cancel_are_converted_all_the_same(bias, dtype, fold, tmp_path):
    """The mean takes a large bias away, of which the original keeps fewer digits."""
    report, _ = _converted(_cancelled(bias, dtype), tmp_path, fold=fold)
    assert report.verification
    assert (report.folded, report.notes) == (int(fold), ())


def test_a_changed_bias_excuses_no_more_than_its_rounding(tmp_path):
    """The control: of a bias near 100 an error of one in ten thousand is still an error."""
    source = _cancelled(100)
    right = sd.convert(source).model
    for share, agrees in ((1e-7, True), (1e-4, False)):
        proto = onnx.load_model_from_string(right)
        stored = proto.graph.initializer
        biases = [t for t in stored if len(t.dims) == 1 and t.data_type == 1]
        assert biases
        for tensor in biases:
            values = onnx.numpy_helper.to_array(tensor)
            wrong = (values + 100 * share).astype("f4")
            tensor.CopyFrom(onnx.numpy_helper.from_array(wrong, tensor.name))
        assert bool(sd.verify(source, proto.SerializeToString())) is agrees, share


def test_each_folded_operator_may_round():
    (site,) = OnnxModel.parse(_source()).sites()
    plain = rounding([replace(site, foldable=())])
    assert plain < rounding([site]) < 3 * plain
    # An activation that is moved rounds as before.
    assert rounding([replace(site, foldable=FOLDED[1:])]) == plain
    half = replace(site, dtype="float16", computes="float16")
    assert rounding([half]) - rounding([replace(half, foldable=())]) > 2 * 2**-11


def test_a_quantizer_behind_the_normalization():
    """Steps of that quantizer are told from errors at the end of the folded part."""
    case = Case(2, 1, (3, 4))
    case.stored |= {"s": np.array(0.02, "f4"), "point": np.array(7, "i1")}
    there = node("QuantizeLinear", ["out", "s", "point"], "q")
    back = node("DequantizeLinear", ["q", "s", "point"], "real")
    source = _source(case, [there, back], "real")
    result = sd.convert(source)
    assert result.report.decisions[0].folded == FOLDED
    (site,) = OnnxModel.parse(source).sites()
    grid = cut(source, result.model, site).grid
    assert (round(grid.step, 6), round(grid.low, 4)) == (0.02, -2.7)


def test_a_layer_in_a_branch_is_compared_alone():
    case = Case(2, 1, (2, 3))
    up = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], name="up", **case.attributes)
    graphs = [
        helper.make_graph(nodes, name, [], [value("z", "f4", [None] * 4)])
        for name, nodes in (
            ("then", [up, case.normalization()]),
            ("else", [node("Neg", ["x"], "z")]),
        )
    ]
    choice = helper.make_node("If", ["c"], ["out"], then_branch=graphs[0], else_branch=graphs[1])
    source = case.model([choice], "out", inputs=[value("c", "?", [])])
    del source.graph.node[0]
    report = sd.convert(source.SerializeToString()).report
    assert report.decisions[0].folded == FOLDED[:1]
    assert report.verification.outputs[-1].name == "up"
    assert report.verification

"""A file goes through the whole survey; what is wrong, lost or slow is said."""

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper, numpy_helper

from tools.survey import __main__ as survey, judge, maker, table
from tools.survey.entries import entries


def entry(name):
    """The entry of the list with this name."""
    (found,) = [entry for entry in entries() if entry.name == name]
    return found


class Direct:
    """Stands for a child process: answers here, as `splitdeconv.limits.loop.serve` does."""

    def __init__(self, answer, **planted):
        self._answer, self._planted = answer, planted

    def ask(self, task, timeout):
        done = task["do"]
        answer = self._answer(dict(task))
        return self._planted.get(done, lambda answer: answer)(answer)


@pytest.fixture
def planted(tmp_path):
    """A model with a transposed convolution; 3 to 2 channels, asymmetric, signed."""
    rng = np.random.default_rng(5)
    value = helper.make_tensor_value_info
    filters = rng.integers(-4, 9, (3, 2, 3, 4)).astype(np.float32)
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2], pads=[1, 0, 0, 1]
    )
    graph = helper.make_graph(
        [node],
        "net",
        [value("x", onnx.TensorProto.FLOAT, [1, 3, 4, 5])],
        [value("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(filters, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path, inputs = tmp_path / "net.onnx", tmp_path / "inputs.npz"
    onnx.save(model, path)
    np.savez(inputs, values=rng.integers(-3, 7, (2, 1, 3, 4, 5)).astype(np.float32))
    np.savez(inputs, x=np.load(inputs)["values"])
    return str(path), str(inputs)


def surveyed(planted, monkeypatch, made=lambda answer: answer, times=False, **others):
    """The row of the planted file, which stands for whatever the maker would have made."""
    path, inputs = planted
    file = {"path": path, "inputs": inputs, "version": "none 1", "rounding": 0.0}
    monkeypatch.setattr(maker, "made", lambda entry, folder: made(dict(file)))
    first = entry("dpt.onnx")
    return survey.surveyed(
        first, Direct(maker.answer, **others), Direct(judge.answer, **others), times
    )


def test_a_converted_file_is_compared(planted, monkeypatch):
    row = surveyed(planted, monkeypatch)
    assert (row["outcome"], row["converted"], row["layers"], row["axes"]) == ("converted", 1, 1, 2)
    assert row["error"] == 0  # whole numbers
    assert row["tuned"] is None
    assert list(row) == list(table.COLUMNS)


def test_wrong_values_are_found(planted, monkeypatch):
    def changed(answer):
        model = onnx.load(answer["made"][0])
        weights = model.graph.initializer[0]
        values = numpy_helper.to_array(weights) * 1.01
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float32), weights.name))
        onnx.save(model, answer["made"][0])
        return answer

    row = surveyed(planted, monkeypatch, convert=changed)
    assert row["outcome"] == "wrong"
    assert row["error"] > table.allowed("onnx")
    assert row["reason"].startswith("outputs differ by 0.0")


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("took longer than 600 s", "hung"), ("the process was killed by signal 11", "crashed")],
)
def test_a_lost_process_is_an_outcome(planted, monkeypatch, reason, outcome):
    row = surveyed(planted, monkeypatch, convert=lambda answer: {"reason": reason})
    assert (row["outcome"], row["reason"]) == (outcome, f"convert: {reason}")


def test_a_refusal_gives_its_reason(planted, monkeypatch, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model")
    row = surveyed(planted, monkeypatch)
    assert row["outcome"] == "refused"
    assert "format" in row["reason"]


def test_times_are_those_of_the_conversion_and_of_the_tuned_model(planted, monkeypatch):
    row = surveyed(planted, monkeypatch, times=True)
    assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    assert row["tuned_gain_low"] <= row["tuned_gain"] <= row["tuned_gain_high"]
    assert row["tuned"].rpartition(" ")[2] == "1"


@pytest.mark.slow
# Keras turns its own variables into arrays in the way of NumPy 1.
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
@pytest.mark.parametrize("export", ["keras", "tflite", "tflite int8", "tflite_float16"])
def test_a_keras_network_in_every_export(export, tmp_path):
    given = entry(f"keras_fsrcnn.{export}".replace(" ", "_"))
    row = survey.surveyed(given, Direct(maker.answer), Direct(judge.answer), False)
    assert (row["outcome"], row["reason"]) == ("converted", "")
    assert row["converted"] == row["layers"] == 1
    assert row["error"] <= table.allowed(given.export)
    if (
        export != "tflite int8"
    ):  # whose outputs are whole numbers, with nothing to compare them with
        assert row["rounding"] <= table.allowed(given.export)


def test_rows_are_asked_again_only_for_what_they_lack():
    first, second = entry("smp_linknet.onnx"), entry("smp_linknet.onnx_legacy_17")
    rows = pd.DataFrame([vars(first), vars(second)])[["network", "export"]]
    assert (first.timed, second.timed) == (True, False)
    for outcome, tuned, known in (
        ("converted", "native 1", [True, True, True, True]),
        ("converted", None, [True, True, False, True]),
        ("nothing to convert", None, [True, True, True, True]),
        ("refused", None, [True, True, True, True]),
    ):
        filled = rows.assign(outcome=outcome, tuned=tuned)
        every = [(one, times) for times in (False, True) for one in (first, second)]
        assert [table.complete(filled, one, times) for one, times in every] == known
        assert not table.complete(filled.iloc[:0], first, False)


def test_the_rounding_allowed_is_that_of_the_export():
    allowed = {name: table.allowed(name) for name in ("onnx", "onnx float16", "tflite int16x8")}
    assert allowed["onnx"] < allowed["onnx float16"] < allowed["tflite int16x8"]
    assert allowed["onnx"] == table.allowed("onnx legacy 17") == table.allowed("pt2")
    assert allowed["tflite int16x8"] == table.allowed("onnx int8 weights")
    assert table.allowed("onnx int8", 0.3) == 0.3
    assert table.allowed("onnx", 0.3) == allowed["onnx"]


@pytest.mark.parametrize(
    ("outputs", "fits"),
    [
        (np.array([-128, 127], np.int8), True),
        (np.array([1.5, 1.5]), False),
        (np.array([1.5, np.inf]), False),
        (np.array([np.nan, 1]), False),
        (None, True),
    ],
)
def test_a_network_whose_outputs_show_nothing_is_not_surveyed(outputs, fits):
    if fits:
        maker._check(outputs)
    else:
        with pytest.raises(ValueError, match="do not vary, or are not finite"):
            maker._check(outputs)

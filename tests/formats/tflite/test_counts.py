"""The operations that a report states are those that the file's convolutions execute."""

from math import prod

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.cases import CASES, HARD
from tests.formats.tflite.models import Deconv, convert, deconv_model, operators, unpack

FORMS = FILE_FORMS


def executed(data):
    """Multiply-accumulates per image of CONV_2D operators that read all channels of the image."""
    model = unpack(data)
    graph = model.subgraphs[0]
    channels = graph.tensors[graph.inputs[0]].shape[3]
    total = 0
    for operator in graph.operators:
        if type(operator.builtinOptions).__name__ == "Conv2DOptionsT":
            weights, y = (graph.tensors[i].shape for i in (operator.inputs[1], operator.outputs[0]))
            # A filter of one channel stands for phases that no tap reaches, which no form counts.
            total += (
                prod(map(int, y[1:])) * prod(map(int, weights[1:])) if weights[3] == channels else 0
            )
    return total


@pytest.mark.parametrize("kind", ["float32x8", "float32", "int8"])
def test_what_is_counted_is_executed(kind):
    cases = [case.with_(kind=kind) for case in (*HARD, *CASES[:40]) if case.cin > 1]
    assert len(cases) > 40
    for case in cases:
        data = deconv_model(case)
        (site,) = TFLiteModel.parse(data).sites()
        for form in FORMS:
            assert site.macs()[form] == executed(convert(data, form)), (case, form)


@pytest.mark.parametrize(("per_channel", "extra"), [(True, 0), (False, 1)])
def test_one_tap_is_computed_twice(per_channel, extra):
    case = Deconv(
        sizes=(6, 5),
        kernel=(2, 2),
        strides=(2, 2),
        cin=8,
        cout=3,
        kind="float32x8",
        per_channel=per_channel,
    )
    (row,) = sd.inspect(deconv_model(case)).to_dict("records")
    useful = 6 * 5 * 2 * 2 * 8 * 3
    assert row["useful"] == row["exact"] == useful
    assert row["split"] == 2 * useful * (3 + extra) // 3
    assert row["stacked"] == 2 * 6 * 5 * 8 * (4 * 3 + extra)
    (plain,) = sd.inspect(deconv_model(case.with_(kind="float32"))).to_dict("records")
    assert plain["split"] == useful


def test_the_report_of_a_conversion_says_so():
    case = Deconv(sizes=(7, 6), kernel=(3, 3), strides=(2, 2), cin=4, cout=6, kind="float32x8")
    report = sd.convert(deconv_model(case), form="split").report
    (row,) = report.rows()
    # Phases of 2 x 2, 2 x 1, 1 x 2 taps, and one of 1 x 1 that is computed as 1 x 2.
    assert row["split"] == 7 * 6 * (4 + 2 + 2 + 2) * 4 * 6
    assert report.to_dict()["layers"][0]["split"] == row["split"]
    assert type(report).from_dict(report.to_dict()) == report
    assert type(report).from_dict(report.to_dict()).rows() == [row]


def test_an_open_image_is_not_counted():
    case = Deconv(sizes=(7, 6), kernel=(3, 3), strides=(2, 2), kind="float32x8", open_image=True)
    (site,) = TFLiteModel.parse(deconv_model(case)).sites()
    assert site.macs()["split"] is None
    assert operators(convert(deconv_model(case), interleave="batch_to_space")).count("CONV_2D") == 4


def test_the_reason_tells_what_is_executed():
    case = Deconv(sizes=(4, 4), kernel=(2, 2), strides=(2, 2), cin=4, cout=8, kind="float32x8")
    (row,) = sd.inspect(deconv_model(case)).to_dict("records")
    form = row["form"]
    assert f"{row[form] / row['useful']:.2f} times the useful operations" in row["reason"]
    assert np.isclose(row[form] / row["useful"], 2)

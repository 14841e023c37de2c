"""A processor's file as a target: the predictions of the model are its rules."""

from dataclasses import replace
from importlib.resources import files

import pandas as pd
import pytest

import splitdeconv as sd
from splitdeconv.convert.targets import load_target
from splitdeconv.convert.variants import predicted
from splitdeconv.core.geometry import Axis
from splitdeconv.dlp import load_processor, simulate
from splitdeconv.formats.site import Site
from tests.formats.tflite.models import Deconv, deconv_model
from tests.refusals import refused

# DCGAN's second transposed convolution: 8 to 16 pixels, kernel 5, stride 2.
AXIS = Axis(8, 5, 2, 1, 1, 0)
SITE = Site("deconv2", "TRANSPOSE_CONV", (AXIS, AXIS), 1, 256, 128, "int8")


def file(tmp_path, name, **changed):
    """A user's processor: one that comes with the library, some entries changed."""
    text = (files("splitdeconv.dlp") / "processors" / f"{name}.yaml").read_text()
    for key, value in changed.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{key}:")]
        assert len(lines) == 1
        text = text.replace(lines[0], f"{key}: {value}")
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_the_form_of_fewest_predicted_cycles_is_chosen(tmp_path):
    path = file(tmp_path, "pe_array_32x7")
    row = {"name": "deconv2", "kind": "deconv", "in_h": 8, "in_w": 8, "c_in": 256, "c_out": 128}
    row |= {"k_h": 5, "k_w": 5, "stride_h": 2, "stride_w": 2, "padding": "EXPLICIT"}
    row |= {"before_h": 1, "before_w": 1, "end_h": 2, "end_w": 2, "out_h": 16, "out_w": 16}
    methods = {"split": "sd_trimmed", "rows": "rows", "stacked": "stacked", "native": "nzp"}
    cycles = {
        form: simulate(pd.DataFrame([row]), "pe_array_32x7", method)["cycles"].iloc[0]
        for form, method in methods.items()
    }
    best = min(cycles, key=cycles.get)
    assert best != "native"
    said = load_target(path).predicted(SITE)
    assert said.form == best
    assert said.reason.startswith(f"{cycles['native'] / cycles[best]:.2f} times")
    for form, amount in cycles.items():
        assert predicted.cycles(SITE, load_processor(path), form) == amount


def test_a_model_file_is_converted_for_a_processor_that_no_target_describes(tmp_path):
    path = file(tmp_path, "pe_array_32x7")
    data = deconv_model(Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6))
    result = sd.convert(data, target=path)
    (decision,) = result.report.decisions
    assert "predicted by the processor model" in decision.reason
    assert result.report.verification.passed
    assert result.report.target == load_processor(path).name


def test_where_no_form_takes_fewer_cycles_the_reason_says_so(tmp_path):
    """One tap for each pixel: nothing is inserted that a form could leave out."""
    path = file(tmp_path, "edge_tpu_like")
    still = replace(SITE, axes=(Axis(9, 1, 1, 1, 0, 0),) * 2)
    said = load_target(path).predicted(still)
    assert said.form is None
    assert said.reason.startswith("no form takes fewer cycles than ")


def test_an_explicit_form_overrides_the_prediction(tmp_path):
    path = file(tmp_path, "pe_array_32x7")
    data = deconv_model(Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6))
    (decision,) = sd.convert(data, target=path, form="stacked").report.decisions
    assert decision.form == "stacked"


def test_a_layer_stays_where_the_operator_is_fastest(tmp_path, monkeypatch):
    target = load_target(file(tmp_path, "pe_array_32x7"))
    monkeypatch.setattr(predicted, "cycles", lambda *case: {"native": 4.0}.get(case[2], 5.0))
    assert target.predicted(SITE).form is None


@pytest.mark.parametrize(
    "site",
    [replace(SITE, axes=(AXIS,) * 3), replace(SITE, axes=None), replace(SITE, in_channels=None)],
)
def test_what_the_model_cannot_predict_follows_the_default_rule(tmp_path, site):
    assert load_target(file(tmp_path, "pe_array_32x7")).predicted(site) is None


def test_an_open_size_cannot_be_predicted(tmp_path):
    processor = load_processor(file(tmp_path, "pe_array_32x7"))
    site = replace(SITE, axes=(replace(AXIS, n=None), AXIS))
    assert "run time" in predicted.cycles(site, processor, "split")


def test_a_damaged_processor_is_refused_as_one(tmp_path):
    with refused("rows"):
        load_target(file(tmp_path, "pe_array_32x7", rows="many"))

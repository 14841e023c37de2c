"""tune on the command line: what is written, printed and refused."""

import json

import pytest

from splitdeconv.convert.variants.variant import NATIVE, Variant
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.tuning import api, store
from tests.cli.files import MODELS, listing
from tests.tuning.models import Told, branches


@pytest.fixture(autouse=True)
def _costs(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path_factory.mktemp("costs")))


def test_a_model_is_tuned_for_a_processor_and_its_rules_are_written(run, tmp_path, model):
    code, out, err = run(
        "tune", model, "-o", "out.tflite", "--on", "pe_array_32x7", "--rules", "r.yaml"
    )
    assert (code, err) == (0, "")
    assert "predicted by the processor model" in out
    assert "all transposed convolutions: " in out
    assert "wrote out.tflite" in out
    assert "wrote r.yaml" in out
    code, out, _ = run("inspect", "up.tflite", "--target", "r.yaml", "--json")
    (layer,) = json.loads(out)["layers"]
    assert (code, layer["verdict"]) == (0, "convert")
    assert run("verify", model, "out.tflite")[0] == 0


def test_json_has_every_cost(run, model):
    code, out, err = run("tune", model, "-o", "o.tflite", "--on", "pe_array_32x7", "--json")
    told = json.loads(out)
    assert (code, err, told["changed"], told["unit"]) == (0, "", 1, "cycles")
    costs = told["layers"][0]["costs"]
    assert costs["native"]["gain"] == 1
    for cost in costs.values():
        assert cost["gain"] == pytest.approx(costs["native"]["amount"] / cost["amount"])
    assert told["whole"]["gain"] == pytest.approx(told["layers"][0]["gain"])


def every():
    """All variants of a layer in an .onnx file."""
    ways = ("concat", "depth_to_space", "transpose")
    return [NATIVE, *(Variant(form, way) for form in FILE_FORMS for way in ways)]


def test_a_budget_is_a_number_of_seconds(run, model):
    for text in ("60", "60s", "1.5s"):
        args = ("-o", f"{text}.tflite", "--on", "pe_array_32x7", "--budget", text)
        assert run("tune", model, *args)[0] == 0
    for text in ("", "s", "0.5", "nan", "inf", "60m"):
        args = ("-o", "out.tflite", "--on", "pe_array_32x7", "--budget", text)
        code, _, err = run("tune", model, *args)
        assert code == 2
        assert "is not a number of seconds" in " ".join(err.split())


def test_why_an_original_is_kept(run, tmp_path, monkeypatch):
    """Not costed, not faster, and not asked for are told apart."""
    (tmp_path / "in.onnx").write_bytes(branches())

    def told(amounts):
        monkeypatch.setattr(api, "oracle", lambda *_, **__: Told(amounts))

    told({"native": 100, "split concat": 100})
    code, out, _ = run("tune", "in.onnx", "-o", "a.onnx", "--on", "told")
    assert code == 0
    assert "no layer is faster in another form beyond its uncertainty: the original" in out
    code, out, _ = run("tune", "in.onnx", "-o", "b.onnx", "--on", "told", "--layers", "nothing")
    assert code == 0
    assert "no layer is selected: the original is kept" in out
    told({str(variant): "it hung" for variant in every()})
    code, out, _ = run("tune", "in.onnx", "-o", "c.onnx", "--on", "told", "--fresh")
    assert code == 0
    assert "no layer could be costed: the original is kept" in out
    assert "it hung" in out
    assert (tmp_path / "b.onnx").read_bytes() == branches()
    (tmp_path / "open.onnx").write_bytes(branches((None, 6)))
    fixed = ("--input-shape", "1x3x5x6")
    code, out, _ = run("tune", "open.onnx", "-o", "d.onnx", "--on", "told", *fixed)
    assert code == 0
    assert "wrote d.onnx, the original with its shapes fixed" in out
    assert (tmp_path / "d.onnx").read_bytes() != branches((None, 6))


def test_a_model_without_transposed_convolutions_is_copied_and_said_so(run, tmp_path):
    from tests.convert.test_api import no_deconv

    (tmp_path / "in.tflite").write_bytes(no_deconv())
    code, out, err = run("tune", "in.tflite", "-o", "out.tflite", "--on", "pe_array_32x7")
    assert (code, err) == (0, "")
    assert "nothing to tune" in out
    assert "a copy of the original" in out
    assert (tmp_path / "out.tflite").read_bytes() == no_deconv()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "litter"], "did you mean litert?"),
        (["--on", "litert"], "does not judge onnx models"),
        (["--on", "pe_array_32x7", "--rules", "none/r.yaml"], "an existing folder"),
        (["--on", "pe_array_32x7", "--rules", "r.txt"], "ending in .yaml or .yml"),
        (["--on", "pe_array_32x7", "--inputs", "none.npz"], "none.npz"),
        (["--on", "pe_array_32x7", "-o", "out.keras"], "a name for a .onnx file"),
        (["--on", "none.yaml"], "none.yaml"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(run, tmp_path, arguments, words):
    (tmp_path / "in.onnx").write_bytes(branches())
    before = listing(tmp_path)
    code, out, err = run("tune", "in.onnx", "-o", "out.onnx", *arguments)
    assert (code, out) == (1, "")
    assert words in err
    assert listing(tmp_path) == before
    assert not list(store.folder().glob("*"))  # nothing was costed


@pytest.mark.parametrize("rules", ["in.yaml", "out.yaml"])
def test_rules_replace_neither_model(run, tmp_path, rules):
    (tmp_path / "in.yaml").write_bytes(branches())
    args = ("-o", "out.yaml", "--on", "pe_array_32x7", "--rules", rules, "--overwrite")
    code, out, err = run("tune", "in.yaml", *args)
    assert (code, out) == (1, "")
    assert "a file of its own" in err
    assert (tmp_path / "in.yaml").read_bytes() == branches()
    assert not (tmp_path / "out.yaml").exists()


def test_a_file_that_is_there_is_not_replaced(run, tmp_path, model):
    (tmp_path / "out.tflite").write_bytes(MODELS["tflite"])
    code, out, err = run("tune", model, "-o", "out.tflite", "--on", "pe_array_32x7")
    assert (code, out) == (1, "")
    assert "already" in err

"""tune on the command line: what is written, printed and refused."""

import json
import subprocess
import sys

import pytest

from splitdeconv.convert.targets import load_target
from splitdeconv.convert.variants.variant import NATIVE, Variant
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.tuning import api, store
from splitdeconv.tuning.oracles import oracle
from tests.cli.files import CASE, MODELS, listing
from tests.formats.tflite.models import deconv_model
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
    told({str(variant): "it hung" for variant in every()})
    code, out, _ = run("tune", "in.onnx", "-o", "c.onnx", "--on", "told", "--fresh")
    assert code == 0
    assert "no layer could be costed: the original is kept" in out
    assert "it hung" in out
    assert (tmp_path / "c.onnx").read_bytes() == branches()
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
        (["--on", "pe_array_32x7", "--layers", "z"], "that finds one of: a, b, c\n"),
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


@pytest.mark.parametrize("option", ["--rules", "-o"])
@pytest.mark.parametrize("name", ["mine.yaml", "given.yaml"])
def test_no_file_that_is_read_is_replaced(run, tmp_path, option, name):
    """The processor's file, which has the ending of rules, and the inputs."""
    code, text, _ = run("processor", "--template")
    assert code == 0
    for each in ("mine.yaml", "given.yaml"):
        (tmp_path / each).write_text(text)
    (tmp_path / "in.onnx").write_bytes(branches())
    before = listing(tmp_path)
    for how in (name, f"./{name}", tmp_path / name):
        given = ("--on", "mine.yaml", "--inputs", "given.yaml", option, how)
        more = () if option == "-o" else ("-o", "out.onnx")
        code, out, err = run("tune", "in.onnx", *given, *more, "--overwrite")
        assert (code, out) == (1, "")
        assert "a file of its own" in err
        code, _, err = run("convert", "in.onnx", "-o", how, "--target", name, "--overwrite")
        assert (code, "a file of its own" in err) == (1, True)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["vela:ethos-u55-256", "litert"])
def test_rules_have_what_is_known_of_the_processor(run, tmp_path, model, monkeypatch, name):
    """With them, nothing passes that would not with the target of the oracle."""
    made = oracle(name, threads=1)
    told = Told({"native": 100, "split concat": 100})
    told.target = made.target
    monkeypatch.setattr(api, "oracle", lambda *_, **__: told)
    assert run("tune", model, "-o", "out.tflite", "--on", name, "--rules", "r.yaml")[0] == 0
    own, learnt = load_target(made.target), load_target(tmp_path / "r.yaml")
    for stated in ("others", "others_source", "types", "tensors", "static_shapes", "accepts"):
        assert getattr(learnt, stated) == getattr(own, stated)
    assert learnt.operators == own.operators
    assert learnt.refused == own.refused
    # A float32 layer, which was costed here; then a layer of which nothing is known.
    code, out, _ = run("inspect", "--check", model, "--target", "r.yaml")
    assert (code, "float32: tuned_told supports int8" in out) == (
        (0, False) if name == "litert" else (1, True)
    )


def test_rules_of_an_unknown_processor_pass_only_what_was_costed(run, tmp_path, model, monkeypatch):
    told = Told({"native": 100, "split concat": 100})
    monkeypatch.setattr(api, "oracle", lambda *_, **__: told)
    assert run("tune", model, "-o", "out.tflite", "--on", "told", "--rules", "r.yaml")[0] == 0
    assert run("inspect", "--check", model, "--target", "r.yaml")[0] == 0
    (tmp_path / "other.tflite").write_bytes(deconv_model(CASE.with_(sizes=(7, 5))))
    code, out, _ = run("inspect", "--check", "other.tflite", "--target", "r.yaml")
    assert (code, "no source says that tuned_told runs TRANSPOSE_CONV" in out) == (1, True)


def test_an_oracle_that_did_not_answer_is_asked_again(run, tmp_path, monkeypatch):
    (tmp_path / "in.onnx").write_bytes(branches())
    killed = "the process was ended by signal 9 (Killed), as the system does when memory runs out"

    def told(amounts):
        made = Told(amounts)
        monkeypatch.setattr(api, "oracle", lambda *_, **__: made)
        return made

    told({"native": 100, "split concat": 50, ("a", "native"): killed})
    code, out, _ = run("tune", "in.onnx", "-o", "a.onnx", "--on", "told")
    assert code == 0
    assert "note: 2 layers have variants for which the oracle did not answer" in out
    assert f"unchanged: {killed}" in out
    again = told({"native": 100, "split concat": 50})
    code, out, _ = run("tune", "in.onnx", "-o", "b.onnx", "--on", "told")
    assert (code, again.asked, "did not answer" in out) == (0, ["a"], False)


KERAS = """
import sys
import keras
from splitdeconv import cli
from splitdeconv.tuning.oracle import relative
from splitdeconv.tuning.oracles.keras import Keras

up = keras.layers.Conv2DTranspose(4, 4, strides=2, padding="same", name="up")
keras.Sequential([keras.Input((6, 6, 3)), up]).save("in.keras")
told = {"native": 2.0, "split concat": 1.0}
Keras.costs = lambda _, subject: relative({v: told.get(str(v), 9.0) for v in subject.variants})
assert "splitdeconv.layers" not in sys.modules
cli.main(["tune", "in.keras", "-o", "out.keras", "--on", "keras"])
"""


@pytest.mark.slow
def test_keras_compares_the_whole_of_a_converted_model(tmp_path):
    """In a process that has not loaded the twins of its layers."""
    done = subprocess.run(
        [sys.executable, "-c", KERAS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # The layer was chosen; a whole that is then not faster was compared, too.
    assert "whole model: " in done.stdout or "the whole model is not faster with" in done.stdout


def test_a_file_that_is_there_is_not_replaced(run, tmp_path, model):
    (tmp_path / "out.tflite").write_bytes(MODELS["tflite"])
    code, out, err = run("tune", model, "-o", "out.tflite", "--on", "pe_array_32x7")
    assert (code, out) == (1, "")
    assert "already" in err

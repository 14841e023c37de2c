"""inspect, convert and verify on the command line: output, exit codes, and invalid input."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from splitdeconv import cli
from tests.cli.files import CASE, MODELS, listing
from tests.convert.test_api import no_deconv
from tests.convert.verify.test_compare import spoiled
from tests.convert.verify.test_onnx import onnx_up
from tests.formats.onnx.folding.cases import Case
from tests.formats.onnx.models import node
from tests.formats.tflite.models import Deconv, deconv_model, operators


@pytest.mark.parametrize("kind", MODELS)
def test_from_inspecting_to_verifying(run, tmp_path, kind):
    (tmp_path / "in").write_bytes(MODELS[kind])
    code, out, err = run("inspect", "in")
    assert (code, err) == (0, "")
    interleave = "depth_to_space" if kind == "tflite" else "concat"  # what keeps a file resizable
    assert "convert split," in " ".join(out.split())
    assert interleave in out
    code, out, err = run("convert", "in", "-o", "out")
    assert (code, err) == (0, "")
    assert "verification by model passed, 8 sample(s)" in out
    assert "wrote out" in out
    assert sorted(listing(tmp_path)) == ["in", "out"]
    assert (tmp_path / "in").read_bytes() == MODELS[kind]
    code, out, _ = run("verify", "in", "out", "--samples", "3")
    assert (code, "passed, 3 sample(s)" in out) == (0, True)
    code, out, _ = run("inspect", "out")
    assert (code, f"{kind} model: no transposed convolution" in out) == (0, True)


def test_what_convert_prints(run, model):
    _, out, _ = run("convert", "up.tflite", "-o", "out", "--form", "split")
    assert "6 -> 12 (k=5 s=2 p=1)" in out
    assert "convert picture: form split was requested" in out
    assert "operators: 1 -> " in out
    assert "CONV_2D 0 -> 4" in out
    assert "TRANSPOSE_CONV 1 -> 0" in out
    before, after = len(MODELS["tflite"]), len(listing(model.parent)["out"])
    assert f"file: {before:,} -> {after:,} bytes (+" in out
    assert "memory arena at its peak: " in out


def test_what_padding_costs_is_printed(run, model):
    """4x4 stride 2 becomes 2x2 taps, which TIDL does not list."""
    case = Deconv(sizes=(6, 5), kernel=(4, 4), cin=6, cout=10)
    (model.parent / "even.tflite").write_bytes(deconv_model(case))
    _, out, _ = run("inspect", "even.tflite", "--target", "tidl")
    cost = "taps padded 2x2 -> 3x3 for tidl: 2.25 times the operations of form split"
    assert cost in " ".join(out.split())
    _, out, _ = run("inspect", "even.tflite", "--target", "tidl", "--json")
    layer = json.loads(out)["layers"][0]
    assert (layer["padded_taps"], layer["padding_cost"]) == ("2x2 -> 3x3", 2.25)


def test_what_is_folded_is_printed_and_can_be_left(run, tmp_path):
    case = Case(2, 3, (2, 1))
    source = case.model([case.normalization(), node("Relu", ["z"], "out")], "out")
    (tmp_path / "up.onnx").write_bytes(source.SerializeToString())
    said = "folds BatchNormalization z; moves Relu out to its convolutions"
    _, out, _ = run("inspect", "up.onnx")
    assert said in " ".join(out.split())
    code, out, _ = run("convert", "up.onnx", "-o", "folded.onnx")
    assert (code, said in " ".join(out.split())) == (0, True)
    assert "BatchNormalization 1 -> 0" in " ".join(out.split())
    code, out, _ = run("convert", "up.onnx", "-o", "plain.onnx", "--no-fold", "--json")
    content = json.loads(out)
    assert (code, content["layers"][0]["folded"]) == (0, [])
    assert content["operators_after"]["BatchNormalization"] == 1
    assert [run("verify", "up.onnx", name)[0] for name in ("folded.onnx", "plain.onnx")] == [0, 0]


def test_json(run, model):
    code, out, err = run("inspect", "up.tflite", "--json")
    content = json.loads(out)
    assert (code, err, content["schema_version"], content["format"]) == (0, "", 1, "tflite")
    assert content["layers"][0]["verdict"] == "convert"
    code, out, _ = run("convert", "up.tflite", "-o", "out", "--json")
    content = json.loads(out)
    assert (code, content["output"], content["verification"]["passed"]) == (0, "out", True)
    assert content["operators_after"]["CONV_2D"] == 4
    code, out, _ = run("verify", "up.tflite", "out", "--json", "--samples", "1")
    content = json.loads(out)
    assert (code, content["schema_version"], content["passed"], content["samples"]) == (
        0,
        1,
        True,
        1,
    )


def test_options_reach_the_conversion(run, tmp_path):
    (tmp_path / "in").write_bytes(deconv_model(CASE.with_(dynamic=True)))
    options = (
        "--form",
        "rows",
        "--interleave",
        "transpose",
        "--static-batch",
        "2",
        "--layers",
        "pict",
        "--no-verify",
    )
    code, out, _ = run("convert", "in", "-o", "out", *options)
    assert (code, "verification" in out) == (0, False)
    names = operators((tmp_path / "out").read_bytes())
    assert names.count("CONV_2D") == 2
    assert "TRANSPOSE" in names
    assert not {"SHAPE", "PACK"} & set(names)


def test_input_shapes_reach_the_conversion(run, tmp_path):
    (tmp_path / "in").write_bytes(deconv_model(CASE.with_(dynamic=True, open_image=True)))
    for shape in ("image=2x7x4x5", "2x7x4x5"):
        code, out, err = run("convert", "in", "-o", "out", "--overwrite", "--input-shape", shape)
        assert (code, err) == (0, "")
        assert "note: input image is now fixed at 2x7x4x5 (was ?x?x?x5)" in out
        names = operators((tmp_path / "out").read_bytes())
        assert not {"SHAPE", "PACK", "TRANSPOSE_CONV"} & set(names)
    code, out, _ = run("verify", "in", "out", "--samples", "2")
    assert (code, "passed, 2 sample(s)" in out) == (0, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["image=0x7x4x5"], "the size of a dimension must be a positive integer"),
        (["image=-1x7x4x5"], "invalid input shape: expected sizes of at least 1"),
        (["image=nonsense"], "invalid input shape: expected sizes of at least 1"),
        (["image=1x99999999999x4x5"], "the input shape is too large"),
        (["image=1x7x4"], "invalid input shape: expected 4 dimensions"),
        (["image=1x7x4x6"], "some lengths of this input are fixed in the file"),
        (["picture=1x7x4x5"], "the model has no such input"),
        (["image=1x7x4x5", "image=1x7x4x5"], "two shapes are given for one input"),
        (
            ["image=1x7x4x5", "--static-batch", "1"],
            "static_batch and input_shape cannot be combined",
        ),
    ],
)
def test_wrong_input_shapes_exit_with_1(run, tmp_path, options, message):
    (tmp_path / "in").write_bytes(deconv_model(CASE.with_(dynamic=True, open_image=True)))
    given = [
        part
        for text in options
        for part in ([text] if text[0] in "-1" else ["--input-shape", text])
    ]
    code, out, err = run("convert", "in", "-o", "out", *given)
    assert (code, out) == (1, "")
    assert f"splitdeconv: {message}" in err
    assert list(listing(tmp_path)) == ["in"]


def test_own_inputs(run, model):
    np.savez("in.npz", image=np.ones((2, 1, 6, 5, 5), "f4"))
    code, out, _ = run("convert", "up.tflite", "-o", "out", "--inputs", "in.npz")
    assert (code, "passed, 2 sample(s)" in out) == (0, True)
    code, out, _ = run("verify", "up.tflite", "out", "--inputs", "in.npz")
    assert (code, "passed, 2 sample(s)" in out) == (0, True)
    np.savez("odd.npz", picture=np.ones((2, 1, 6, 5, 5), "f4"))
    code, _, err = run("verify", "up.tflite", "out", "--inputs", "odd.npz")
    assert (code, "the inputs do not fit the model: names" in err) == (1, True)
    code, _, err = run("convert", "up.tflite", "-o", "new", "--inputs", "none.npz")
    assert (code, "the inputs cannot be read" in err) == (1, True)
    assert "new" not in listing(model.parent)


def test_a_difference_exits_with_1(run, model):
    model.with_name("bad").write_bytes(spoiled(MODELS["tflite"]))
    code, out, err = run("verify", "up.tflite", "bad")
    assert code == 1
    assert "verification by model FAILED" in out
    assert err.startswith(
        "splitdeconv: the two models do not compute the same\n  where: output picture"
    )
    code, out, err = run("verify", "up.tflite", "bad", "--json")
    assert (code, json.loads(out)["passed"], err != "") == (1, False, True)


def test_lsb_are_printed_as_a_histogram(run, model):
    int8 = deconv_model(CASE.with_(kind="int8"))
    model.with_name("a").write_bytes(int8)
    model.with_name("b").write_bytes(spoiled(int8, "i1"))
    code, out, _ = run("verify", "a", "b", "--samples", "1")
    assert code == 1
    assert "picture: values by LSB of difference: 0: " in out


def test_nothing_to_convert_is_no_failure(run, model):
    model.write_bytes(no_deconv())
    code, out, err = run("inspect", "up.tflite")
    assert (code, "no transposed convolution" in out, err) == (0, True, "")
    code, out, err = run("convert", "up.tflite", "-o", "out")
    assert (code, err) == (0, "")
    assert "note: the model contains no transposed convolution: nothing to convert" in out
    assert listing(model.parent)["out"] == no_deconv()


@pytest.mark.parametrize("kind", MODELS)
def test_the_extension_means_nothing(run, tmp_path, kind):
    (tmp_path / "model.pt").write_bytes(MODELS[kind])
    code, out, _ = run("convert", "model.pt", "-o", "out.h5", "--json")
    assert (code, json.loads(out)["format"]) == (0, kind)


def test_help_names_everything():
    result = CliRunner().invoke(
        cli.app, ["convert", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}
    )
    assert result.exit_code == 0
    for option in [
        "output",
        "target",
        "form",
        "interleave",
        "static-batch",
        "input-shape",
        "layers",
        "no-verify",
        "samples",
        "inputs",
        "overwrite",
        "json",
    ]:
        assert f"--{option}" in result.output


def test_in_a_process_of_its_own(tmp_path):
    (tmp_path / "up.tflite").write_bytes(MODELS["tflite"])

    def command(*arguments):
        line = [sys.executable, "-m", "splitdeconv", *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)

    done = command("convert", "up.tflite", "-o", "out.tflite")
    assert (done.returncode, done.stderr) == (0, "")
    assert "verification by model passed" in done.stdout
    done = command("verify", "up.tflite", "out.tflite", "--timeout", "1", "--memory", "0.25")
    assert done.returncode in (0, 1)  # what this machine manages in a second; never a traceback
    assert "Traceback" not in done.stderr
    (tmp_path / "cut.tflite").write_bytes(MODELS["tflite"][:500])
    done = command("convert", "cut.tflite", "-o", "new.tflite")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("splitdeconv: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.tflite", "out.tflite", "up.tflite"]


def test_a_small_file_converts_without_tensorflow(tmp_path):
    (tmp_path / "up.tflite").write_bytes(MODELS["tflite"])
    code = (
        "import sys\nfrom splitdeconv.limits import sandbox\n"
        "from splitdeconv.convert import job, task\n"
        "def here(_, order, folder, *__):\n"
        "    return job.run(task.Task.from_json(order.task), folder)\n"
        "sandbox.run = here\n"
        "from splitdeconv import cli\n"
        "try:\n    cli.main(['convert', 'up.tflite', '-o', 'out.tflite'])\n"
        "except SystemExit:\n"
        "    print({'tensorflow', 'keras', 'jax', 'onnx'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_large_tensors_go_to_a_file_of_their_own(run, tmp_path):
    table = {"table": np.arange(400, dtype="f4")}
    (tmp_path / "in.onnx").write_bytes(onnx_up(extra=table).SerializeToString())
    code, out, err = run("convert", "in.onnx", "-o", "out.onnx", "--external-data")
    assert (code, err) == (0, "")
    assert "wrote out.onnx, and its large tensors to out.onnx.data" in out
    assert sorted(listing(tmp_path)) == ["in.onnx", "out.onnx", "out.onnx.data"]
    assert run("verify", "in.onnx", "out.onnx")[0] == 0
    code, _, err = run("convert", "in.onnx", "-o", "out.onnx", "--external-data")
    assert code == 1
    assert "--overwrite" in err
    (tmp_path / "small.onnx").write_bytes(MODELS["onnx"])
    (tmp_path / "made.onnx.data").touch()  # not of this model, which has no large tensors
    code, out, _ = run("convert", "small.onnx", "-o", "made.onnx", "--external-data")
    assert (code, out.splitlines()[-1]) == (0, "wrote made.onnx")


@pytest.mark.parametrize("verb", [["convert"], ["tune", "--on", "pe_array_32x7"]])
def test_external_data_is_refused_where_a_model_is_one_file(run, tmp_path, model, verb):
    code, _, err = run(verb[0], model, "-o", "out.tflite", *verb[1:], "--external-data")
    assert code == 1
    assert "external data is not possible in this format" in err
    assert "out.tflite" not in listing(tmp_path)

"""inspect, convert and verify on the command line: what they print, exit codes, and every kind of bad input."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from splitdeconv import cli
from splitdeconv.cli import show
from splitdeconv.convert import jobs, sandbox
from tests.convert import files
from tests.convert.test_front import no_deconv, refusing_model
from tests.convert.test_verify import spoiled
from tests.convert.test_verify_onnx import onnx_up
from tests.convert.tflite_models import Deconv, deconv_model, operators

CASE = Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6)
MODELS = {"tflite": deconv_model(CASE), "onnx": onnx_up().SerializeToString()}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line in a folder of its own, jobs in this process: exit code, stdout, stderr."""

    def job(job, folder, limits, progress=None):
        return json.loads(json.dumps(jobs.run(job | {"folder": str(folder)})))

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return exit_.value.code, out, err

    monkeypatch.setattr(sandbox, "run", job)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "up.tflite"
    path.write_bytes(MODELS["tflite"])
    return path


def listing(folder):
    """Names and contents of a folder's files."""
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", MODELS)
def test_from_inspecting_to_verifying(run, tmp_path, kind):
    (tmp_path / "in").write_bytes(MODELS[kind])
    code, out, err = run("inspect", "in")
    assert (code, err) == (0, "")
    assert "convert split, concat" in " ".join(out.split())
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
    assert "convert picture: form split was asked for" in out
    assert "operators: 1 -> " in out
    assert "CONV_2D 0 -> 4" in out
    assert "TRANSPOSE_CONV 1 -> 0" in out
    before, after = len(MODELS["tflite"]), len(listing(model.parent)["out"])
    assert f"file: {before:,} -> {after:,} bytes (+" in out
    assert "memory arena at its peak: " in out


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
    assert (code, content["schema_version"], content["passed"], content["samples"]) == (0, 1, True, 1)


def test_options_reach_the_conversion(run, tmp_path):
    (tmp_path / "in").write_bytes(deconv_model(CASE.with_(dynamic=True)))
    options = ("--form", "rows", "--interleave", "transpose", "--static-batch", "2", "--layers", "pict", "--no-verify")
    code, out, _ = run("convert", "in", "-o", "out", *options)
    assert (code, "verification" in out) == (0, False)
    names = operators((tmp_path / "out").read_bytes())
    assert names.count("CONV_2D") == 2
    assert "TRANSPOSE" in names
    assert not {"SHAPE", "PACK"} & set(names)


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
    assert err.startswith("splitdeconv: the two models do not compute the same\n  where: output picture")
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
    assert "note: the model holds no transposed convolution: nothing to convert" in out
    assert listing(model.parent)["out"] == no_deconv()


def test_what_cannot_be_converted_says_why(run, model):
    model.write_bytes(refusing_model())
    code, out, _ = run("inspect", "up.tflite")
    assert (code, "refuse" in out) == (0, True)
    code, out, err = run("convert", "up.tflite", "-o", "out")
    assert (code, out) == (1, "")
    assert "no transposed convolution of the model can be converted" in err
    assert list(listing(model.parent)) == ["up.tflite"]


def test_the_input_is_not_overwritten_unless_told(run, model):
    code, _, err = run("convert", "up.tflite", "-o", "up.tflite")
    assert (code, "a file that is already there" in err) == (1, True)
    assert model.read_bytes() == MODELS["tflite"]
    code, _, _ = run("convert", "up.tflite", "-o", "up.tflite", "--overwrite")
    assert code == 0
    assert "TRANSPOSE_CONV" not in operators(model.read_bytes())


@pytest.mark.parametrize("out", ["no/such/out.tflite", ".", "/dev/null/out", "/proc/out"])
def test_an_output_that_cannot_be_written(run, model, out):
    code, printed, err = run("convert", "up.tflite", "-o", out)
    assert (code, printed) == (1, "")
    assert err.startswith("splitdeconv: the output cannot be written\n")
    assert listing(model.parent) == {"up.tflite": MODELS["tflite"]}


@pytest.mark.parametrize("verb", ["inspect", "convert", "verify"])
@pytest.mark.parametrize("name", [*files.ODD, "missing", "directory", "loop"])
def test_what_is_no_model(run, tmp_path, verb, name):
    path = tmp_path / "up.tflite"
    if name == "directory":
        path.mkdir()
    elif name == "loop":
        path.symlink_to(path)
    elif name != "missing":
        path.write_bytes(files.ODD[name][0])
    before = listing(tmp_path) if name != "loop" else {}
    arguments = {"inspect": (), "convert": ("-o", "out"), "verify": ("up.tflite",)}[verb]
    code, out, err = run(verb, "up.tflite", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("splitdeconv: ")
    assert err.count("splitdeconv: ") == 1
    assert "up.tflite" in err
    if name != "loop":
        assert listing(tmp_path) == before


@pytest.mark.parametrize("kind", MODELS)
def test_the_extension_means_nothing(run, tmp_path, kind):
    (tmp_path / "model.pt").write_bytes(MODELS[kind])
    code, out, _ = run("convert", "model.pt", "-o", "out.h5", "--json")
    assert (code, json.loads(out)["format"]) == (0, kind)


@pytest.mark.parametrize("kind", MODELS)
def test_truncation_at_any_byte(run, tmp_path, kind):
    data = MODELS[kind]
    lengths = sorted({*range(40), *range(40, len(data), max(1, len(data) // 40)), len(data) - 1})
    for length in lengths:
        (tmp_path / "cut").write_bytes(data[:length])
        code, out, err = run("convert", "cut", "-o", "out")
        if code:
            assert (code, out) == (1, ""), length
            assert err.startswith("splitdeconv: "), length
            assert list(listing(tmp_path)) == ["cut"], length
        else:  # what is missing was not needed, or was the transposed convolution
            assert err == ""
            (tmp_path / "out").unlink()


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["convert", "up.tflite"],
        ["convert", "up.tflite", "-o"],
        ["convert", "up.tflite", "-o", "out", "--form", "nzp"],
        ["convert", "up.tflite", "-o", "out", "--interleave", "zip"],
        ["convert", "up.tflite", "-o", "out", "--layers", "("],
        ["convert", "up.tflite", "-o", "out", "--static-batch", "0"],
        ["convert", "up.tflite", "-o", "out", "--samples", "0"],
        ["convert", "up.tflite", "-o", "out", "--timeout", "-1"],
        ["convert", "up.tflite", "-o", "out", "extra"],
        ["verify", "up.tflite"],
        ["verify", "up.tflite", "out", "--samples", "many"],
    ],
)
def test_wrong_usage_exits_with_2(run, model, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert "Error" in out + err
    assert list(listing(model.parent)) == ["up.tflite"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "toaster"), "there is no target of that name"),
        (("--target", "none.yaml"), "a data file cannot be read"),
    ],
)
def test_unknown_targets(run, model, arguments, message):
    code, _, err = run("convert", "up.tflite", "-o", "out", *arguments)
    assert code == 1
    assert err.startswith(f"splitdeconv: {message}")


def test_help_names_everything():
    result = CliRunner().invoke(cli.app, ["convert", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    for option in [
        "output",
        "target",
        "form",
        "interleave",
        "static-batch",
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
    code = "import sys\nfrom splitdeconv.convert import sandbox, jobs\n" + (
        "sandbox.run = lambda job, folder, *_: jobs.run(job | {'folder': str(folder)})\n"
        "from splitdeconv import cli\n"
        "try:\n    cli.main(['convert', 'up.tflite', '-o', 'out.tflite'])\n"
        "except SystemExit:\n    print({'tensorflow', 'keras', 'jax', 'onnx'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "set()"


def test_layers_that_are_not_there_are_refused(run, model):
    before = listing(model.parent)
    code, _, err = run("convert", "up.tflite", "-o", "out", "--layers", "^nothing$")
    assert code == 1
    assert "no transposed convolution has a name that --layers finds" in err
    assert "finds one of: picture" in err
    assert listing(model.parent) == before
    code, _, _ = run("convert", "up.tflite", "-o", "out", "--layers", "^pic")
    assert (code, "out" in listing(model.parent)) == (0, True)


def test_a_narrow_terminal_gets_one_line_a_value(monkeypatch, capsys):
    rows = [("up", "128 -> 256 (k=2 s=2 p=0)", "1.0"), ("down", "8 -> 16", "12.5")]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    show.print_table(("layer", "axes", "MMAC"), rows)
    lines = "layer: up\naxes: 128 -> 256 (k=2 s=2 p=0)\nMMAC: 1.0\n\nlayer: down\naxes: 8 -> 16\nMMAC: 12.5\n\n"
    assert capsys.readouterr().out == lines
    monkeypatch.setenv("COLUMNS", "60")
    show.print_table(("layer", "axes", "MMAC"), rows)
    assert "up      128 -> 256 (k=2 s=2 p=0)    1.0" in capsys.readouterr().out

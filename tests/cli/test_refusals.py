"""Bad input on the command line: one error, exit code 1 or 2, and the folder as it was."""

import pytest

from tests.cli.files import MODELS, listing
from tests.convert.test_api import refusing_model
from tests.formats import files
from tests.formats.tflite.models import operators


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


@pytest.mark.slow
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
        ["convert", "up.tflite", "-o", "out", "--static-batch", f"{2**31}"],
        ["convert", "up.tflite", "-o", "out", "--static-batch", f"{2**70}"],
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
        (("--target", "toaster"), "unknown target"),
        (("--target", "none.yaml"), "a data file cannot be read"),
    ],
)
def test_unknown_targets(run, model, arguments, message):
    code, _, err = run("convert", "up.tflite", "-o", "out", *arguments)
    assert code == 1
    assert err.startswith(f"splitdeconv: {message}")


def test_layers_that_are_not_there_are_refused(run, model):
    before = listing(model.parent)
    code, _, err = run("convert", "up.tflite", "-o", "out", "--layers", "^nothing$")
    assert code == 1
    assert "no transposed convolution has a name that matches --layers" in err
    assert "finds one of: picture" in err
    assert listing(model.parent) == before
    code, _, _ = run("convert", "up.tflite", "-o", "out", "--layers", "^pic")
    assert (code, "out" in listing(model.parent)) == (0, True)

"""`inspect` of several models, and its check for CI: output, JSON and exit codes."""

import json
import shlex

import numpy as np
import pytest
from onnx import helper

from tests.cli.files import CASE, MODELS, listing
from tests.convert.test_api import no_deconv, refusing_model
from tests.formats.onnx import models as onnx_models
from tests.formats.tflite.models import deconv_model


def plain_onnx():
    """A model with a convolution that is not transposed."""
    w = np.random.default_rng(0).standard_normal((5, 3, 3, 3)).astype("f4")
    ports = onnx_models.value("a", "f4", [1, 3, 6, 6]), onnx_models.value("y", "f4", [None] * 4)
    conv = helper.make_node("Conv", ["a", "w"], ["y"], name="conv")
    return onnx_models.model([conv], [ports[0]], [ports[1]], {"w": w}).SerializeToString()


FILES = {
    "up.tflite": MODELS["tflite"],
    "it's up.onnx": MODELS["onnx"],
    "plain.tflite": no_deconv(),
    "plain.onnx": plain_onnx(),
    "int8.tflite": deconv_model(CASE.with_(kind="int8")),
    "computed.tflite": refusing_model(),
    "broken.onnx": MODELS["onnx"][:300],
}
PLAIN = ("plain.tflite", "plain.onnx")


@pytest.fixture
def files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "target", "obstacle"),
    [
        ("up.tflite", "generic", "picture: it would be converted"),
        ("it's up.onnx", "generic", "up: it would be converted"),
        ("computed.tflite", "generic", "y: it cannot be converted, and no source says that"),
        ("int8.tflite", "ethos_u55", "picture: it would be converted"),
        ("up.tflite", "ethos_u55", "float32: ethos_u55 supports int8, uint8, int16x8"),
        ("computed.tflite", "artpec9", "TRANSPOSE_CONV: tensors of float32; supported are int8"),
    ],
)
def test_a_model_that_is_not_ready_fails(run, files, name, target, obstacle):
    code, out, err = run("inspect", name, "--check", "--target", target)
    assert code == 1
    assert f"check for {target} FAILED:" in out.splitlines()
    assert f"\n  {obstacle}" in out
    assert err.startswith(f"splitdeconv: the model is not ready for the target {target}\n")
    assert f"  where: {name}\n" in err
    assert f"  got: {name}: " in err
    assert obstacle in err
    # The same without the check.
    usual = out[: out.index("check for")]
    assert run("inspect", name, "--target", target) == (0, usual, "")
    assert listing(files) == FILES


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *((name, "generic") for name in PLAIN),
        ("plain.tflite", "ethos_u55"),  # which would refuse its operator
        ("up.tflite", "xnnpack"),  # which has TRANSPOSE_CONV and leaves this layer
        ("computed.tflite", "xnnpack"),
        ("it's up.onnx", "onnxruntime"),
    ],
)
def test_a_model_that_is_ready_passes(run, files, name, target):
    code, out, err = run("inspect", name, "--check", "--target", target)
    assert (code, err) == (0, "")
    why = ": no transposed convolution" if name in PLAIN else ""
    assert out.splitlines()[-1] == f"check for {target} passed{why}"


@pytest.mark.parametrize(
    ("name", "target"), [("int8.tflite", "ethos_u55"), ("it's up.onnx", "rknn")]
)
def test_what_the_error_proposes_mends_the_model(run, files, name, target):
    code, _, err = run("inspect", name, "--check", "--target", target)
    assert code == 1
    (line,) = (line for line in err.splitlines() if "what to do: " in line)
    command = shlex.split(line.partition("what to do: ")[2])
    assert command[:3] == ["splitdeconv", "convert", name]
    assert run(*command[1:])[0] == 0
    made = command[command.index("-o") + 1]
    assert made == name.replace(".", "_split.")
    assert run("inspect", made, "--check", "--target", target)[0] == 0


def test_the_proposed_command_takes_names_for_names(run, files):
    (files / "-x.onnx").write_bytes(MODELS["onnx"])
    (files / "-t.yaml").write_text(
        "name: mine\ntitle: T\nformats: [onnx]\nothers: unknown\nothers_source: a manual\n"
    )
    code, _, err = run("inspect", "--check", "--target=-t.yaml", "--", "-x.onnx")
    assert code == 1
    command = shlex.split(err.partition("what to do: ")[2])
    assert command[2:] == ["./-x.onnx", "-o", "./-x_split.onnx", "--target", "./-t.yaml"]
    assert run(*command[1:])[0] == 0


def test_a_target_of_ones_own(run, files):
    """A file that lists the operator, and one that does not."""
    text = "name: mine\ntitle: T\nformats: [tflite]\nothers: unknown\nothers_source: a manual\n"
    (files / "mine.yaml").write_text(text)
    code, _, err = run("inspect", "computed.tflite", "--check", "--target", "mine.yaml")
    assert (code, "no source says that mine runs TRANSPOSE_CONV" in err) == (1, True)
    (files / "mine.yaml").write_text(f"{text}operators: {{TRANSPOSE_CONV: {{source: a manual}}}}\n")
    assert run("inspect", "computed.tflite", "--check", "--target", "mine.yaml")[0] == 0
    code, _, err = run("inspect", "up.tflite", "--check", "--target", "mine.yaml")
    assert (code, err.splitlines()[-1]) == (
        1,
        "  what to do: splitdeconv convert up.tflite -o up_split.tflite --target mine.yaml",
    )


def test_several_models_are_all_reported_on(run, files):
    code, out, err = run("inspect", "--check", *FILES, "missing.tflite")
    assert code == 1
    headings = [
        line for line in out.splitlines() if line.removesuffix(":") in {*FILES, "missing.tflite"}
    ]
    assert headings == [f"{name}:" for name in (*FILES, "missing.tflite")]
    assert out.count("check for generic passed: no transposed convolution") == 2
    assert out.count("check for generic FAILED:") == 4
    assert out.count("\nnot inspected: ") == 2
    assert err.count("splitdeconv: ") == 1
    assert err.startswith("splitdeconv: 6 of 8 models are not ready for the target generic\n")
    failed = [name for name in (*FILES, "missing.tflite") if name not in PLAIN]
    assert f"  where: {', '.join(failed)}\n" in err
    assert "broken.onnx: invalid ONNX model" in err
    assert run("inspect", "--check", *PLAIN)[0] == 0
    code, _, err = run("inspect", "--check", *PLAIN, "computed.tflite")
    assert (code, "1 of 3 models is not ready" in err) == (1, True)
    assert "what to do: change the model where it is made, or choose another target" in err


def test_several_models_without_the_check_fail_only_where_one_cannot_be_read(run, files):
    good = [name for name in FILES if name != "broken.onnx"]
    code, out, err = run("inspect", *good)
    assert (code, err, "check" in out) == (0, "", False)
    code, out, err = run("inspect", "broken.onnx", "up.tflite", "missing.tflite")
    assert code == 1
    assert "convert picture: " in out
    assert err.startswith("splitdeconv: 2 of 3 models are not readable\n")
    assert "  where: broken.onnx, missing.tflite\n" in err


@pytest.mark.parametrize("name", ["broken.onnx", "missing.tflite"])
def test_a_single_model_that_cannot_be_read_gives_its_own_error(run, files, name):
    assert run("inspect", name, "--check") == run("inspect", name)
    code, out, err = run("inspect", name, "--check")
    assert (code, out, err.count("splitdeconv: ")) == (1, "", 1)


def test_a_format_that_the_target_does_not_read_fails(run, files):
    code, out, err = run("inspect", *PLAIN, "--check", "--target", "ethos_u55")
    assert code == 1
    assert "not inspected: the target ethos_u55 does not read onnx models" in out
    assert err.startswith("splitdeconv: 1 of 2 models is not ready for the target ethos_u55\n")
    assert (
        "  expected: .tflite models without transposed convolutions, or that ethos_u55 is known to "
        "run as they are\n"
    ) in err
    code, _, err = run("inspect", "plain.onnx", "--check", "--target", "ethos_u55")
    assert code == 1
    assert err.startswith("splitdeconv: the target ethos_u55 does not read onnx models\n")
    assert "  where: plain.onnx, target\n" in err


def test_an_unknown_target_is_one_error(run, files):
    code, out, err = run("inspect", *PLAIN, "--check", "--target", "toaster")
    assert (code, out, err.count("splitdeconv: unknown target")) == (1, "", 1)


def test_json_of_one_model_has_the_result_of_the_check(run, files):
    _, usual, _ = run("inspect", "up.tflite", "--json")
    assert "check" not in usual
    code, out, err = run("inspect", "up.tflite", "--json", "--check")
    assert (code, err.startswith("splitdeconv: the model is not ready")) == (1, True)
    mended = {"what": "picture", "why": "it would be converted", "mended": True}
    check = {"target": "generic", "passed": False, "obstacles": [mended]}
    assert json.loads(out) == json.loads(usual) | {"check": check}
    code, out, err = run("inspect", "plain.onnx", "--json", "--check")
    assert (code, json.loads(out)["layers"], err) == (0, [], "")
    assert json.loads(out)["check"] == {"target": "generic", "passed": True, "obstacles": []}
    _, out, _ = run("inspect", "computed.tflite", "--json", "--check", "--target", "artpec9")
    (dtype, refused) = json.loads(out)["check"]["obstacles"]
    assert (dtype["what"], refused["what"]) == ("float32", "TRANSPOSE_CONV")
    assert not dtype["mended"]


def test_json_of_several_models_is_one_object(run, files):
    code, out, err = run("inspect", "up.tflite", "broken.onnx", "plain.onnx", "--json", "--check")
    content = json.loads(out)
    assert (code, content["schema_version"], set(content)) == (1, 1, {"schema_version", "models"})
    up, broken, plain = content["models"]
    _, alone, _ = run("inspect", "up.tflite", "--json")
    check = up.pop("check")
    assert up == {"model": "up.tflite"} | json.loads(alone)
    assert (check["passed"], plain["check"]["passed"]) == (False, True)
    assert (broken["model"], set(broken)) == ("broken.onnx", {"model", "error"})
    assert broken["error"]["problem"].startswith("invalid ONNX model")
    assert broken["error"]["where"] == "broken.onnx"
    assert plain["layers"] == []
    assert "2 of 3 models are not ready" in err

"""export on the command line: what is written, printed and refused."""

import json

import keras
import numpy as np
import pytest

from tests.cli.files import listing

# Keras, where it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def own(tmp_path):
    """A model of one's own, and samples for it."""
    keras.utils.set_random_seed(4)
    up = keras.layers.Conv2DTranspose(3, (3, 4), (2, 3), bias_initializer="random_normal")
    keras.Sequential([keras.Input((3, 4, 2), name="image"), up]).save(tmp_path / "own.keras")
    rng = np.random.default_rng(5)
    np.savez(tmp_path / "images.npz", image=rng.normal(0.4, 1, (5, 3, 4, 2)).astype("float32"))
    return tmp_path


def test_a_quantized_file_is_written_and_printed(run, own):
    code, out, _ = run(
        *("export", "own.keras", "-o", "own.tflite", "--deconv", "rows", "--dtype", "int8"),
        *("--samples", "images.npz", "--batch", "2"),
    )
    assert code == 0
    assert "rows" in out
    assert "verification by model passed" in out
    assert "LSB from the Keras model's" in out
    size = (own / "own.tflite").stat().st_size
    assert f"wrote own.tflite: int8, batch 2, {size:,} bytes" in out
    code, out, _ = run("inspect", "own.tflite", "--json")
    assert (code, json.loads(out)["layers"]) == (0, [])  # no transposed convolution is left


def test_json_has_the_comparison_with_the_keras_model(run, own):
    code, out, _ = run("export", "own.keras", "-o", "own.onnx", "--dtype", "float16", "--json")
    told = json.loads(out)
    assert (code, told["schema_version"], told["dtype"], told["deconv"]) == (
        *(0, 1, "float16"),
        "split",
    )
    assert told["verification"]["passed"]
    assert told["verification"]["method"] == "the Keras model"
    assert told["size"] == (own / "own.onnx").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "expected", "said"),
    [
        (("dcgam", "-o", "o.tflite"), 1, "did you mean dcgan?"),
        (("own.keras", "-o", "o.onnx", "--dtype", "int8"), 1, "write a .tflite file for int8"),
        (("own.keras", "-o", "o.pb"), 1, "expected a .tflite or .onnx file"),
        (("own.keras", "-o", "images.npz"), 1, "expected a .tflite or .onnx file"),
        (("own.keras", "-o", "no/o.tflite"), 1, "the output cannot be written"),
        (("own.keras", "-o", "o.tflite", "--dtype", "int8"), 1, "needs typical inputs"),
        (("own.keras", "-o", "o.tflite", "--samples", "own.keras"), 1, "names"),
        (("images.npz", "-o", "o.tflite"), 1, "unknown network"),
        (("own.keras", "-o", "o.tflite", "--batch", "0"), 2, "expected at least 1"),
        (("own.keras", "-o", "o.tflite", "--deconv", "paper"), 2, "is not one of"),
        (("own.keras",), 2, "--output"),
    ],
)
def test_refusals_leave_the_folder_as_it_was(run, own, arguments, expected, said):
    before = listing(own)
    code, out, err = run("export", *arguments)
    assert (code, out) == (expected, "")
    assert said in " ".join(err.split())
    assert listing(own) == before


def test_a_file_that_is_there_is_replaced_only_when_told(run, own):
    (own / "own.tflite").write_bytes(b"mine")
    arguments = ("export", "own.keras", "-o", "own.tflite", "--deconv", "native")
    code, _, err = run(*arguments)
    assert (code, "already there" in err) == (1, True)
    assert (own / "own.tflite").read_bytes() == b"mine"
    assert run(*arguments, "--overwrite")[0] == 0
    assert len((own / "own.tflite").read_bytes()) > 4

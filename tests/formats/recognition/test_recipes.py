"""What errors advise for other files leads to a converted model, step by step."""

import gzip
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from splitdeconv.cli import app
from splitdeconv.formats.recognition.detect import detect, read_model
from tests.formats import files
from tests.formats.onnx import models as onnx_models
from tests.refusals import refused


@pytest.fixture
def keras_model(tmp_path, monkeypatch):
    import keras

    monkeypatch.chdir(tmp_path)
    return keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2DTranspose(3, 3, 2)])


def follow(text, monkeypatch):
    """Run the Python of a recipe's command as a shell splits it; returns the command after it."""
    command, _, then = text[text.index("python -c") :].rpartition(", then ")
    _, _, code, *arguments = shlex.split(command)
    monkeypatch.setattr(sys, "argv", ["-c", *arguments])
    exec(code, {})
    return shlex.split(then)


def assert_leads_on(fix, monkeypatch):
    """The recipe's own code and then the command it ends in write a converted model."""
    program, *arguments = follow(fix, monkeypatch)
    assert program == "splitdeconv"
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "verification by model passed" in result.output
    assert Path(arguments[-1]).is_file()


# The libraries' own warnings, about old formats and old interpreters, are not under test.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_recipe_for_an_h5_file_works(keras_model, monkeypatch):
    Path("a folder").mkdir()
    keras_model.save("a folder/old.h5")
    with refused("unsupported model format") as caught:
        detect(Path("a folder/old.h5").read_bytes(), "a folder/old.h5")
    assert_leads_on(caught.value.fix, monkeypatch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_recipe_for_an_h5_file_takes_what_old_initializers_were_given(keras_model, monkeypatch):
    import h5py

    keras_model.save("old.h5")
    with h5py.File("old.h5", "r+") as file:
        held = json.loads(file.attrs["model_config"])
        for layer in held["config"]["layers"]:
            for key in {"kernel_initializer", "bias_initializer"} & set(layer["config"]):
                one = layer["config"][key]
                layer["config"][key] = {
                    "class_name": one["class_name"],
                    "config": one["config"] | {"dtype": "float32"},
                }
        file.attrs["model_config"] = json.dumps(held)
    with refused("unsupported model format") as caught:
        detect(Path("old.h5").read_bytes(), "old.h5")
    assert_leads_on(caught.value.fix, monkeypatch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_code_of_the_recipe_for_keras_1_and_2_runs(keras_model, monkeypatch):
    # Here with the Keras that TensorFlow brings: TF_USE_LEGACY_KERAS makes it the older one, if
    # that is installed.
    keras_model.save("old.h5")
    with refused("unsupported model format") as caught:
        detect(Path("old.h5").read_bytes() + b'"batch_input_shape"', "old.h5")
    assert caught.value.fix.startswith(
        "pip install tf_keras, then TF_USE_LEGACY_KERAS=1 python -c "
    )
    assert_leads_on(caught.value.fix, monkeypatch)


def save_older(model, name):
    """What `save_weights` of Keras 1 and 2 writes."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def save_recent(model, name):
    """What `save_weights` of Keras 3 writes, under any name."""
    model.save_weights("temporary.weights.h5")
    Path("temporary.weights.h5").rename(name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("save", "name", "renamed"),
    [
        (save_recent, "only.weights.h5", False),
        (save_recent, "the epoch 7.h5", True),
        (save_recent, "checkpoint", True),
        (save_older, "vgg_notop.h5", False),
        (save_older, "old.hdf5", False),
        (save_older, "old.weights.h5", True),
        (save_older, "it's.model", True),
    ],
)
def test_the_recipe_for_weights_of_keras_works(keras_model, monkeypatch, save, name, renamed):
    kernel = np.random.default_rng(8).standard_normal((3, 3, 3, 2)).astype("f4")
    keras_model.layers[0].kernel.assign(kernel)
    save(keras_model, name)
    keras_model.layers[0].kernel.assign(kernel * 0)  # as new as its own code would build it
    with refused("unsupported model format") as caught:
        detect(*read_model(name))
    assert caught.value.got == "a Keras HDF5 file that contains only weights, not a model"
    *copy, python, then = caught.value.fix.split(", then ")
    assert bool(copy) == renamed
    for command in copy:
        subprocess.run(shlex.split(command), check=True)
    lead, code = python.split("; ", 1)
    assert lead == "in Python, build the model with its own code"
    exec(code, {"model": keras_model})
    np.testing.assert_array_equal(keras_model.layers[0].kernel.numpy(), kernel)
    assert_leads_on(f"python -c pass, then {then}", monkeypatch)


def test_the_recipe_for_packed_files_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, w, _ = onnx_models.arrays(1, (3, 5), (4, 2), 1, (2, 3))
    model = onnx_models.single(x, w, strides=[3, 2]).SerializeToString()
    Path("a bundle").write_bytes(files.members(**{"inner part.bin": model}))
    Path("packed").write_bytes(gzip.compress(model))
    for name in ("a bundle", "packed"):
        with refused("unsupported model format") as caught:
            detect(*read_model(name))
        unpack, _, then = caught.value.fix.rpartition(", then ")
        # The interpreter of the tests may have another name in a shell.
        subprocess.run(
            unpack.replace("python ", f"{shlex.quote(sys.executable)} "), shell=True, check=True
        )
        result = CliRunner().invoke(app, shlex.split(then)[1:])
        assert result.exit_code == 0, result.output
        Path("split.onnx").unlink()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("given", ["a saved one", "a saved one/saved_model.pb"])
def test_the_recipe_for_a_saved_model_works(keras_model, monkeypatch, given):
    keras_model.export("a saved one", verbose=False)
    with refused("unsupported model format") as caught:
        detect(*read_model(given))
    assert_leads_on(caught.value.fix, monkeypatch)


@pytest.mark.filterwarnings("ignore")
def test_the_recipe_for_a_frozen_graph_works(tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [1, 4, 5, 3], name="first")
        filters = np.random.default_rng(0).standard_normal((3, 3, 2, 3)).astype("f4")
        tf.identity(tf.nn.conv2d_transpose(x, tf.constant(filters), [1, 8, 10, 2], 2), name="last")
    Path("frozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with refused("unsupported model format") as caught:
        detect(*read_model("frozen.pb"))
    assert_leads_on(
        caught.value.fix.replace("INPUT", "first").replace("OUTPUT", "last"), monkeypatch
    )

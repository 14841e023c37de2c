"""Networks by name: what is known, what is refused, what the seed fixes."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from splitdeconv import SplitDeconvError, networks

NAMES = ["dcgan", "sngan", "artgan", "gpgan", "mde", "fst", "fcn32s", "fcn16s", "fcn8s"]


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_names_and_titles():
    assert networks.names()[: len(NAMES)] == NAMES
    assert list(networks.titles()) == networks.names()
    assert networks.titles()["gpgan"] == "GP-GAN"


def test_names_and_published_tables_load_no_framework():
    code = (
        "import sys; from splitdeconv import networks; networks.names();"
        "light = 'pandas' not in sys.modules;"
        "networks.published(); networks.published_layers();"
        "print(light, {'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    )
    assert run(code) == "True set()"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gan", {}, r"unknown network\n.*\n  expected: dcgan, sngan, .* fcn8s\n  got: 'gan'"),
        (
            "dcgan",
            {"deconv": "sd"},
            r"unknown deconv\n.*\n  expected: native, auto, split, rows, stacked, paper, nzp\n",
        ),
        (
            "fst",
            {"width": 3},
            r"unknown option of fst\n.*\n  expected: size, blocks\n  got: 'width'",
        ),
        (["dcgan"], {}, r"unknown network\n.*\n.*\n  got: \['dcgan'\]"),
        ("dcgan", {"deconv": ["split"]}, r"unknown deconv\n"),
        (
            "dcgan",
            {"dtype": "floaty"},
            r"unknown dtype\n.*\n  expected: float16, .*float64.*\n  got: 'floaty'",
        ),
        (
            "dcgan",
            {"latent": (3, 4)},
            r"the latent must be a positive integer\n.*\n.* 1 or more\n  got: \(3, 4\)",
        ),
        (
            "artgan",
            {"classes": [10]},
            r"the classes must be a positive integer\n.*\n.* 1 or more\n  got: \[10\]",
        ),
        ("dcgan", {"latent": True}, "the latent must be a positive integer"),
        (
            "dcgan",
            {"seed": (1, 2)},
            r"the seed must be an integer, 0 or more\n.*\n.*\n  got: \(1, 2\)",
        ),
        (
            "dcgan",
            {"latent": 0},
            r"the latent must be a positive integer\n.*\n.* 1 or more\n  got: 0",
        ),
        (
            "fst",
            {"size": (32, 32.0)},
            r"the size must be a positive integer\n.*\n.* 1 or more\n  got: 32\.0",
        ),
        ("dcgan", {"seed": -1}, r"the seed must be an integer, 0 or more\n.*\n.*\n  got: -1"),
        (
            "mde",
            {"size": (128, 192)},
            r"image size does not fit.*\n.*\n  expected: .* multiples of 128\n  got: \(128, 192\)",
        ),
        (
            "fst",
            {"size": (4, 4, 4)},
            r"image size does not fit.*\n.*\n  expected: an int or \(height, width\)",
        ),
    ],
)
def test_refusals_name_what_is_known(name, arguments, message):
    with pytest.raises(SplitDeconvError, match=message):
        networks.build(name, **{"seed": None, **arguments})


def test_every_deconv_has_the_same_weights_and_every_seed_its_own():
    first, *others = (
        networks.build("dcgan", deconv).get_weights()
        for deconv in ("native", "split", "nzp", "auto")
    )
    assert all(np.array_equal(a, b) for other in others for a, b in zip(first, other, strict=True))
    reseeded = networks.build("dcgan", "native", seed=1).get_weights()
    kernels = [(a, b) for a, b in zip(first, reseeded, strict=True) if a.ndim > 1]
    assert len(kernels) == 4
    assert all(
        abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02 for a, b in kernels
    )  # 1/sqrt(4800) = 0.014 by chance


def test_layers_of_equal_shape_have_weights_of_their_own():
    model = networks.build("fst", size=4)
    kernels = [
        model.get_layer(f"residual{index}{part}").kernel for index in (1, 2) for part in "ab"
    ]
    assert len({float(np.asarray(kernel)[0, 0, 0, 0]) for kernel in kernels}) == 4


def test_without_a_seed_all_kernels_are_zero():
    assert not any(
        np.any(w) for w in networks.build("sngan", seed=None).get_weights() if w.ndim > 1
    )


@pytest.mark.slow
def test_weights_do_not_depend_on_the_backend():
    import keras

    code = (
        "import hashlib; from splitdeconv import networks;"
        "model = networks.build('sngan', 'native', seed=3);"
        "import keras; print(keras.backend.backend(),"
        "hashlib.sha256(b''.join(w.tobytes() for w in model.get_weights())).hexdigest())"
    )
    here = b"".join(w.tobytes() for w in networks.build("sngan", "native", seed=3).get_weights())
    other = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    assert run(code, KERAS_BACKEND=other).split() == [other, hashlib.sha256(here).hexdigest()]


def test_whole_numbers_of_any_type_are_taken():
    model = networks.build("fst", size=np.int64(8), blocks=np.int32(1), seed=np.uint8(3))
    assert model.input_shape == (None, 8, 8, 3)
    for a, b in zip(
        model.get_weights(),
        networks.build("fst", size=8, blocks=1, seed=3).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_dtype_holds_for_every_layer_and_is_put_back():
    import keras

    before = keras.config.dtype_policy()
    model = networks.build("fst", dtype="float64", size=8)
    assert {layer.compute_dtype for layer in model.layers} == {"float64"}
    with pytest.raises(SplitDeconvError, match="image size does not fit"):
        networks.build("fst", dtype="float64", size=6)
    assert keras.config.dtype_policy() == before

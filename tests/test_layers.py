"""Keras layers as twins of the originals: configuration and values, on each backend."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from tests.refusals import refused
from tests.twins import BACKEND, CIN, COUT, KERNEL, SIZES, STRIDES, TOLERANCE, array, drawn, pair

FORMS = ("split", "rows", "stacked", "paper", "nzp", "native")

# Keras 3.15 copies its variables in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def _definition(layer, x):
    """The layer's linear part and bias by the definition, in float64."""
    first = layer.data_format == "channels_first"
    x = np.moveaxis(x, 1, -1) if first else x
    kernel, *bias = (w.astype(np.float64) for w in layer.get_weights())
    plan = sd.plan(
        x.shape[1:-1],
        layer.kernel_size,
        layer.strides,
        layer.padding,
        output_padding=layer.output_padding,
        dilations=layer.dilation_rate,
    )
    y = conv_transpose(x.astype(np.float64), kernel, plan) + sum(bias)
    return np.moveaxis(y, -1, 1) if first else y


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same"},
        {"padding": "valid", "use_bias": False},
        {
            "padding": "same",
            "activation": "tanh",
            "kernel_initializer": "he_normal",
            "bias_initializer": "ones",
        },
    ],
    ids=["same", "valid", "activation"],
)
def test_twins(rank, options):
    """One seed, one configuration: the same weights and the same result."""
    x = drawn(2, *SIZES[:rank], CIN)
    original, twin = pair(rank, COUT, KERNEL[:rank], STRIDES[:rank], **options)
    expected, y = original(x), twin(x)
    assert [w.shape for w in twin.get_weights()] == [w.shape for w in original.get_weights()]
    for a, b in zip(twin.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(array(y), array(expected), rtol=0, atol=TOLERANCE)
    assert isinstance(twin, type(original))
    assert [w.path.split("/")[-1] for w in twin.weights] == [
        w.path.split("/")[-1] for w in original.weights
    ]
    added = {"form": "auto", "interleave": "concat"}
    assert {**twin.get_config(), "name": ""} == {**original.get_config(), **added, "name": ""}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", ["concat", "depth_to_space", "transpose"])
def test_forms_and_interleaves(form, interleave, monkeypatch):
    """All give the original's values; what is asked for runs; "native" is Keras' own."""
    apply, ran = sd.layers.apply, []

    def watching(plan, x, kernel, *, interleave):
        ran.append((plan.form, interleave))
        return apply(plan, x, kernel, interleave=interleave)

    monkeypatch.setattr(sd.layers, "apply", watching)
    x = drawn(2, 5, 4, CIN)
    original, twin = pair(2, COUT, (5, 3), 2, "same", form=form, interleave=interleave)
    np.testing.assert_allclose(array(twin(x)), array(original(x)), rtol=0, atol=TOLERANCE)
    assert ran == ([] if form == "native" else [(form, interleave)])


def test_positional_arguments_and_configuration_are_kerass():
    arguments = (COUT, (3, 2), (2, 1), "same", (1, 0), "channels_last", (1, 1), "relu", False)
    original, twin = pair(2, *arguments)
    config = twin.get_config()
    assert {k: v for k, v in config.items() if k not in ("form", "interleave", "name")} == {
        k: v for k, v in original.get_config().items() if k != "name"
    }
    again = sd.layers.SplitConv2DTranspose.from_config(config)
    assert again.get_config() == config
    assert sd.layers.SplitConv2DTranspose.from_config(original.get_config()).form == "auto"
    json.dumps(config)


@pytest.mark.parametrize("extra", [None, 0, 1, 2])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_every_output_padding(padding, k, extra):
    x = drawn(2, 4, CIN)
    original, twin = pair(1, COUT, k, 3, padding, output_padding=extra)
    y = array(twin(x))
    np.testing.assert_allclose(y, _definition(twin, x), rtol=0, atol=TOLERANCE)
    assert twin.compute_output_shape(x.shape) == original.compute_output_shape(x.shape)
    assert tuple(twin.compute_output_shape(x.shape)) == y.shape
    # Keras on TensorFlow hands one size to a kernel that aborts.
    if BACKEND == "jax" or (padding, k % 2, extra) != ("same", 0, 0):
        np.testing.assert_allclose(y, array(original(x)), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("form", FORMS[:-1])
def test_channels_first(rank, form):
    """TensorFlow has no kernel for it on a CPU: against the definition, and Keras elsewhere."""
    x = drawn(2, CIN, *SIZES[:rank])
    options = {"padding": "same", "data_format": "channels_first", "bias_initializer": "normal"}
    original, twin = pair(rank, COUT, KERNEL[:rank], STRIDES[:rank], form=form, **options)
    y = array(twin(x))
    np.testing.assert_allclose(y, _definition(twin, x), rtol=0, atol=TOLERANCE)
    assert tuple(twin.compute_output_shape(x.shape)) == y.shape
    if BACKEND != "tensorflow":
        np.testing.assert_allclose(y, array(original(x)), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_dilation(rank, padding):
    x = drawn(2, *SIZES[:rank], CIN)
    _, twin = pair(rank, COUT, KERNEL[:rank], padding=padding, dilation_rate=(2, 3, 1)[:rank])
    y = array(twin(x))
    np.testing.assert_allclose(y, _definition(twin, x), rtol=0, atol=TOLERANCE)
    assert tuple(twin.compute_output_shape(x.shape)) == y.shape


@pytest.mark.parametrize(
    ("policy", "eps"),
    [("mixed_float16", 2.0**-11), ("mixed_bfloat16", 2.0**-8), ("float16", 2.0**-11)]
    + [("float64", 2.0**-53)] * (BACKEND != "jax"),
)
def test_dtype_policies(policy, eps):
    x = drawn(2, 5, 4, CIN)
    original, twin = pair(2, COUT, 3, 2, "same", dtype=policy, form="split")
    y = twin(x)
    dtype = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}.get(policy, policy)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    original.build(x.shape)
    assert (
        twin.kernel.dtype
        == original.kernel.dtype
        == ("float32" if policy.startswith("mixed") else policy)
    )
    rounded = [array(keras.ops.cast(a, dtype)).astype(np.float64) for a in (x, twin.kernel)]
    exact = conv_transpose(*rounded, sd.plan((5, 4), 3, 2))
    # T = 2*2*3 products and one rounding of the sum: 13 * eps * sum |x w|.
    bound = 13 * eps * conv_transpose(*map(abs, rounded), sd.plan((5, 4), 3, 2))
    assert np.all(abs(array(y).astype(np.float64) - exact) <= bound)


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("unknown form", {"form": "fast"}),
        ("unknown form", {"form": None}),
        ("unknown interleave", {"interleave": "shuffle"}),
        ("unknown interleave", {"interleave": ["concat"]}),
    ],
)
def test_refusals(match, options):
    with refused(match) as caught:
        sd.layers.SplitConv2DTranspose(COUT, 3, **options)
    assert caught.value.where == "SplitConv2DTranspose"


def test_a_geometry_without_output_is_refused_when_called():
    layer = sd.layers.SplitConv1DTranspose(COUT, 2, 1, "same", output_padding=0)
    with pytest.raises(sd.SplitDeconvError, match="crops the whole output away"):
        layer(drawn(1, 1, CIN))


def test_kerass_own_checks_remain():
    with pytest.raises(ValueError, match="dilation_rate"):
        sd.layers.SplitConv2DTranspose(COUT, 3, strides=2, dilation_rate=2)
    with pytest.raises(ValueError, match="filters"):
        sd.layers.SplitConv2DTranspose(0, 3)


LOAD = """
import sys
import numpy as np
import splitdeconv.layers
import keras
folder = sys.argv[1]
model = keras.models.load_model(folder + "/model.keras")
assert type(model.layers[-1]) is splitdeconv.layers.SplitConv2DTranspose
np.save(folder + "/y.npy", model.predict(np.load(folder + "/x.npy"), verbose=0))
"""

# Both are run on each of Keras' backends: on PyTorch by test_layers_torch.py.
FILES = [Path(__file__), Path(__file__).with_name("test_layers_models.py")]

# What needs processes of its own is not run by the one that runs this file on JAX.
if BACKEND == "tensorflow":

    @pytest.mark.slow
    def test_a_saved_model_opens_where_the_package_is_imported(tmp_path):
        """In a new process, in Keras' safe mode, without naming custom objects."""
        inputs = keras.Input((5, 4, CIN))
        _, layer = pair(2, COUT, 3, 2, "same", activation="relu", form="stacked")
        model = keras.Model(inputs, layer(inputs))
        model.save(tmp_path / "model.keras")
        x = drawn(2, 5, 4, CIN)
        np.save(tmp_path / "x.npy", x)
        subprocess.run(
            [sys.executable, "-c", LOAD, tmp_path], check=True, capture_output=True, text=True
        )
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0))

    @pytest.mark.slow
    def test_all_of_this_on_kerass_jax_backend():
        """Keras has one backend per process, so the other one gets a process of its own."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            *FILES,
        ]
        environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
        root = Path(__file__).parents[1]
        done = subprocess.run(
            command, check=False, env=environment, cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert " passed" in done.stdout
        assert "skipped" not in done.stdout

"""Which backend an array gets, and that nothing is loaded which the caller does not use."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd
from splitdeconv.core import backends
from splitdeconv.core.backends import (
    jax as jax_backend,
    numpy as numpy_backend,
    tensorflow as tensorflow_backend,
)
from tests.refusals import refused


def test_an_array_chooses_its_library():
    assert backends.of(np.ones(2)) is numpy_backend
    assert backends.of(jnp.ones(2)) is jax_backend
    assert backends.of(tf.ones(2)) is tensorflow_backend
    assert backends.of(tf.Variable([1.0])) is tensorflow_backend


def test_traced_arrays_too():
    seen = []
    jax.eval_shape(lambda x: seen.append(backends.of(x)), jnp.ones(2))
    tf.function(lambda x: seen.append(backends.of(x))).get_concrete_function(tf.TensorSpec([2]))
    assert seen == [jax_backend, tensorflow_backend]


@pytest.mark.parametrize("value", [[1.0], 1.0, None, "x", np.float32(1)], ids=repr)
def test_nothing_else_has_a_backend(value):
    with refused("no backend for this kind of array"):
        backends.of(value)


def test_what_is_of_no_library_becomes_an_array_of_the_default_one(monkeypatch):
    numbers = np.array([[1.5, -2.0]], "float32")
    assert tf.is_tensor(backends.tensor(numbers))
    monkeypatch.setattr(backends, "default_library", lambda: "jax")
    made = backends.tensor(numbers)
    assert isinstance(made, jax.Array)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, numbers)


def test_jax_does_not_round_float64_without_a_word(monkeypatch):
    monkeypatch.setattr(backends, "default_library", lambda: "jax")
    third = np.array([1 / 3])
    with refused("JAX would round this float64 input to float32"):
        backends.tensor(third)
    with refused("would round this float64 input"):
        sd.conv1d_transpose(third.reshape(1, 1, 1), np.ones((2, 1, 1)), None, 2)
    with backends.double_precision():
        kept = backends.tensor(third)
        assert kept.dtype == np.float64
        np.testing.assert_array_equal(kept, third)
    assert not jax.config.jax_enable_x64


def test_every_backend_offers_the_same_operations():
    names = [
        "asarray",
        "shape",
        "reshape",
        "regroup",
        "transpose",
        "pad",
        "take",
        "concat",
        "split_channels",
        "zeros_like",
    ]
    names += ["depth_to_space", "conv", "conv_transpose"]
    for module in (numpy_backend, jax_backend, tensorflow_backend):
        assert [name for name in names if not callable(getattr(module, name, None))] == []


def test_static_shape():
    assert backends.static_shape(np.ones((2, 3))) == (2, 3)
    assert backends.static_shape(tf.ones((2, 3))) == (2, 3)
    seen = []
    run = tf.function(lambda x: seen.append(backends.static_shape(x)))
    for spec in (tf.TensorSpec([None, 3]), tf.TensorSpec(None)):
        run.get_concrete_function(spec)
    assert seen == [(None, 3), ()]


LAZY = """
import sys
import numpy as np
import splitdeconv as sd
plan = sd.plan((16, 16), 5, 2)
print(plan, plan.macs(3, 4))
x, w = np.ones((1, 16, 16, 3)), np.ones((5, 5, 4, 3))
assert sd.apply(plan, x, w).shape == (1, 32, 32, 4)
sd.conv2d_transpose  # resolved, not called
try:
    sd.apply(plan, x.tolist(), w)
except sd.SplitDeconvError:
    pass
loaded = {"tensorflow", "jax", "keras", "torch", "matplotlib"} & set(sys.modules)
assert not loaded, loaded
"""


def test_planning_and_numpy_load_no_framework():
    subprocess.run([sys.executable, "-c", LAZY], check=True, capture_output=True)

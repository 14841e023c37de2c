"""Every operation of the TensorFlow and JAX backends equals NumPy's, bit for bit on integers."""

from itertools import product
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from splitdeconv import plan
from splitdeconv.core.backends import (
    jax as jax_backend,
    numpy as reference,
    tensorflow as tensorflow_backend,
)

OTHERS = {
    "tensorflow": SimpleNamespace(module=tensorflow_backend, array=tf.constant),
    "jax": SimpleNamespace(module=jax_backend, array=jnp.asarray),
}
PADS = [
    [(0, 0), (0, 0)],
    [(1, 2), (0, 3)],
    [(-1, -2), (0, -1)],
    [(-1, 2), (2, -1)],
    [(3, -4), (-4, 3)],
    [(0, -3), (-2, 0)],
]


@pytest.fixture(params=OTHERS)
def other(request):
    return OTHERS[request.param]


def _integers(*shape):
    return np.random.default_rng(len(shape)).integers(-9, 10, shape).astype(np.float32)


def _same(other, name, x, *arguments):
    """`name` of both backends on x and the same further arguments, arrays converted."""
    converted = [other.array(a) if isinstance(a, np.ndarray) else a for a in (x, *arguments)]
    found = getattr(other.module, name)(*converted)
    expected = getattr(reference, name)(x, *arguments)
    for a, b in zip(
        *(v if isinstance(v, list | tuple) else [v] for v in (found, expected)), strict=True
    ):
        assert type(converted[0]) is type(a) or name == "shape"
        np.testing.assert_array_equal(np.asarray(a), b)
        assert np.asarray(a).dtype == b.dtype if name != "shape" else type(a) is int


@pytest.mark.parametrize("pads", PADS, ids=str)
def test_pad(other, pads):
    _same(other, "pad", _integers(5, 6), pads)


def test_pad_by_hand():
    x = np.arange(1, 6)
    for pads, expected in (
        ((2, 0), [0, 0, 1, 2, 3, 4, 5]),
        ((-2, 1), [3, 4, 5, 0]),
        ((1, -3), [0, 1, 2]),
        ((-1, -1), [2, 3, 4]),
        ((-4, 0), [5]),
        ((6, -8), [0, 0, 0]),
    ):
        np.testing.assert_array_equal(reference.pad(x, [pads]), expected)


@pytest.mark.parametrize("axis", range(3))
def test_take(other, axis):
    _same(other, "take", _integers(3, 4, 5), [[2, 0, 1], [1, 1, 0]], axis)


def test_reshape_transpose_zeros_shape(other):
    x = _integers(2, 3, 4)
    _same(other, "reshape", x, (4, 6))
    _same(other, "transpose", x, (2, 0, 1))
    _same(other, "zeros_like", x)
    _same(other, "shape", x)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_concat_and_split_channels_are_inverse(other, parts):
    x = _integers(2, 3, 6)
    _same(other, "split_channels", x, parts)
    pieces = other.module.split_channels(other.array(x), parts)
    assert len(pieces) == parts
    np.testing.assert_array_equal(other.module.concat(pieces, -1), x)
    np.testing.assert_array_equal(
        other.module.concat(pieces, 1), np.concatenate(reference.split_channels(x, parts), axis=1)
    )


def test_depth_to_space(other):
    _same(other, "depth_to_space", _integers(2, 3, 4, 18), 3)
    # Channels (phase row, phase column, c): 0..3 become the pixels of one 2x2 block.
    np.testing.assert_array_equal(
        reference.depth_to_space(np.arange(4).reshape(1, 1, 1, 4), 2)[0, ..., 0], [[0, 1], [2, 3]]
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_constants_take_the_type_of_the_input(other, dtype):
    like = (
        tf.cast(other.array(_integers(2)), dtype)
        if other is OTHERS["tensorflow"]
        else jnp.ones(2, dtype)
    )
    constant = other.module.asarray(np.array([1.5, -2.0]), like=like)
    assert constant.dtype == like.dtype
    np.testing.assert_array_equal(np.asarray(constant).astype(float), [1.5, -2.0])


CONVOLUTIONS = [
    # lengths, taps, pads, dilations, groups
    ((6,), (3,), [(1, 2)], (1,), 1),
    ((6,), (2,), [(-1, 3)], (3,), 2),
    ((5, 6), (3, 2), [(1, 1), (0, 2)], (1, 1), 1),
    ((5, 6), (1, 2), [(-2, 0), (0, -1)], (1, 1), 1),
    ((5, 6), (3, 2), [(-1, 2), (3, -2)], (1, 1), 1),
    # More is sliced off than there is: zeros alone remain.
    ((5, 6), (3, 2), [(7, -8), (-7, 5)], (1, 1), 1),
    ((5, 6), (2, 3), [(1, 1), (2, 2)], (2, 3), 1),
    ((5, 6), (2, 3), [(1, -1), (2, 2)], (1, 2), 2),
    ((5, 6), (2, 3), [(0, 1), (2, 0)], (1, 1), 3),
    ((5, 6), (2, 2), [(0, 1), (2, 0)], (1, 2), 6),
    ((4, 3, 5), (2, 3, 1), [(0, 1), (1, 1), (0, 0)], (1, 1, 1), 1),
    ((4, 3, 5), (2, 1, 3), [(0, 1), (-1, 0), (2, -1)], (2, 1, 1), 2),
]


@pytest.mark.parametrize(("lengths", "taps", "pads", "dilations", "groups"), CONVOLUTIONS, ids=str)
def test_conv(other, lengths, taps, pads, dilations, groups):
    # Products up to 81, at most 9 taps * 6 channels: every partial sum is an integer that float32
    # holds.
    _same(
        other,
        "conv",
        _integers(2, *lengths, 6),
        _integers(*taps, 6 // groups, 2 * groups),
        pads,
        dilations,
        groups,
    )


@pytest.mark.parametrize(("lengths", "taps", "pads", "dilations", "groups"), CONVOLUTIONS, ids=str)
def test_numpy_conv_equals_its_definition(lengths, taps, pads, dilations, groups):
    """y[q] = sum of x[q + d*tap - before] w[tap] over taps and channels, zero outside of x."""
    x, w = _integers(2, *lengths, 6), _integers(*taps, 6 // groups, 2 * groups)
    values = zip(lengths, taps, pads, dilations, strict=True)
    sizes = [n + sum(p) - d * (k - 1) for n, k, p, d in values]
    y = np.zeros((2, *sizes, 2 * groups), np.float32)
    for q, tap, g in product(np.ndindex(*sizes), np.ndindex(*taps), range(groups)):
        i = [
            a + d * t - before for a, d, t, (before, _) in zip(q, dilations, tap, pads, strict=True)
        ]
        if all(0 <= a < n for a, n in zip(i, lengths, strict=True)):
            c, m = (slice(g * n, (g + 1) * n) for n in (6 // groups, 2))
            y[(slice(None), *q, m)] += x[(slice(None), *i, c)] @ w[(*tap, slice(None), m)]
    np.testing.assert_array_equal(reference.conv(x, w, pads, dilations, groups), y)


BOTH = ["tensorflow", "jax"]


@pytest.mark.parametrize(
    ("arguments", "libraries"),
    [
        ({"input_shape": (5,), "kernel_size": 4, "strides": 3}, BOTH),
        ({"input_shape": (5, 4), "kernel_size": (4, 3), "strides": 2}, BOTH),
        (
            {"input_shape": (5, 4), "kernel_size": (1, 5), "strides": (3, 2), "padding": "VALID"},
            BOTH,
        ),
        (
            {"input_shape": (5, 4), "kernel_size": 3, "strides": 2, "padding": [(3, 0), (0, 1)]},
            BOTH,
        ),
        ({"input_shape": (5, 4), "kernel_size": 2, "strides": 3, "output_shape": (13, 11)}, BOTH),
        (
            {
                "input_shape": (5, 4),
                "kernel_size": 3,
                "strides": 2,
                "padding": [(1, 1)] * 2,
                "output_padding": 1,
            },
            ["tensorflow", "jax"],
        ),
        ({"input_shape": (3, 4, 2), "kernel_size": 3, "strides": 2}, BOTH),
        # What tf.nn has no CPU kernel for.
        ({"input_shape": (5, 4), "kernel_size": 3, "strides": 2, "dilations": (1, 3)}, ["jax"]),
        ({"input_shape": (5, 4), "kernel_size": 3, "strides": 2, "groups": 2}, ["jax"]),
    ],
    ids=str,
)
def test_native_operator(arguments, libraries):
    planned = plan(**arguments, form="native")
    kernel = [axis.k for axis in planned.axes]
    x, w = _integers(2, *arguments["input_shape"], 6), _integers(*kernel, 3, 6)
    for library in libraries:
        _same(OTHERS[library], "conv_transpose", x, w, planned)


def test_tensorflow_keeps_unknown_lengths_symbolic():
    x = _integers(2, 5, 6, 4)
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 4])])
    def run(x):
        shapes.append([type(n) is int for n in tensorflow_backend.shape(x)])
        flat = tensorflow_backend.reshape(x, (*tensorflow_backend.shape(x)[:3], 2, 2))
        return tensorflow_backend.conv(x, tf.ones((2, 2, 4, 3)), [(1, -1), (0, 2)], (2, 3), 1), flat

    y, flat = run(x)
    assert shapes == [[False, False, False, True]]
    np.testing.assert_array_equal(flat, x.reshape(2, 5, 6, 2, 2))
    ones = np.ones((2, 2, 4, 3), np.float32)
    np.testing.assert_array_equal(y, reference.conv(x, ones, [(1, -1), (0, 2)], (2, 3), 1))


@pytest.mark.parametrize(
    ("vector", "values"),
    [([1, 2, 3], (1, 2, 3)), (np.array([4, 5], np.int64), (4, 5)), ((np.int32(1), 2), (1, 2))],
    ids=str,
)
def test_static_values(other, vector, values):
    assert other.module.static_values(vector, 3) == values


@pytest.mark.parametrize("vector", [[1.0, 2], [1, None], None, 3, "ab"], ids=str)
def test_no_static_values(other, vector):
    with pytest.raises((TypeError, ValueError)):
        other.module.static_values(vector, 2)


def test_static_values_of_tensors_are_known_in_part():
    found = []

    @tf.function
    def run(n, vector, anything):
        for value in (tf.stack([n, 4]), [n, tf.constant(5)], vector, anything):
            found.append(tensorflow_backend.static_values(value, 3))

    scalar, vector = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int64)
    run.get_concrete_function(scalar, vector, tf.TensorSpec(None, tf.int32))
    assert found == [(None, 4), (None, 5), (None, None), (None, None, None)]

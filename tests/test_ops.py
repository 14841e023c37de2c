"""The operators as drop-ins for tf.nn: arguments, types, tracing, layouts, libraries."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from tests import references
from tests.geometries import Case
from tests.layer import (
    CIN,
    COUT,
    FIRST,
    FORMS,
    LAST,
    STRIDES,
    channels_first,
    data,
    definition,
    operator,
)


@pytest.mark.parametrize("form", ["auto", *FORMS])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_types(dtype, rank, form):
    """The result has the input's type and its precision."""
    x, w = (tf.cast(a, dtype) for a in data(rank))
    y = operator(rank)(x, w, None, STRIDES[:rank], form=form)
    assert y.dtype == dtype
    eps = {"float16": 2**-11, "bfloat16": 2**-8, "float32": 2**-24, "float64": 2**-53}[dtype]
    # An output sums at most T = 2*1*1*3 products (taps 4/2, 3/3, 2/2): T roundings, each at most
    # eps times sum |x w|.
    bound = 7 * eps * definition(abs(np.asarray(x)), abs(np.asarray(w)))
    assert np.all(abs(np.asarray(y).astype(np.float64) - definition(x, w)) <= bound)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("form", ["auto", *FORMS])
def test_channels_first(rank, form):
    """On a CPU, where tf.nn has no such kernel for 2-D and 3-D; with its gradients."""
    x, w = data(rank)
    found = {}
    for layout, source in ((LAST[rank], x), (FIRST[rank], channels_first(x))):
        source, filters = tf.constant(source), tf.constant(w)
        with tf.GradientTape() as tape:
            tape.watch([source, filters])
            y = operator(rank)(source, filters, None, STRIDES[:rank], data_format=layout, form=form)
            loss = tf.reduce_sum(y**3)
        found[layout] = y, *tape.gradient(loss, [source, filters])
    (y, dx, dw), (y_first, dx_first, dw_first) = found.values()
    np.testing.assert_array_equal(channels_first(y), y_first)
    np.testing.assert_array_equal(channels_first(dx), dx_first)
    np.testing.assert_array_equal(dw, dw_first)
    np.testing.assert_allclose(
        y, definition(x, w), rtol=0, atol=1e-13
    )  # 6 products of O(1): 6 * eps * 6 = 4e-15


def test_arguments_per_input_dimension():
    """Strides, dilations and pads as tf.nn takes them: one, one per spatial or per dimension."""
    x, w = data(2, np.float32)
    x_first = channels_first(x)
    pads = [(1, 0), (0, 2)]
    expected = definition(x, w, strides=2, padding=pads, dilations=(1, 2))
    for strides, dilations, around in product(
        (2, [2], (2, 2), [1, 2, 2, 1], np.array([2, 2])),
        ((1, 2), [1, 1, 2, 1]),
        (pads, [(0, 0), *pads, [0, 0]]),
    ):
        y = sd.conv2d_transpose(x, w, None, strides, around, dilations=dilations)
        np.testing.assert_allclose(
            y, expected, rtol=0, atol=1e-5
        )  # 18 float32 products of O(1): 18 * 18 * 6e-8 = 2e-5
    y = sd.conv2d_transpose(
        x_first, w, None, [1, 1, 2, 2], [(0, 0), (0, 0), *pads], "NCHW", [1, 1, 1, 2]
    )
    np.testing.assert_allclose(y, channels_first(expected), rtol=0, atol=1e-5)


def test_positional_arguments_are_those_of_tf_nn():
    x, w = map(tf.constant, data(2))
    arguments = x, w, (2, 9, 12, 2), (2, 3), "SAME", "NHWC", None, "a_name"
    np.testing.assert_allclose(
        sd.conv2d_transpose(*arguments), tf.nn.conv2d_transpose(*arguments), rtol=0, atol=1e-13
    )


def test_data_of_any_kind():
    """NumPy, lists, variables and TensorFlow give TensorFlow; JAX gives JAX."""
    x, w = data(2, np.float32)
    expected = np.asarray(sd.conv2d_transpose(tf.constant(x), tf.constant(w), None, 2))
    for source, filters in product(
        (x, x.tolist(), tf.Variable(x)), (w, w.tolist(), tf.Variable(w), jnp.asarray(w))
    ):
        y = sd.conv2d_transpose(source, filters, None, 2)
        assert tf.is_tensor(y)
        np.testing.assert_array_equal(y, expected)
    for filters in (w, w.tolist(), jnp.asarray(w), tf.constant(w)):
        y = sd.conv2d_transpose(jnp.asarray(x), filters, None, 2)
        assert isinstance(y, jax.Array)
        np.testing.assert_allclose(
            y, expected, rtol=0, atol=1e-5
        )  # 12 float32 products of O(1): 12 * 12 * 6e-8 = 1e-5


def test_double_precision_constants_follow_the_input():
    x, w = data(2)
    single = tf.constant(x, tf.float32)
    y = sd.conv2d_transpose(single, w, None, 2)
    assert y.dtype == tf.float32
    np.testing.assert_array_equal(y, sd.conv2d_transpose(single, w.astype(np.float32), None, 2))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_native_is_tf_nns_own(rank):
    x, w = data(rank)
    shape = (2, *definition(x, w).shape[1:])
    own = getattr(tf.nn, f"conv{rank}d_transpose")(x, w, shape, STRIDES[:rank])
    for output_shape, padding in ((shape, "SAME"), (None, "same")):
        y = operator(rank)(tf.constant(x), w, output_shape, STRIDES[:rank], padding, form="native")
        np.testing.assert_array_equal(y, own)
    run = tf.function(lambda x: operator(rank)(x, w, shape, STRIDES[:rank], form="native"))
    kinds = [op.type for op in run.get_concrete_function(x).graph.get_operations()]
    assert kinds.count("Conv3DBackpropInputV2" if rank == 3 else "Conv2DBackpropInput") == 1
    assert not {"Conv2D", "Conv3D", "StridedSlice"} & set(kinds)


def test_native_takes_pads_and_unknown_sizes():
    x, w = data(2)
    y = sd.conv2d_transpose(tf.constant(x), w, None, 2, [(1, 0), (0, 1)], form="native")
    np.testing.assert_allclose(
        y, definition(x, w, strides=2, padding=[(1, 0), (0, 1)]), rtol=0, atol=1e-13
    )
    run = tf.function(lambda x: sd.conv2d_transpose(x, w, None, (2, 3), "VALID", form="native"))
    y = run.get_concrete_function(tf.TensorSpec([None, None, None, CIN], tf.float64))(
        tf.constant(x)
    )
    np.testing.assert_allclose(y, definition(x, w, padding="VALID"), rtol=0, atol=1e-13)


def test_native_channels_first_compiled():
    """tf.nn has no such kernel on a CPU outside XLA, so it is compiled."""
    x, w = data(2)
    run = tf.function(
        lambda x: sd.conv2d_transpose(x, w, None, 2, data_format="NCHW", form="native"),
        jit_compile=True,
    )
    y = definition(x, w, strides=2)
    np.testing.assert_allclose(
        run(tf.constant(channels_first(x))), channels_first(y), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("form", ["auto", *FORMS, "native"])
def test_jax(form):
    """Value and both gradients, compiled, dilated, grouped and channels first, in float64."""
    case = Case(
        (5, 4), (4, 3), (2, 3), (2, 1), "VALID", (16, 13), None, groups=3, batch=2, cin=3, cout=6
    )
    x, w = case.arrays()
    r = np.random.default_rng(9).standard_normal(case.full_output_shape)

    def loss(x, w):
        shape = (2, 6, 16, 13)
        y = sd.conv2d_transpose(
            x, w, shape, case.strides, "VALID", "NCHW", case.dilations, form=form
        )
        return jnp.vdot(y, channels_first(r)), y

    with jax.enable_x64(True):
        (_, y), (dx, dw) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(
            channels_first(x), w
        )
    assert y.dtype == np.float64
    np.testing.assert_allclose(
        y, channels_first(conv_transpose(x, w, case.plan())), rtol=0, atol=1e-13
    )
    expected = references.gradients(case, x, w, r)
    # At most 2*16*13 products of O(1): 4e2 * eps * 4e2 = 2e-11 in the worst order.
    np.testing.assert_allclose(dx, channels_first(expected[0]), rtol=0, atol=1e-10)
    np.testing.assert_allclose(dw, expected[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", ["split", "native"])
def test_jax_constants_follow_the_input(form):
    x, w = data(2)
    y = sd.conv2d_transpose(jnp.asarray(x, jnp.bfloat16), w, None, 2, form=form)
    assert y.dtype == jnp.bfloat16


def test_an_empty_batch_is_no_special_case():
    x, w = data(2)
    assert sd.conv2d_transpose(x[:0], w, None, 2).shape == (0, 10, 8, COUT)


@pytest.mark.parametrize("form", ["auto", "split", "rows", "stacked", "paper", "nzp", "native"])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_empty_batch_has_the_output_s_shape_and_gradients(form, stride):
    x, w = tf.zeros((0, 6, 7, 4)), tf.random.stateless_normal((5, 4, 8, 4), (1, 2))
    output = (0, 6 * stride, 7 * stride, 8)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = sd.conv2d_transpose(x, w, output, stride, form=form)
    assert y.shape == output
    if form != "native":  # whose gradient has the wrong shape
        gradients = tape.gradient(y, [x, w])
        assert [g.shape for g in gradients] == [x.shape, w.shape]
        assert not gradients[1].numpy().any()
    line = sd.conv1d_transpose(x[:, 0], w[0], (0, 7 * stride, 8), stride, form=form)
    assert line.shape == (0, 7 * stride, 8)
    if form not in ("auto", "native"):
        assert (
            sd.apply(sd.plan((6, 7), (5, 4), stride, form=form), x.numpy(), w.numpy()).shape
            == output
        )


def test_nan_and_infinity_stay_where_native_leaves_them_in_the_split_form(rng):
    x, w = rng.standard_normal((1, 6, 7, 3)), tf.constant(rng.standard_normal((5, 4, 2, 3)))
    x[0, 2, 3, 1], x[0, 4, 1, 0] = np.nan, np.inf
    native, split, rows = (
        sd.conv2d_transpose(tf.constant(x), w, (1, 12, 14, 2), 2, form=form).numpy()
        for form in ("native", "split", "rows")
    )
    for seen in (np.isnan, np.isinf):
        np.testing.assert_array_equal(seen(split), seen(native))
    # As documented: phases that share a window multiply NaN by the zeros that widen it.
    assert np.isnan(rows).sum() > np.isnan(native).sum()


def test_pads_that_reach_past_the_input():
    # The window of a phase lies wholly behind the input: it is padded first and sliced then.
    plan = sd.plan((1, 1), 1, 4, [(0, 0)] * 2, dilations=3, form="paper")
    x, w = np.full((1, 1, 1, 2), 3.0), np.full((1, 1, 2, 2), -2.0)
    np.testing.assert_array_equal(sd.apply(plan, tf.constant(x), w), conv_transpose(x, w, plan))

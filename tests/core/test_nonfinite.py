"""How NaN and infinity spread, beside TensorFlow's own operator: what README promises."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd

LIBRARIES = {"numpy": np.asarray, "tensorflow": tf.constant, "jax": jnp.asarray}
NATIVE = {1: tf.nn.conv1d_transpose, 2: tf.nn.conv2d_transpose, 3: tf.nn.conv3d_transpose}
# Kernels shorter than, equal to and longer than the stride, whole multiples of it or not.
GEOMETRIES = [
    (k, s, "SAME" if (k + s) % 2 else "VALID")
    for k, s in itertools.product((1, 2, 3, 5), (1, 2, 3))
]


def data(rng, rank, kernel):
    """An input of 5, of 5x6 or of 5x6x4 pixels, and filters of `kernel` taps per axis."""
    sizes = (5, 6, 4)[:rank]
    x = rng.standard_normal((2, *sizes, 3)).astype("f4")
    return x, rng.standard_normal((*[kernel] * rank, 4, 3)).astype("f4")


def results(x, filters, stride, padding, form):
    """The native operator's result, and that of a form in each library."""
    plan = sd.plan(x.shape[1:-1], filters.shape[:-2], stride, padding=padding, form=form)
    native = NATIVE[x.ndim - 2](
        x, filters, (len(x), *plan.output_shape, filters.shape[-2]), stride, padding
    )
    with np.errstate(invalid="ignore"):
        found = {
            name: np.asarray(sd.apply(plan, of(x), of(filters))) for name, of in LIBRARIES.items()
        }
    return native.numpy(), found


def kinds(values):
    """Which values are NaN, infinity, minus infinity or finite."""
    return np.select(
        [np.isnan(values), np.isposinf(values), np.isneginf(values)], ["nan", "+", "-"], ""
    )


@pytest.mark.slow
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("form", ["split", "nzp"])
def test_those_of_the_input_spread_as_natively_in_split_and_nzp(rng, form, rank):
    for kernel, stride, padding in GEOMETRIES:
        x, filters = data(rng, rank, kernel)
        for value in (np.nan, np.inf, -np.inf):
            x.reshape(-1)[rng.integers(x.size)] = value
        native, found = results(x, filters, stride, padding, form)
        assert not np.isfinite(native).all()
        for library, ours in found.items():
            case = (kernel, stride, padding, library)
            np.testing.assert_array_equal(kinds(ours), kinds(native), err_msg=str(case))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["rows", "stacked", "paper"])
def test_in_other_forms_those_of_the_input_spread_at_least_as_far(rng, form):
    further = 0
    for kernel, stride, padding in GEOMETRIES:
        x, filters = data(rng, 2, kernel)
        x[0, 2, 3, 1] = np.nan
        native, found = results(x, filters, stride, padding, form)
        for ours in found.values():
            assert np.isnan(ours)[np.isnan(native)].all()
            further += np.isnan(ours).sum() > np.isnan(native).sum()
    assert further


@pytest.mark.parametrize("form", ["split", "rows", "stacked", "paper", "nzp"])
def test_those_of_the_filters_reach_pads_and_inserted_zeros(rng, form):
    further = 0
    for kernel, stride, padding in GEOMETRIES:
        x, filters = data(rng, 2, kernel)
        filters[kernel // 2, kernel // 2, 1, 2] = np.nan
        native, found = results(x, filters, stride, padding, form)
        for ours in found.values():
            assert np.isnan(ours)[np.isnan(native)].all()
            further += np.isnan(ours).sum() > np.isnan(native).sum()
    assert further

"""The definition itself, against numbers worked out by hand and its equation, term by term."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from splitdeconv.core.definition import conv_transpose, rounding_bound
from splitdeconv.core.geometry import Axis
from tests import references
from tests.geometries import CASES


def _run(x, w, *axes, groups=1):
    """Arrays given without batch and channels where those are 1."""
    rank = len(axes)
    x, w = np.asarray(x), np.asarray(w)
    x = x[None, ..., None] if x.ndim == rank else x
    w = w[..., None, None] if w.ndim == rank else w
    return conv_transpose(x, w, SimpleNamespace(axes=axes, groups=groups))


# x = [1, -2], w = [3, 5, 7], stride 2: 1*[3, 5, 7] lands on 0..2, -2*[3, 5, 7] on 2..4; sum [3, 5,
# 7-6, -10, -14].
@pytest.mark.parametrize(
    ("p", "tail", "expected"),
    [
        (0, 1, [3, 5, 1, -10, -14]),
        (0, 0, [3, 5, 1, -10]),
        (1, -1, [5, 1, -10]),
        (1, 1, [5, 1, -10, -14, 0]),
        (-2, 0, [0, 0, 3, 5]),
        (4, -2, [-14, 0]),
    ],
)
def test_one_axis_by_hand(p, tail, expected):
    y = _run([1, -2], [3, 5, 7], Axis(n=2, k=3, s=2, d=1, p=p, tail=tail))
    np.testing.assert_array_equal(y.ravel(), expected)


def test_dilation_by_hand():
    # Taps 3 apart: 1*[3, 0, 0, 5] on 0..3 and -2*[3, 0, 0, 5] on 2..5.
    y = _run([1, -2], [3, 5], Axis(n=2, k=2, s=2, d=3, p=0, tail=2))
    np.testing.assert_array_equal(y.ravel(), [3, 0, -6, 5, 0, -10])


def test_kernel_shorter_than_the_stride_leaves_gaps():
    y = _run([1, -2], [3], Axis(n=2, k=1, s=3, d=1, p=0, tail=0))
    np.testing.assert_array_equal(y.ravel(), [3, 0, 0, -6, 0, 0])


def test_two_axes_by_hand():
    # [[1, 2]] scattered with strides (1, 2): 1*[[1, 10, 100], [2, 20, 200]] from column 0, 2*[...]
    # from column 2.
    y = _run(
        [[1, 2]],
        [[1, 10, 100], [2, 20, 200]],
        Axis(n=1, k=2, s=1, d=1, p=0, tail=1),
        Axis(n=2, k=3, s=2, d=1, p=0, tail=1),
    )
    np.testing.assert_array_equal(y[0, ..., 0], [[1, 10, 102, 20, 200], [2, 20, 204, 40, 400]])


def test_channels_and_groups_by_hand():
    # Filters (tap, out, in): group 0 maps inputs 0, 1 to outputs 0, 1; group 1 maps inputs 2, 3 to
    # outputs 2, 3.
    x = np.array([[[1, 2, 3, 4]]])
    w = np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]])
    axis = Axis(n=1, k=1, s=1, d=1, p=0, tail=0)
    np.testing.assert_array_equal(_run(x, w, axis).ravel(), [30, 70])
    np.testing.assert_array_equal(
        _run(x, w, axis, groups=2).ravel(), [1 + 4, 5 + 12, 9 + 16, 21 + 32]
    )


def test_images_of_a_batch_do_not_mix():
    y = _run(np.array([[[1], [0]], [[0], [10]]]), [2, 3], Axis(n=2, k=2, s=2, d=1, p=0, tail=0))
    assert y.ndim == 3
    np.testing.assert_array_equal(y[..., 0], [[2, 3, 0, 0], [0, 0, 20, 30]])


@pytest.mark.parametrize(
    "case", [c for c in CASES if np.prod(c.outputs) * np.prod(c.sizes) < 200][:40], ids=str
)
def test_equals_its_equation_summed_term_by_term(case):
    x, w = case.integers(np.int64)
    planned, g = case.plan(), case.groups
    y = np.zeros(case.full_output_shape, np.int64)
    for q, i in product(np.ndindex(*case.outputs), np.ndindex(*case.sizes)):
        # y[q] = sum x[i] w[u] with i*s = q + p - d*u.
        u = [(b + a.p - c * a.s) / a.d for b, c, a in zip(q, i, planned.axes, strict=True)]
        if all(t == int(t) and 0 <= t < a.k for t, a in zip(u, planned.axes, strict=True)):
            tap = w[tuple(map(int, u))]
            for j in range(g):
                c, m = (slice(j * n // g, (j + 1) * n // g) for n in (case.cin, case.cout))
                y[(slice(None), *q, m)] += x[(slice(None), *i, c)] @ tap[:, c].T
    np.testing.assert_array_equal(conv_transpose(x, w, planned), y)


@pytest.mark.parametrize("case", CASES[::20], ids=str)
def test_gradient_reference_is_the_adjoint(case):
    """<A(x, w), r> = <x, dx> = <w, dw>: the map is linear in x and in w."""
    x, w = case.arrays()
    r = np.random.default_rng(1).standard_normal(case.full_output_shape)
    dx, dw = references.gradients(case, x, w, r)
    product_ = np.vdot(conv_transpose(x, w, case.plan()), r)
    # Sums of at most 1e4 products of O(1): 1e4 * eps = 2e-12, times 50 for the size of the result.
    np.testing.assert_allclose([np.vdot(x, dx), np.vdot(w, dw)], product_, rtol=0, atol=1e-10)


def test_the_rounding_bound_by_hand():
    # One pixel through a 3-tap filter of two groups and dilation 2: taps at 0, 2 and 4, nothing
    # between. A sum has at most m = 3 taps * 4 input channels / 2 groups = 6 products; with epsilon
    # 1/64, gamma = 6/64 / (1 - 6/64) = 6/58.
    plan = SimpleNamespace(axes=(Axis(n=1, k=3, s=1, d=2, p=0, tail=4),), groups=2)
    x = np.array([[[1.0, -2.0, 3.0, -4.0]]])
    filters = -np.arange(1.0, 13.0).reshape(3, 1, 4)
    found = rounding_bound(x, filters, plan, 1 / 64)
    # |x||w| tap by tap: 1*1 + 2*2 and 3*3 + 4*4, 1*5 + 2*6 and 3*7 + 4*8, 1*9 + 2*10 and 3*11 +
    # 4*12.
    expected = np.array([[[5, 25], [0, 0], [17, 53], [0, 0], [29, 81]]])
    np.testing.assert_allclose(found, 2 * 6 / 58 * expected, rtol=1e-12)

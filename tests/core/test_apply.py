"""Plans run by value: every geometry, form and interleave against two references."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.forms import COMPUTED_FORMS as FORMS, INTERLEAVES
from tests import references
from tests.geometries import CASES, Case, cases

# Sums of at most 6*6*3 or 4*4*4*3 products of standard normals: with T = 192 and |xw| about 0.6,
# rounding stays below T * eps * sum|xw| = 192 * 1.1e-16 * 122 = 2.6e-12 in the worst order, and
# near 1e-14 in any real one.
TOLERANCE = 1e-12


@pytest.fixture(autouse=True)
def _seeded():
    """No global seed: nothing here draws from one, and TensorFlow's drops its kernels."""


def _interleaves(case):
    """Those the case allows: depth_to_space is for two axes of one stride."""
    return [
        i
        for i in INTERLEAVES
        if i != "depth_to_space" or (case.rank == 2 and len(set(case.strides)) == 1)
    ]


def _turn(index, case):
    """(form, interleave) pairs for a case: all forms, and all interleaves in turn."""
    allowed = _interleaves(case)
    return [(form, allowed[(index + j) % len(allowed)]) for j, form in enumerate(FORMS)]


def _run(case, x, w, form, interleave):
    """By the operator where its arguments can say the case, else by the plan."""
    if case.output_padding or None in (case.output_shape or ()):
        return sd.apply(case.plan(form), x, w, interleave=interleave)
    default = case.output_shape is None and case.groups == 1
    operator = getattr(sd, f"conv{case.rank}d_transpose")
    return operator(
        x,
        w,
        None if default else case.full_output_shape,
        case.strides,
        case.padding,
        dilations=case.dilations,
        form=form,
        interleave=interleave,
    )


# Every third case in `make test`; `make test-all` runs all of them.
@pytest.mark.parametrize(
    ("index", "case"),
    [
        pytest.param(index, case, marks=[pytest.mark.slow] if index % 3 else [])
        for index, case in enumerate(CASES)
    ],
    ids=map(str, CASES),
)
def test_exact(index, case):
    """Every form equals the definition and tf.nn in float64, and bit for bit on integers."""
    x, w = case.arrays()
    definition = conv_transpose(x, w, case.plan())
    assert definition.shape == case.full_output_shape
    tensors = tf.constant(x), tf.constant(w)
    second = references.tf_nn(case, *tensors).numpy()
    np.testing.assert_allclose(second, definition, rtol=0, atol=TOLERANCE)
    for j, (form, interleave) in enumerate(_turn(index, case)):
        # Filters as constants and as tensors in turn: they are split on the host and in the graph.
        y = _run(case, tensors[0], w if (index + j) % 2 else tensors[1], form, interleave).numpy()
        np.testing.assert_allclose(
            y, definition, rtol=0, atol=TOLERANCE, err_msg=f"{form}, {interleave}"
        )
        np.testing.assert_allclose(
            y, second, rtol=0, atol=TOLERANCE, err_msg=f"{form}, {interleave}"
        )
    x, w = case.integers()
    form, interleave = _turn(index, case)[index % len(FORMS)]
    # Products below 144, sums below 2**24: float32 holds every partial sum exactly, in any order.
    y = _run(case, tf.constant(x), w, form, interleave).numpy()
    np.testing.assert_array_equal(y, conv_transpose(x.astype(int), w.astype(int), case.plan()))


def test_the_list_covers_the_hard_cases():
    assert len(CASES) >= 1000
    pairs = Counter(pair for index, case in enumerate(CASES) for pair in _turn(index, case))
    assert set(pairs) == {(form, interleave) for form in FORMS for interleave in INTERLEAVES}
    assert min(pairs.values()) >= 100
    kinds = Counter()
    for case in CASES:
        geometry = list(zip(case.kernel, case.strides, case.outputs, case.plan().axes, strict=True))
        kinds.update(
            [
                f"{case.rank}-D",
                f"padding {case.padding if isinstance(case.padding, str) else 'explicit'}",
                *["default size"] * (not case.output_shape and not case.output_padding),
                *["output_shape"] * bool(case.output_shape),
                *["output_padding"] * bool(case.output_padding),
                *["groups"] * (case.groups > 1),
                *["depthwise"] * (case.groups > 1 and case.groups == case.cin),
                *["batch"] * (case.batch > 1),
                *["different channels"]
                * (case.cin > 1 and case.cout > 1 and case.cin != case.cout),
                *["k < s"] * any(k < s for k, s, _, _ in geometry),
                *["k no multiple of s"] * any(k % s for k, s, _, _ in geometry),
                *["o no multiple of s"] * any(o % s for _, s, o, _ in geometry),
                *["different kernels"] * (len(set(case.kernel)) > 1),
                *["different strides"] * (len(set(case.strides)) > 1),
                *["different dilations"] * (len(set(case.dilations)) > 1),
                *["dilation and stride share a factor"]
                * any(np.gcd(a.d, a.s) > 1 for *_, a in geometry),
                *["slices instead of pads"]
                * any(n < 0 for c in case.plan().convolutions for p in c.pads for n in p),
                *["crop"] * any(map(any, case.plan("paper").crop)),
                *["empty phases"] * any(0 in c.kernel_size for c in case.plan().convolutions),
            ]
        )
    assert len(kinds) == 23
    assert min(kinds.values()) >= 60, kinds


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "padding", ["SAME", "VALID", ((30, 0), (0, 25)), ((1, 20), (25, 1))], ids=str
)
def test_windows_that_miss_the_input(padding, form):
    """Dilated far beyond the input, some phases read nothing but zeros, or a border of it."""
    case = Case(
        (2, 3), (4, 5), (3, 2), (13, 9), padding, None, None, groups=1, batch=2, cin=2, cout=3
    )
    x, w = case.arrays()
    y = _run(case, tf.constant(x), w, form, "concat").numpy()
    np.testing.assert_allclose(y, conv_transpose(x, w, case.plan()), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(
        y, references.tf_nn(case, tf.constant(x), tf.constant(w)), rtol=0, atol=TOLERANCE
    )


@settings(max_examples=60)
@given(case=cases(), form=st.sampled_from(FORMS), turn=st.integers(0, 2))
def test_exact_anywhere(case, form, turn):
    """The same property over the whole space, on NumPy and TensorFlow."""
    x, w = case.arrays()
    interleaves = _interleaves(case)
    definition = conv_transpose(x, w, case.plan())
    second = references.tf_nn(case, tf.constant(x), tf.constant(w)).numpy()
    np.testing.assert_allclose(second, definition, rtol=0, atol=TOLERANCE)
    for y in (
        sd.apply(case.plan(form), x, w, interleave=interleaves[turn % len(interleaves)]),
        _run(case, tf.constant(x), w, form, interleaves[turn % len(interleaves)]).numpy(),
    ):
        np.testing.assert_allclose(y, definition, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES[::52], ids=str)
def test_definition_equals_xla(case):
    """A third opinion: XLA's convolution with a dilated input."""
    x, w = case.arrays()
    np.testing.assert_allclose(
        references.xla(case, x, w), conv_transpose(x, w, case.plan()), rtol=0, atol=TOLERANCE
    )


def _gradients(function, x, w, r):
    x, w = tf.constant(x), tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        loss = tf.reduce_sum(function(x, w) * r)
    return [g.numpy() for g in tape.gradient(loss, [x, w])]


@pytest.mark.parametrize(("index", "case"), list(enumerate(CASES[::10])), ids=map(str, CASES[::10]))
def test_gradients(index, case):
    """Of input and filters, against the definition read backwards and tf.nn's where it has any."""
    x, w = case.arrays()
    r = np.random.default_rng(2).standard_normal(case.full_output_shape)
    expected = references.gradients(case, x, w, r)
    form, interleave = _turn(index, case)[index % len(FORMS)]
    found = _gradients(lambda x, w: _run(case, x, w, form, interleave), x, w, r)
    second = _gradients(lambda x, w: references.tf_nn(case, x, w), x, w, r)
    for a, b, c in zip(found, expected, second, strict=True):
        # A filter gradient sums 2e3 products of O(1): T * eps * T = 4e-10 in the worst order, 1e-12
        # in real one.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10, err_msg=f"{form}, {interleave}")
        np.testing.assert_allclose(a, c, rtol=0, atol=1e-10, err_msg=f"{form}, {interleave}")


@pytest.mark.parametrize("form", FORMS)
def test_negative_controls_fail(form):
    """What must be noticed: a permuted filter, a flipped one, swapped channels, a shift."""
    plan = sd.plan((5, 4), (4, 3), 2, form=form)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 5, 4, 3)), rng.standard_normal((4, 3, 2, 3))
    definition = conv_transpose(x, w, plan)
    y = sd.apply(plan, tf.constant(x), w).numpy()
    wrong = {
        "rows of taps permuted": sd.apply(plan, x, w[[1, 0, 2, 3]]),
        "flipped": sd.apply(plan, x, w[::-1, ::-1]),
        "input channels swapped": sd.apply(plan, x, w[..., ::-1]),
        "output channels swapped": sd.apply(plan, x, w[:, :, ::-1]),
        "shifted down": np.roll(y, 1, axis=1),
        "shifted right": np.roll(y, 1, axis=2),
        "images swapped": y[::-1],
        "phases swapped": y.reshape(2, 5, 2, 4, 2, 2)[:, :, ::-1].reshape(y.shape),
    }
    np.testing.assert_allclose(y, definition, rtol=0, atol=TOLERANCE)
    for name, other in wrong.items():
        assert other.shape == definition.shape
        assert np.abs(other - definition).max() > 0.1, name


@pytest.mark.parametrize("interleave", INTERLEAVES)
@pytest.mark.parametrize("form", [*FORMS, "native"])
def test_numpy_needs_no_framework(form, interleave):
    plan = sd.plan((5, 4), (4, 3), 2, "VALID", form=form)
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 9, (2, 5, 4, 3)), rng.integers(-9, 9, (4, 3, 2, 3))
    y = sd.apply(plan, x, w, interleave=interleave)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, conv_transpose(x, w, plan))

"""A chain that stays apart in phases computes what its layers compute one by one."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv import SplitDeconvError
from splitdeconv.core.definition import conv_transpose
from splitdeconv.toolchains.libtpu import phase_chain as chain


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize(
    ("size", "layers"),
    [
        ((4, 3), [(5, 2), (5, 2), (5, 2)]),  # DCGAN's
        ((3, 5), [(4, 2), (4, 2)]),
        ((3, 2), [(3, 2), ((2, 5), (3, 2)), (1, 2), ((4, 7), 1)]),
        ((2, 1), [((7, 4), (3, 1)), ((1, 8), (2, 3))]),
        ((1, 2), [(8, 3), (2, 3)]),
    ],
)
def test_it_is_what_the_layers_give_one_by_one(size, layers, rng):
    plans, weights, channels = [], [], 3
    x = rng.standard_normal((2, *size, channels))
    wanted = x
    for index, (kernel, strides) in enumerate(layers):
        plans.append(sd.plan(size, kernel, strides))
        size, out = plans[-1].output_shape, 4 - index
        weights.append(
            (
                rng.standard_normal((*(a.k for a in plans[-1].axes), out, channels)),
                rng.standard_normal(out),
            )
        )
        wanted, channels = (
            relu(conv_transpose(wanted, weights[-1][0], plans[-1]) + weights[-1][1]),
            out,
        )
    y = chain.run_phases_apart(plans, x, weights, relu)
    # Sums of at most a few hundred float64 products, layer after layer.
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 1
    # A tap in the wrong place shows.
    weights[0] = (weights[0][0][::-1], weights[0][1])
    assert np.abs(chain.run_phases_apart(plans, x, weights, relu) - wanted).max() > 1e-3


@pytest.mark.parametrize(
    "options", [{"padding": "VALID"}, {"groups": 2}, {"dilations": 2, "strides": 1}]
)
def test_what_cannot_stay_apart_is_refused(options, rng):
    plan = sd.plan((3, 3), 3, **{"strides": 2, **options})
    with pytest.raises(
        SplitDeconvError, match="phases of this transposed convolution cannot be kept separate"
    ):
        chain.run_phases_apart(
            [plan], rng.standard_normal((1, 3, 3, 2)), [(np.zeros((3, 3, 2, 2)), np.zeros(2))], relu
        )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"plans": []}, "as many plans as pairs of weights"),
        ({"plans": [], "weights": []}, "at least one"),
        ({"x": (3, 4, 2)}, "an input"),
        ({"x": (1, 4, 3, 2)}, "an image of \\[3, 4\\]"),
        ({"x": (1, 3, 4, 5)}, "filters \\(3, 5, 'out_channels', 5\\)"),
        ({"weights": [((5, 3, 7, 2), (7,))]}, "filters \\(3, 5, 'out_channels', 2\\)"),
        ({"weights": [((3, 5, 7, 2), (6,))]}, "a bias"),
        ({"weights": [((3, 5, 7, 2),)]}, "a bias"),
    ],
)
def test_what_makes_no_chain_is_refused(changes, expected):
    fitting = {
        "plans": [sd.plan((3, 4), (3, 5), 2)],
        "x": (1, 3, 4, 2),
        "weights": [((3, 5, 7, 2), (7,))],
    }
    made = {**fitting, **changes}
    weights = [tuple(map(np.zeros, pair)) for pair in made["weights"]]
    with pytest.raises(
        SplitDeconvError, match=f"do not form a chain(.|\\n)*expected: .*{expected}"
    ):
        chain.run_phases_apart(made["plans"], np.zeros(made["x"]), weights, relu)


def test_layers_that_do_not_follow_one_another_are_refused():
    plans = [sd.plan((3, 4), 3, 2), sd.plan((6, 7), 3, 2)]
    weights = [(np.zeros((3, 3, 2, 2)), np.zeros(2))] * 2
    with pytest.raises(SplitDeconvError, match=r"an image of \[6, 7\], as planned\n.*\(6, 8\)"):
        chain.run_phases_apart(plans, np.zeros((1, 3, 4, 2)), weights, relu)


@pytest.mark.parametrize(
    ("kernel", "stride", "phases"),
    [(5, 2, 1), (5, 2, 4), (4, 2, 2), (3, 3, 3), (7, 3, 2), (1, 2, 2)],
)
def test_no_window_is_wider_than_its_taps(kernel, stride, phases):
    (axis,) = sd.plan((5,), kernel, stride).axes
    _, taps = chain._window(axis, phases)
    assert (taps[[0, -1]] < kernel).any(axis=(1, 2)).all()
    # Each output phase takes each tap of its class modulo the stride once.
    assert (taps < kernel).sum() == kernel * phases

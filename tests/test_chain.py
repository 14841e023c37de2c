"""A chain that stays apart in phases computes what its layers compute one by one."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv import SplitDeconvError, chain
from splitdeconv.reference import conv_transpose


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize(
    ("size", "layers"),
    [
        ((4, 3), [(5, 2), (5, 2), (5, 2)]),  # DCGAN's
        ((3, 5), [(4, 2), (4, 2)]),
        ((3, 2), [(3, 2), ((2, 5), (3, 2)), (1, 2), ((4, 7), 1)]),
    ],
)
def test_it_is_what_the_layers_give_one_by_one(size, layers, rng):
    plans, weights, channels = [], [], 3
    x = rng.standard_normal((2, *size, channels))
    wanted = x
    for index, (kernel, strides) in enumerate(layers):
        plans.append(sd.plan(size, kernel, strides))
        size, out = plans[-1].output_shape, 4 - index
        weights.append((rng.standard_normal((*(a.k for a in plans[-1].axes), out, channels)), rng.standard_normal(out)))
        wanted, channels = relu(conv_transpose(wanted, weights[-1][0], plans[-1]) + weights[-1][1]), out
    y = chain.stay_apart(plans, x, weights, relu)
    # Sums of at most a few hundred float64 products, layer after layer.
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 1
    # A tap in the wrong place shows.
    weights[0] = (weights[0][0][::-1], weights[0][1])
    assert np.abs(chain.stay_apart(plans, x, weights, relu) - wanted).max() > 1e-3


@pytest.mark.parametrize("options", [{"padding": "VALID"}, {"groups": 2}, {"dilations": 2, "strides": 1}])
def test_what_cannot_stay_apart_is_refused(options, rng):
    plan = sd.plan((3, 3), 3, **{"strides": 2, **options})
    with pytest.raises(SplitDeconvError, match="cannot stay apart in phases"):
        chain.stay_apart([plan], rng.standard_normal((1, 3, 3, 2)), [(np.zeros((3, 3, 2, 2)), np.zeros(2))], relu)

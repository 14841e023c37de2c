"""The networks work: sensible outputs at seed weights, the same in every form."""

from math import sqrt

import numpy as np
import pytest

from splitdeconv import networks

# name, options that keep the test short, shapes of the outputs, range of the outputs
CASES = {
    "dcgan": ({}, [(64, 64, 3)], (-1, 1)),
    "sngan": ({}, [(32, 32, 3)], (-1, 1)),
    "artgan": ({}, [(64, 64, 3)], (0, 1)),
    "gpgan": ({"bottleneck": 100}, [(64, 64, 3)], (-1, 1)),
    "mde": ({"size": 128}, [(128, 128, 2), (64, 64, 2), (32, 32, 2), (16, 16, 2)], (0, 0.3)),
    "fst": ({"size": (16, 24)}, [(16, 24, 3)], (-150, 150)),
    "fcn8s": ({"size": (5, 8), "width": 32}, [(5, 8, 21)], (-6, 6)),
}


def inputs_of(model, rng):
    arrays = [
        rng.standard_normal((2, *image.shape[1:])).astype("float32") for image in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def outputs_of(model, inputs):
    outputs = model(inputs)
    return [np.asarray(y) for y in (outputs if isinstance(outputs, list) else [outputs])]


def tolerance(table):
    """Relative to the largest output: a random walk of roundings of 2^-24, four sigmas."""
    terms = (table["k_h"] * table["k_w"] * table["c_in"]).sum()
    return 4 * sqrt(terms) * 2**-24


@pytest.mark.parametrize("name", CASES)
def test_forms_agree_by_value_on_sensible_outputs(name, rng):
    options, shapes, (low, high) = CASES[name]
    native = networks.build(name, "native", **options)
    x = inputs_of(native, rng)
    reference = outputs_of(native, x)
    assert [y.shape[1:] for y in reference] == shapes
    for y in reference:
        assert np.isfinite(y).all()
        assert low <= y.min() < y.max() <= high
        assert (y.std(axis=(0, 1, 2)) > 0.002 * (high - low)).all()  # varies in every channel
        assert np.mean(np.abs(y) > 0.999 * high) < 0.02  # and does not saturate
        assert not np.allclose(y[0], y[1])  # and depends on the input
    limit = tolerance(networks.layer_table(native))
    assert 1e-6 < limit < 1e-4
    for deconv in ("split", "nzp"):
        for y, expected in zip(
            outputs_of(networks.build(name, deconv, **options), x), reference, strict=True
        ):
            assert np.abs(y - expected).max() < limit * np.abs(expected).max()


def test_a_misplaced_tap_is_seen(rng):
    native, split = (networks.build("dcgan", deconv) for deconv in ("native", "split"))
    kernel = split.get_layer("deconv2").kernel
    kernel.assign(np.asarray(kernel)[::-1])
    x = inputs_of(native, rng)
    (expected,), (y,) = outputs_of(native, x), outputs_of(split, x)
    assert (
        np.abs(y - expected).max()
        > 1000 * tolerance(networks.layer_table(native)) * np.abs(expected).max()
    )


def test_in_float64_forms_agree_to_its_precision(rng):
    native, split = (
        networks.build("fst", deconv, dtype="float64", size=16) for deconv in ("native", "split")
    )
    x = rng.standard_normal((1, 16, 16, 3))
    (expected,), (y,) = outputs_of(native, x), outputs_of(split, x)
    limit = tolerance(networks.layer_table(native)) * 2.0**-29  # float64 has 29 more bits
    assert np.abs(y - expected).max() < limit * np.abs(expected).max()


@pytest.mark.parametrize("size", [1, (50, 61)])
@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s"])
def test_fcn_scores_are_as_large_as_the_image(name, size):
    model = networks.build(name, "native", seed=None, size=size, width=8, classes=3)
    assert model.output_shape[1:] == (*np.broadcast_to(size, 2), 3)


def test_fcn_crops_align_scores_with_the_image():
    """Caffe's offsets, from a cell's centre: pixel = stride * cell + start."""
    pad = 99  # the first convolution sees the image from pixel -99 on

    def pooled(factor):
        return (factor - 1) / 2 - pad

    coarse = 32 * 3 + pooled(32)  # fc6 is centred three cells further
    for name, factors, pools in (
        ("fcn32s", [32], []),
        ("fcn16s", [2, 16], [4]),
        ("fcn8s", [2, 2, 8], [4, 3]),
    ):
        model = networks.build(name, "native", seed=None, size=20, width=8)
        stride, start = 32, coarse
        for factor, pool in zip(factors, [*pools, None], strict=True):
            stride //= factor
            start -= stride * (
                factor - 0.5
            )  # a cell's interpolation is centred factor - 1/2 cells further
            offset = (start - pooled(stride)) / stride if pool else -start
            layer = model.get_layer(f"score_pool{pool}c" if pool else "score")
            assert {before for before, _ in layer.cropping} == {offset}

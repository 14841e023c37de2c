"""Inputs are moved by as much as rounding moves sums, also where their type is coarser."""

import numpy as np

from splitdeconv.convert.verify.perturbing import perturb, perturbation


def test_perturbed_inputs_are_off_by_delta():
    feed = {"x": np.linspace(-1, 1, 100, dtype="f4"), "n": np.arange(3)}
    changed = perturb(feed, 1e-3, 0)
    ratio = changed["x"] / feed["x"]
    assert set(np.round(np.abs(ratio - 1), 5)) == {np.float32(1e-3)}
    assert set(np.sign(ratio - 1)) == {-1, 1}
    assert changed["n"] is feed["n"]
    assert perturb({"n": np.arange(3)}, 1e-3, 0) is None


def test_inputs_too_coarse_for_delta_are_perturbed_by_more():
    single, half = {"x": np.ones(50, "f4")}, {"x": np.ones(50, "f4"), "h": np.ones(50, "f2")}
    assert perturbation(single, 1e-3) == 1e-3
    assert perturbation(single, 1e-15) == 2.0**-22
    assert perturbation(half, 1e-6) == 2.0**-9
    assert perturbation({"x": np.ones(3), "n": np.arange(3)}, 1e-15) == 1e-15
    changed = perturb(half, perturbation(half, 1e-15), 0)
    assert all((changed[name] != half[name]).all() for name in half)

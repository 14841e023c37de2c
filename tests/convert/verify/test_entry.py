"""What a model makes of rounding is measured on the model, whatever the type of its inputs."""

from dataclasses import replace

import numpy as np
import pytest

from splitdeconv.convert.verify.entry import Entry, Pair, compare_output
from splitdeconv.formats.registry import format_of

DELTA = 2.0**-20


def entry(ours, theirs, delta=DELTA):
    """An entry point of two models that are functions; other kernels do not exist."""
    pair = Pair(format_of("keras"), None, None, None, None, delta, seed=0)
    return Entry(ours, theirs, pair, "", "default")


def compared(ours, theirs, feed, delta=DELTA):
    models = entry(ours, theirs, delta)
    return compare_output(models, feed, "y", ours(feed)["y"], theirs(feed))


def amplified(x, off=0.0, gain=64.0, dtype="f8"):
    """A model that computes in a type of its own, and whose last layer amplifies differences."""
    return {"y": gain * (np.asarray(x, dtype) * (1 + off) - 1)}


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
@pytest.mark.parametrize("delta", [2.0**-20, 2.0**-44])
def test_rounding_that_a_model_amplifies_is_no_difference(dtype, delta):
    """Also where the perturbation that stands for rounding is finer than the inputs."""
    feed = {"x": np.linspace(0.9, 1.1, 200).astype(dtype)}

    def ours(feed):
        return amplified(feed["x"])

    def theirs(feed, off=0.9 * delta):
        return amplified(feed["x"], off)

    record = compared(ours, theirs, feed, delta)
    assert record.max_abs > delta * np.abs(ours(feed)["y"]).max()
    assert record.passed
    wrong = compared(ours, lambda feed: theirs(feed, 3 * delta), feed, delta)
    assert not wrong.passed
    assert wrong.max_abs > wrong.tolerance


def test_one_run_may_show_less_than_rounding_does():
    """Signs cancel in most runs: the worst of a few counts."""
    runs, feed = [], {"x": np.ones((1, 6))}

    def ours(feed):
        runs.append(feed)
        return {"y": 1024 * feed["x"].sum(1) - 6000}

    def theirs(feed, off=0.6 * DELTA):
        return {"y": 1024 * (feed["x"] * (1 + off)).sum(1) - 6000}

    assert compared(ours, theirs, feed).passed
    assert len(runs) > 2  # the output, and more than one on perturbed inputs
    runs.clear()
    assert not compared(ours, lambda feed: theirs(feed, 1.1 * DELTA), feed).passed
    assert len(runs) == 9


def test_jumps_are_not_excused_by_further_runs():
    """Where rounding flips whole steps, each further run would excuse more of them."""
    runs, feed = [], {"x": np.linspace(0.003, 40.003, 2001)}

    def ours(feed):
        runs.append(feed)
        return {"y": np.round(feed["x"])}

    def theirs(feed):
        return {"y": np.where(feed["x"] > 39.7, 41.0, np.round(feed["x"]))}

    assert not compared(ours, theirs, feed).passed
    assert len(runs) == 2  # the output, and one run on perturbed inputs


def test_models_that_add_exactly_get_no_slack():
    feed = {"x": np.linspace(0.9, 1.1, 20)}
    assert not compared(
        lambda feed: amplified(feed["x"]), lambda feed: amplified(feed["x"], 1e-9), feed, 0.0
    ).passed


@pytest.mark.parametrize("steps", [0.0, 0.25, 7.0])
def test_clipped_results_round_like_the_terms_they_are_sums_of(steps):
    """An operator that quantizes its input may clip results far below its terms."""
    pair = entry(None, None).pair
    feed, clipped = {"x": np.ones(3)}, np.array([-1.0, 1.0, 0.5])
    assert pair.bound(feed, clipped) == DELTA
    quantizing = replace(pair, step=lambda x: steps * x.max())
    assert quantizing.bound(feed, clipped) == DELTA * max(1, 255 * steps)
    assert quantizing.bound(feed, clipped.astype("i1")) == 0

"""Timing helpers: turns interleave, ratios are paired, budgets stop; no speed is asserted."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError, bench


def test_functions_are_called_in_turn_after_the_warmup():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = bench.interleaved(functions, turns=3, warmup=1)
    # The warm-up in order; then every turn starts with another one.
    assert calls == ["a", "b", *"ab", *"ba", *"ab"]
    assert times["name"].tolist() == [*"ab", *"ba", *"ab"]
    assert times["turn"].tolist() == [0, 0, 1, 1, 2, 2]
    assert (times["seconds"] >= 0).all()


def test_the_budget_stops_after_three_turns():
    times = bench.interleaved({"a": lambda: None}, turns=1000, budget=0.0)
    assert times["turn"].max() == 2


def test_speedups_are_medians_of_paired_ratios():
    # The machine slows down tenfold between turns; pairs do not notice, ratios of medians would.
    native, split = np.array([1.0, 10.0, 100.0]), np.array([0.5, 5.0, 25.0])
    times = pd.DataFrame(
        {
            "turn": [0, 0, 1, 1, 2, 2],
            "name": ["native", "split"] * 3,
            "seconds": np.stack([native, split], 1).ravel(),
        }
    )
    summary = bench.summarize(times).set_index("name")
    assert summary.loc["split", "speedup"] == 2.0
    assert summary.loc["split", "seconds"] == 5.0
    assert (summary.loc["native", ["speedup", "low", "high"]] == 1).all()
    # Resampled medians of (2, 2, 4) can only be 2 or 4.
    assert summary.loc["split", ["low", "high"]].tolist() == [2.0, 4.0]
    assert summary["turns"].tolist() == [3, 3]


def test_summaries_repeat_under_one_seed():
    rng = np.random.default_rng(0)
    times = pd.DataFrame(
        {"turn": np.repeat(range(9), 2), "name": ["native", "split"] * 9, "seconds": rng.random(18)}
    )
    pd.testing.assert_frame_equal(bench.summarize(times, seed=3), bench.summarize(times, seed=3))
    assert bench.summarize(times).loc[1, "low"] < bench.summarize(times).loc[1, "speedup"]


def test_a_missing_baseline_is_refused():
    times = bench.interleaved({"split": lambda: None}, turns=1)
    with pytest.raises(SplitDeconvError, match="baseline was not timed"):
        bench.summarize(times)


@pytest.mark.parametrize("limit", [bench.LARGEST_CONSTANT, 1])
def test_a_frozen_model_computes_what_the_model_does(rng, monkeypatch, limit):
    monkeypatch.setattr(bench, "LARGEST_CONSTANT", limit)
    x = keras.Input((5, 4, 3))
    shared = keras.layers.Conv2DTranspose(2, 3, strides=2)
    normed = keras.layers.BatchNormalization()(shared(x))
    model = keras.Model(x, [normed, keras.layers.GlobalAveragePooling2D()(x)])
    shared.bias.assign([0.5, -1.5])
    image = rng.standard_normal((2, 5, 4, 3), "float32")
    for ours, theirs in zip(bench.frozen(model, image)(), model(image), strict=True):
        # One graph, other kernels at most: a few roundings of values of order one.
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=0, atol=1e-6)


def test_a_frozen_model_takes_several_inputs(rng):
    a, b = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([a, b], keras.layers.Subtract()([a, b]))
    x, y = rng.standard_normal((2, 1, 3), "float32")
    np.testing.assert_array_equal(bench.frozen(model, x, y)(), x - y)


def test_a_compiled_function_runs_on_its_inputs(rng):
    x, y = rng.standard_normal((2, 3, 4), "float32")
    np.testing.assert_array_equal(bench.compiled(lambda x, y: x - 2 * y, x, y)(), x - 2 * y)


if keras.backend.backend() != "jax":

    @pytest.mark.slow
    def test_all_of_this_on_kerass_jax_backend():
        """Keras has one backend per process, so the other one gets a process of its own."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            __file__,
        ]
        root = Path(__file__).parents[1]
        environment = {**os.environ, "KERAS_BACKEND": "jax"}
        done = subprocess.run(
            command, check=False, env=environment, cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert " passed" in done.stdout
        assert "skipped" not in done.stdout

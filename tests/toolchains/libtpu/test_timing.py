"""What differs from native by more than rounding is not timed; what rounds as native does, is."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from splitdeconv.toolchains import libtpu
from tests.toolchains.libtpu.subject import NATIVE, SUBJECT
from tests.toolchains.needs import needs

needs_jax = needs("jax")
ASK = """
import json, jax, numpy as np
from splitdeconv.toolchains import libtpu
from splitdeconv.toolchains.libtpu import timing
grid = {"generations": [libtpu.HERE], "dtypes": ["float32"], "batches": [2]}
(case,) = libtpu.cases([libtpu.whole("dcgan")], variants=[("native", "concat")], **grid)
(y,) = map(np.asarray, jax.tree.leaves(timing.load(case, jax.devices()[0]).run()))
print(json.dumps([y.shape, float(y.std()), float(abs(y[0] - y[1]).max())]))
"""
FORMS = [*NATIVE, ("nzp", "concat"), ("split", "concat"), ("stacked", "depth_to_space")]


def timed(dtype, batch=2):
    from splitdeconv.toolchains.libtpu import timing

    grid = {"generations": [libtpu.HERE], "dtypes": [dtype], "batches": [batch]}
    cases = libtpu.cases([SUBJECT], variants=FORMS, **grid)
    answers = timing.time([{**case, "turns": 3, "budget": 1} for case in cases])
    return dict(zip((form for form, _ in FORMS), answers, strict=True))


@needs_jax
@pytest.mark.parametrize(
    ("dtype", "least", "most"), [("float32", 0, 1e-4), ("bfloat16", 1e-3, 0.1)]
)
def test_rounding_is_measured_and_every_form_stays_within(dtype, least, most):
    found = timed(dtype)
    for form, row in found.items():
        assert row["seconds"] > 0
        assert least < row["allowed"] < most
        assert row["difference"] <= row["allowed"]
        assert (row["difference"] == 0) or form != "native"


@needs_jax
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_form_that_leaves_out_a_tap_of_the_second_image_is_not_timed(monkeypatch, dtype):
    from splitdeconv.toolchains.libtpu import timing

    real = timing.load

    def wrong(case, device):
        loaded = real(case, device)
        if case["form"] != "split":
            return loaded

        def run():
            (y,) = loaded.run()
            return [y.at[1, 3].multiply(0.7)]

        return replace(loaded, run=run)

    monkeypatch.setattr(timing, "load", wrong)
    found = timed(dtype)
    assert found["split"]["difference"] > found["split"]["allowed"]
    assert found["split"]["reason"].endswith(": not timed")
    assert "seconds" not in found["split"]
    assert all(row["seconds"] > 0 for form, row in found.items() if form != "split")


@needs_jax
@pytest.mark.parametrize(
    ("outputs", "wanted", "found"),
    [
        ([[3.0, -8.0], [1.0]], [[3.0, -8.0], [1.0]], 0),
        ([[3.0, -7.0], [1.0]], [[3.0, -8.0], [1.0]], 1 / 8),
        ([[3.0, -7.0], [1.0]], [[3.0, -8.0], [2.0]], 1 / 2),
        ([[nan, -8.0]], [[3.0, -8.0]], inf),
        ([[3.0, -8.0]], [[3.0, inf]], inf),
        ([[3.0, -8.0, 0.0]], [[3.0, -8.0]], inf),
        ([[0.0, 0.0]], [[0.0, 0.0]], 0),
        ([[0.0, 1e-9]], [[0.0, 0.0]], inf),
    ],
)
def test_the_distance_is_relative_to_each_output(outputs, wanted, found):
    from splitdeconv.toolchains.libtpu import timing

    arrays = [[np.array(y, "float32") for y in several] for several in (outputs, wanted)]
    assert timing.distance(*arrays) == found


@needs_jax
@pytest.mark.slow
def test_networks_are_timed_with_weights_that_keep_values_apart():
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shape, deviation, between = json.loads(told)
    assert shape == [2, 64, 64, 3]
    assert 0.1 < deviation < 0.9  # tanh, not saturated
    assert between > 0.1


@pytest.mark.parametrize(
    ("device", "generation"),
    [
        ("tpu TPU v5 lite", "v5e"),
        ("tpu TPU v6 lite", "v6e"),
        ("tpu TPU v5", "v5p"),
        ("tpu TPU v9", None),
        ("gpu TPU v4", None),
        ("cpu cpu", None),
        (None, None),
    ],
)
def test_a_tpu_is_of_a_generation(device, generation):
    assert libtpu.generation_of(device) == generation
    assert generation is None or generation in libtpu.GENERATIONS

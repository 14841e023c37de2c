"""Arrays that do not fit a plan are refused before a framework sees them; unknown sizes fit."""

import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd
from tests.geometries import CASES
from tests.refusals import refused


@pytest.fixture(autouse=True)
def _seeded():
    """No global seed: nothing here draws from one, and TensorFlow's drops its kernels."""


def test_unknown_lengths_of_plan_or_array_fit_any():
    x, w = CASES[0].arrays()
    np.testing.assert_array_equal(
        sd.apply(
            sd.plan((None,) * CASES[0].rank, CASES[0].kernel, 2, groups=CASES[0].groups), x, w
        ),
        sd.apply(sd.plan(CASES[0].sizes, CASES[0].kernel, 2, groups=CASES[0].groups), x, w),
    )


def _arguments(x=(2, 5, 4, 6), w=(3, 3, 2, 6), dtype=np.float32, **more):
    return {"x": np.ones(x, dtype), "filters": np.ones(w, np.float32), **more}


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("unknown interleave", _arguments(interleave="shuffle")),
        ("unknown interleave", _arguments(interleave=None)),
        ("unknown interleave", _arguments(interleave=np.array(["concat", "transpose"]))),
        ("filters do not fit the plan", _arguments(w=(3, 2, 2, 6))),
        ("filters do not fit the plan", _arguments(w=(3, 3, 6))),
        ("filters do not fit the plan", _arguments(w=(3, 3, 0, 6))),
        ("filters do not fit the plan", _arguments(w=(3, 3, 2, 0))),
        ("input does not fit the plan", _arguments(x=(2, 4, 5, 6))),
        ("input does not fit the plan", _arguments(x=(5, 4, 6))),
        ("input does not fit the plan", _arguments(x=(2, 5, 4, 4))),
        (
            "input does not fit the plan",
            _arguments(x=(2, 5, 4, 5), w=(3, 3, 2, 5), plan={"groups": 2}),
        ),
        ("no backend for this kind of array", _arguments() | {"x": [[1.0]]}),
        ("no backend for this kind of array", _arguments() | {"filters": [[1.0]]}),
        ("arrays of different libraries", _arguments() | {"filters": tf.ones((3, 3, 2, 6))}),
        ("incompatible types", _arguments(dtype=np.int64)),
        ("incompatible types", _arguments() | {"filters": np.ones((3, 3, 2, 6), np.complex64)}),
        ("incompatible types", _arguments() | {"filters": np.full((3, 3, 2, 6), "1")}),
        (
            "incompatible types",
            {"x": tf.ones((2, 5, 4, 6)), "filters": tf.ones((3, 3, 2, 6), tf.float64)},
        ),
        (
            "two axes of equal stride only",
            _arguments(plan={"strides": (2, 3)}, interleave="depth_to_space"),
        ),
        (
            "two axes of equal stride only",
            _arguments(
                x=(2, 5, 6), w=(3, 2, 6), plan={"input_shape": (5,)}, interleave="depth_to_space"
            ),
        ),
    ],
)
def test_refusals(match, arguments):
    plan = sd.plan(
        **{"input_shape": (5, 4), "kernel_size": 3, "strides": 2, **arguments.pop("plan", {})}
    )
    with refused(match):
        sd.apply(plan, **arguments)

"""Arguments that the operators refuse, with what was expected."""

import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd
from tests.layer import (
    data,
    operator,
)
from tests.refusals import refused


def _call(**more):
    x, w = data(2, np.float32)
    arguments = {"input": x, "filters": w, "output_shape": None, "strides": 2, **more}
    return sd.conv2d_transpose(**arguments)


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("unknown data_format", {"data_format": "nhwc"}),
        ("unknown data_format", {"data_format": "NWC"}),
        ("unknown form", {"form": "fast"}),
        ("unknown interleave", {"interleave": "fast"}),
        ("unknown interleave", {"interleave": "fast", "form": "native"}),
        ("input cannot have this shape", {"input": np.ones((5, 4, 3))}),
        ("input cannot have this shape", {"input": "an image"}),
        ("filters cannot have this shape", {"filters": np.ones((3, 2, 3))}),
        ("filters cannot have this shape", {"filters": 3.0}),
        ("filters cannot have this shape", {"filters": np.ones((4, 3, 0, 3))}),
        ("filters cannot have this shape", {"filters": np.ones((0, 3, 2, 3))}),
        ("input cannot be converted to an array", {"input": None}),
        ("filters cannot be converted to an array", {"filters": [[1.0], [2.0, 3.0]]}),
        ("input does not fit the plan", {"filters": np.ones((4, 3, 2, 4))}),
        ("incompatible types", {"filters": tf.ones((4, 3, 2, 3), tf.float64)}),
        ("incompatible types", {"input": np.ones((2, 5, 4, 3), int)}),
        ("invalid input_shape for", {"input": np.ones((2, 0, 4, 3))}),
        ("invalid output shape", {"output_shape": (10, 8)}),
        ("invalid output shape", {"output_shape": (2, 10.5, 8, 2)}),
        ("invalid output shape", {"output_shape": (2, None, 8, 2)}),
        ("invalid output shape", {"output_shape": 10}),
        ("invalid output shape", {"output_shape": "2x10"}),
        ("different batch size from the input", {"output_shape": (3, 10, 8, 2)}),
        ("output's channels do not fit the filters", {"output_shape": (2, 10, 8, 3)}),
        ("output's channels do not fit the filters", {"output_shape": (2, 10, 8, 0)}),
        ("output's channels do not fit the filters", {"output_shape": (2, 10, 8, -2)}),
        ("input does not fit the plan", {"output_shape": (2, 10, 8, 4)}),
        ("an input of this length cannot give", {"output_shape": (2, 11, 8, 2)}),
        ("strides may not touch batch or channels", {"strides": (2, 2, 2, 1)}),
        ("dilations may not touch batch or channels", {"dilations": (1, 2, 2, 3)}),
        ("padding may not touch batch or channels", {"padding": [(0, 0), (1, 1), (1, 1), (0, 1)]}),
        ("invalid strides for a 2-D", {"strides": (2, 2, 2)}),
        ("invalid strides for a 2-D", {"strides": None}),
        ("too large to split", {"strides": 60_000}),
        ("too large to split", {"strides": 60_000, "form": "native"}),
        ("too large to split", {"dilations": 60_000}),
        ("invalid strides for a 2-D", {"strides": 10**30}),
        ("invalid strides for a 2-D", {"strides": (2,) * 10**5}),
        ("invalid output shape", {"output_shape": (2, 10**30, 8, 2)}),
        ("invalid output shape", {"output_shape": (2,) * 10**5}),
        ("an input of this length cannot give", {"output_shape": (2, 10**18, 8, 2)}),
        ("invalid padding", {"padding": "FULL"}),
        ("two axes of equal stride only", {"strides": (2, 3), "interleave": "depth_to_space"}),
    ],
)
def test_refusals(match, arguments):
    with refused(match):
        _call(**arguments)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_rank_is_the_operators(rank):
    for other in {1, 2, 3} - {rank}:
        x, w = data(other)
        with refused(f"input cannot have this shape\n  where: conv{rank}d_transpose"):
            operator(rank)(x, w, None, 2)

"""Dialects of padding: crop and output size of each, the legal range, what is refused."""

from itertools import product

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core.geometry import Axis, resolve
from tests.geometries import CASES
from tests.refusals import refused


def _one(n, k, s, padding="SAME", **more):
    (axis,) = resolve((n,), k, s, padding if isinstance(padding, str) else [padding], **more)
    return axis


@pytest.mark.parametrize(
    ("arguments", "p", "o"),
    [
        # SAME: p = max((n-1)*s + k_e - o, 0) // 2
        ({"n": 4, "k": 5, "s": 2}, 1, 8),
        ({"n": 4, "k": 4, "s": 2}, 1, 8),
        ({"n": 4, "k": 3, "s": 2}, 0, 8),
        ({"n": 4, "k": 2, "s": 3}, 0, 12),
        ({"n": 4, "k": 3, "s": 1}, 1, 4),
        ({"n": 4, "k": 5, "s": 2, "output_shape": (7,)}, 2, 7),
        ({"n": 4, "k": 3, "s": 2, "dilations": 2}, 1, 8),
        # VALID: p = 0
        ({"n": 4, "k": 5, "s": 2, "padding": "VALID"}, 0, 11),
        ({"n": 4, "k": 2, "s": 3, "padding": "VALID"}, 0, 12),
        ({"n": 4, "k": 2, "s": 3, "padding": "VALID", "output_shape": (11,)}, 0, 11),
        ({"n": 4, "k": 3, "s": 2, "padding": "VALID", "dilations": 3}, 0, 13),
        # crops (before, end) of the full output, (n-1)*s + k_e
        ({"n": 4, "k": 5, "s": 2, "padding": (2, 1)}, 2, 8),
        ({"n": 4, "k": 5, "s": 2, "padding": (0, 3), "output_shape": (9,)}, 0, 9),
        ({"n": 4, "k": 5, "s": 2, "padding": (6, 0)}, 6, 5),
        # output_padding: Keras' sizes (n-1)*s + k_e % 2 + extra and (n-1)*s + k_e + extra;
        # PyTorch's longer crop
        ({"n": 4, "k": 5, "s": 2, "output_padding": 0}, 2, 7),
        ({"n": 4, "k": 5, "s": 2, "output_padding": 1}, 1, 8),
        ({"n": 4, "k": 4, "s": 2, "output_padding": 0}, 2, 6),
        ({"n": 4, "k": 5, "s": 2, "padding": "VALID", "output_padding": 1}, 0, 12),
        ({"n": 4, "k": 5, "s": 2, "padding": (1, 2), "output_padding": 1}, 1, 9),
        ({"n": 4, "k": 3, "s": 1, "padding": (1, 1), "dilations": 3, "output_padding": 2}, 1, 10),
    ],
    ids=str,
)
def test_crop_and_size(arguments, p, o):
    axis = _one(**arguments)
    assert (axis.p, axis.o, axis.tail) == (p, o, o - 4 * axis.s)


def test_every_legal_output_length_and_no_other():
    """Legal is what a strided convolution of that padding takes back to n."""
    count = 0
    for n, k, s, d, padding in product(
        (1, 2, 4), (1, 2, 3, 5), (1, 2, 3), (1, 2), ("SAME", "VALID", (1, 0), (1, 2))
    ):
        span = d * (k - 1) + 1
        crops = padding if isinstance(padding, tuple) else (0, 0)
        for o in range(1, n * s + span + 3):
            back = -(-o // s) if padding == "SAME" else (o + sum(crops) - span) // s + 1
            if back == n:
                assert _one(n, k, s, padding, dilations=d, output_shape=o).o == o
                count += 1
            else:
                with refused("an input of this length cannot give that output length"):
                    _one(n, k, s, padding, dilations=d, output_shape=o)
    assert count > 500


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_output_shape_of_the_fixed_list(case):
    assert case.plan().output_shape == case.outputs


def test_unknown_lengths_keep_their_place():
    first, second = resolve((None, 4), (3, 5), (2, 3), "same")
    assert (first.n, first.o, first.p, first.tail) == (None, None, 0, 0)
    assert (second.n, second.o) == (4, 12)
    assert str(first) == "? -> ?*2+0 (k=3 s=2 p=0)"
    assert str(second) == "4 -> 12 (k=5 s=3 p=1)"
    assert str(_one(4, 3, 2, "VALID", dilations=2)) == "4 -> 11 (k=3 s=2 d=2 p=0)"


def test_unknown_length_leads_to_the_same_split_as_every_known_one():
    for padding, extra in product(("SAME", "VALID", (1, 2)), (None, 1)):
        unknown = _one(None, 5, 3, padding, output_padding=extra)
        for n in (1, 2, 7):
            known = _one(n, 5, 3, padding, output_padding=extra)
            assert (known.p, known.tail) == (unknown.p, unknown.tail)


def test_one_value_serves_all_dimensions():
    spread = resolve((3, 4, 5), 3, 2, "valid", dilations=2, output_padding=1)
    written = resolve(
        [3, 4, 5], (3, 3, 3), [2, 2, 2], "VALID", dilations=(2, 2, 2), output_padding=[1, 1, 1]
    )
    assert spread == written


def test_numpy_integers_become_plain_ones():
    axis = _one(np.int32(4), np.int64(5), np.uint8(2), (np.int8(1), np.int16(2)))
    assert axis == Axis(n=4, k=5, s=2, d=1, p=1, tail=0)
    assert all(type(v) is int for v in (axis.n, axis.k, axis.s, axis.p, axis.tail))


def test_defaults_may_be_mixed_with_lengths():
    assert sd.plan((4, 4), 5, 2, output_shape=(None, 7)).output_shape == (8, 7)


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("must list the spatial lengths only", {"input_shape": 16}),
        ("must list the spatial lengths only", {"input_shape": ()}),
        ("must list the spatial lengths only", {"input_shape": (1, 4, 4, 3)}),
        ("invalid input_shape for a 1-D", {"input_shape": (0,)}),
        ("invalid kernel_size for a 2-D", {"kernel_size": (3, 3, 3)}),
        ("invalid kernel_size for a 2-D", {"kernel_size": None}),
        ("invalid strides for a 2-D", {"strides": 0}),
        ("invalid strides for a 2-D", {"strides": (2, 2.0)}),
        ("invalid strides for a 2-D", {"strides": True}),
        ("invalid dilations for a 2-D", {"dilations": -1}),
        ("invalid output_shape for a 2-D", {"output_shape": (8, 8, 3)}),
        ("invalid output_padding for a 2-D", {"output_padding": -1}),
        ("invalid padding", {"padding": "FULL"}),
        ("invalid padding", {"padding": 1}),
        ("invalid padding", {"padding": [(1, 1)]}),
        ("invalid padding", {"padding": [(1, 1), (1, -1)]}),
        ("invalid padding", {"padding": [(1, 1), (1, 1, 1)]}),
        ("both fix the output size", {"output_shape": 8, "output_padding": 1}),
        ("needs a known input size", {"input_shape": (4, None), "output_shape": (8, 8)}),
        ("output padding is too large", {"output_padding": (0, 2)}),
        (
            "output padding is too large",
            {"padding": [(0, 0)] * 2, "dilations": 3, "output_padding": 3},
        ),
        ("an input of this length cannot give", {"output_shape": (8, 9)}),
        ("crops the whole output away", {"padding": [(0, 0), (5, 4)]}),
    ],
)
def test_refusals(match, arguments):
    with refused(match):
        resolve(
            **{
                "input_shape": (4, 4),
                "kernel_size": 3,
                "strides": 2,
                "padding": "SAME",
                **arguments,
            }
        )


def test_a_refusal_names_dimension_range_and_what_came():
    with refused("an input of this length") as caught:
        resolve((4, 4), 3, 2, "SAME", output_shape=(8, 9))
    error = caught.value
    assert error.where == "dimension 1 (input 4, kernel 3, stride 2, dilation 1), padding SAME"
    assert (error.expected, error.got) == ("output length 7 to 8", "output length 9")
    assert "leave the output size out" in error.fix


def test_outputs_cropped_at_the_end_are_those_of_the_full_output_behind_the_kept():
    for n, k, s, d, before, length in product(
        (1, 4, 7), (1, 2, 5), (1, 2, 3), (1, 2), (0, 1, 3), (2, 6, 30)
    ):
        axis = Axis(n=n, k=k, s=s, d=d, p=before, tail=length - n * s)
        full = range((n - 1) * s + d * (k - 1) + 1)
        assert axis.end == sum(q >= before + length for q in full)
        # It does not depend on the input's length, and is known where that is not.
        assert Axis(n=None, k=k, s=s, d=d, p=before, tail=length - n * s).end == axis.end

"""Values of rewritten operators, over geometries, types, forms, interleaves and kernels."""

from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pytest

from splitdeconv.core.definition import rounding_bound
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.tflite.graph import constant
from splitdeconv.formats.tflite.rewrite import split as tflite_split
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Deconv,
    convert,
    deconv_model,
    on_xnnpack,
    run,
    unpack,
)

FORMS = FILE_FORMS
# Every geometry in every form; the interleaves take turns, so that each form meets each of them.
TURNS = list(
    zip(
        CASES,
        cycle((("concat", "transpose"), ("depth_to_space", "concat"), ("transpose", "concat"))),
    )
)


def _conversions(case, interleaves):
    """The case's file and its rewritten twins."""
    original = deconv_model(case)
    square = len(set(case.strides)) == 1 and case.kind != "int16x8"
    for form in FORMS:
        for interleave in interleaves:
            if square or interleave != "depth_to_space":
                yield original, convert(original, form, interleave)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16x8"])
@pytest.mark.parametrize("part", range(4))
def test_integers_are_identical(kind, part):
    for case, interleaves in TURNS[part::4]:
        case = case.with_(kind=kind)
        x = case.input()
        for original, rewritten in _conversions(case, interleaves):
            exact = run(original, x, kernels=REFERENCE)
            np.testing.assert_array_equal(
                run(rewritten, x, kernels=REFERENCE), exact, err_msg=str(case)
            )
            # Where XNNPACK leaves the original to the optimized kernels (SAME with a kernel shorter
            # than its stride), two families are compared, which round apart by at most one step;
            # int16 has one family only.
            apart = 0 if kind == "int16x8" or on_xnnpack(original) else 1
            steps = np.abs(run(rewritten, x).astype(int) - run(original, x))
            assert steps.max() <= apart, case
            steps = np.abs(
                run(rewritten, x, kernels=OPTIMIZED).astype(int)
                - run(original, x, kernels=OPTIMIZED)
            )
            # Optimized kernels of the two operators round a tie apart.
            assert steps.max() <= (kind != "int16x8"), case


def test_enough_geometries_are_compared_on_xnnpack():
    assert sum(on_xnnpack(deconv_model(case.with_(kind="int8"))) for case in CASES) >= 60
    facts = {
        (case.padding, case.batch, case.bias, case.activation, case.output is None)
        for case in CASES
    }
    assert len(facts) >= 30
    assert {k for case in CASES for k in case.kernel} == set(range(1, 8))
    assert {s for case in CASES for s in case.strides} == set(range(1, 5))


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize("part", range(4))
def test_floats_are_bit_equal_on_reference_kernels_and_close_on_xnnpack(kind, part):
    """Reference kernels add the same products in the same order, by rows, columns and channels."""
    for case, interleaves in TURNS[part::4]:
        case = case.with_(kind=kind)
        x = case.input()
        for original, rewritten in _conversions(case, interleaves):
            np.testing.assert_array_equal(
                run(rewritten, x, kernels=REFERENCE), run(original, x, kernels=REFERENCE)
            )
            for kernels in (XNNPACK, OPTIMIZED):
                y, expected = run(rewritten, x, kernels=kernels), run(original, x, kernels=kernels)
                assert (np.abs(y - expected) <= _bound(case, x, original)).all(), case
                assert np.abs(y - expected).max() <= 1e-5 * max(np.abs(expected).max(), 1)


def _bound(case, x, original):
    """A bound for two orders of a float32 sum (`rounding_bound`), plus adding the bias twice."""
    model = unpack(original)
    weights, *bias = (
        constant(model, tensor).astype("f8")
        for tensor in model.subgraphs[0].tensors
        if tensor.name in (b"weights", b"bias")
    )
    largest = np.abs(bias[0]) if bias else 0
    plan, epsilon = SimpleNamespace(axes=case.axes, groups=1), 2.0**-24
    sums = rounding_bound(x.astype("f8"), np.transpose(weights, (1, 2, 0, 3)), plan, epsilon)
    return sums + 4 * epsilon * (largest + np.abs(run(original, x)))


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_the_comparison_sees_permuted_phases(kind, monkeypatch):
    """The control: filters handed to the wrong phases have the right shapes and wrong values."""
    case = Deconv(sizes=(5, 4), kernel=(4, 4), strides=(2, 2), kind=kind)
    true = tflite_split.split_filters
    monkeypatch.setattr(
        tflite_split, "split_filters", lambda plan, filters: true(plan, filters)[::-1]
    )
    original, x = deconv_model(case), case.input()
    y, expected = (run(data, x, kernels=REFERENCE) for data in (convert(original), original))
    assert y.shape == expected.shape
    assert (y != expected).mean() > 0.5

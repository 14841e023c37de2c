"""What a ConvTranspose becomes, by value in ONNX Runtime: every attribute, form and interleave."""

import random
import warnings

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.node import collect_testcases

from splitdeconv.convert.decide import decide_all
from splitdeconv.core.definition import conv_transpose, rounding_bound
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import arrays, convert, kinds, run, single
from tests.formats.onnx.rewrite.cases import FORMS, INTERLEAVES, OPSETS, definition, draw_case


@pytest.mark.parametrize("part", range(8))
def test_random_geometries(part):
    """Against ONNX Runtime's own operator and against the definition: 400 cases in all."""
    draw = random.Random(part)
    for index in range(50):
        sizes, kernel, attributes, axes, per_group, declared, biased = draw_case(draw)
        groups, rank = attributes["group"], len(sizes)
        x, w, bias = arrays(1000 * part + index, sizes, kernel, groups, per_group)
        opset = draw.choice(OPSETS)
        shape = [declared[0], x.shape[1], *declared[1:]]
        version = 3 if opset == 8 else 8
        source = single(
            x,
            w,
            bias if biased else None,
            shape=shape,
            opset=opset,
            ir_version=version,
            **attributes,
        )
        square = rank == 2 and len(set(attributes["strides"])) == 1
        form, interleave = (
            draw.choice(FORMS),
            draw.choice(INTERLEAVES if square else ("concat", "transpose")),
        )
        expected, got = (
            run(source, {"x": x})[0],
            run(convert(source, form, interleave), {"x": x})[0],
        )
        exact = definition(conv_transpose, x.astype("f8"), w.astype("f8"), axes, groups)
        # Two sums in float32 (unit roundoff 2^-24) and the addition of the bias.
        bound = definition(rounding_bound, x.astype("f8"), w.astype("f8"), axes, groups, 2.0**-24)
        if biased:
            exact = exact + bias.reshape(-1, *[1] * rank)
            bound = bound + 2.0**-23 * (np.abs(exact) + np.abs(bias.reshape(-1, *[1] * rank)))
        note = f"{sizes} {kernel} {attributes} {form} {interleave} opset {opset}"
        assert got.shape == expected.shape, note
        assert (np.abs(got - expected) <= bound).all(), note
        assert (np.abs(got - exact) <= bound).all(), note


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", INTERLEAVES)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_every_form_and_interleave_in_integers(form, interleave, groups):
    """Sums of small integers are exact in float32: not one bit may differ."""
    rng = np.random.default_rng(0)
    x, w = (
        rng.integers(-9, 10, shape).astype(np.float32) for shape in ((2, 4, 5, 6), (4, 3, 5, 3))
    )
    bias = rng.integers(-9, 10, 3 * groups).astype(np.float32)
    source = single(
        x, w, bias, strides=[2, 2], pads=[1, 0, 2, 1], output_padding=[1, 0], group=groups
    )
    np.testing.assert_array_equal(
        run(convert(source, form, interleave), {"x": x})[0], run(source, {"x": x})[0]
    )


def test_the_operators_of_each_form_and_interleave():
    x, w, bias = arrays(0, (5, 6), (4, 4), 1, (3, 2))
    source = single(x, w, bias, strides=[2, 2], pads=[1, 1, 1, 1])
    expected = {
        ("split", "concat"): {"Conv": 4, "Concat": 3, "Reshape": 3},
        ("split", "depth_to_space"): {"Conv": 4, "Concat": 1, "DepthToSpace": 1},
        ("rows", "concat"): {"Conv": 2, "Concat": 2, "Split": 1, "Reshape": 3},
        ("stacked", "depth_to_space"): {"Conv": 1, "DepthToSpace": 1, "Slice": 1},
    }
    for (form, interleave), counts in expected.items():
        found = kinds(convert(source, form, interleave))
        assert {kind: found.count(kind) for kind in found} == counts


def test_one_axis_is_interleaved_by_two_reshapes_and_a_transpose():
    x, w, _ = arrays(0, (7,), (96,), 1, (3, 2))
    source = single(x, w, strides=[24], pads=[36, 36])
    (decision,) = decide_all(OnnxModel.parse(source).sites(), "generic")
    assert (decision.form, decision.interleave) == ("stacked", "transpose")
    found = kinds(convert(source, decision.form, decision.interleave))
    counts = {kind: found.count(kind) for kind in found}
    assert counts == {"Conv": 1, "Reshape": 2, "Transpose": 1, "Slice": 1}


def test_the_comparison_sees_two_exchanged_phases():
    """Negative control: exchanging the filters of two phases changes what the tests compare."""
    x, w, bias = arrays(0, (5, 6), (4, 4), 1, (3, 2))
    source = single(x, w, bias, strides=[2, 2], pads=[1, 1, 1, 1])
    converted = convert(source)
    first, second = [n for n in converted.graph.node if n.op_type == "Conv"][:2]
    first.input[1], second.input[1] = second.input[1], first.input[1]
    assert np.abs(run(converted, {"x": x})[0] - run(source, {"x": x})[0]).max() > 1


def _onnx_cases():
    """ONNX' own conformance cases; making those of other operators overflows on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return collect_testcases("ConvTranspose")


ONNX_CASES = _onnx_cases()


@pytest.mark.parametrize("case", ONNX_CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("form", FORMS)
def test_onnx_own_cases(case, form):
    """The conformance cases of the operator, their weights stored in the model."""
    source = onnx.ModelProto()
    source.CopyFrom(case.model)
    ((x, w), (expected,)) = case.data_sets[0]
    source.graph.initializer.append(onnx.numpy_helper.from_array(w, source.graph.input[1].name))
    del source.graph.input[1]
    y = run(convert(source, form), {source.graph.input[0].name: x})[0]
    # The cases' numbers are small integers.
    np.testing.assert_array_equal(y, expected)


def test_no_case_of_onnx_is_missing():
    assert len(ONNX_CASES) == 11
    names = {case.name.removeprefix("test_convtranspose") for case in ONNX_CASES}
    assert names >= {"", "_1d", "_3d", "_group_2"}

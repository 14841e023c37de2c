"""ONNX' padding dialect: what ONNX Runtime computes, and how other readings differ from it."""

import random

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from splitdeconv import SplitDeconvError
from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.geometry import Axis
from splitdeconv.core.plan import SplitPlan
from splitdeconv.formats.onnx.shapes.geometry import LONGEST, from_onnx
from tests.formats.onnx.models import run, single
from tests.refusals import refused


def _one(n, k, s, **attributes):
    (axis,) = from_onnx((n,), (k,), strides=(s,), **attributes)
    return axis


@pytest.mark.parametrize(
    ("attributes", "p", "o"),
    [
        # k = 5, s = 2, n = 3: the whole output has 9 elements
        ({}, 0, 9),
        ({"auto_pad": ""}, 0, 9),
        ({"auto_pad": "VALID"}, 0, 9),
        ({"pads": (1, 1)}, 1, 7),
        ({"pads": (0, 3)}, 0, 6),
        ({"pads": (5, 1)}, 5, 3),
        ({"output_padding": (1,)}, 0, 10),
        ({"pads": (2, 1), "output_padding": (1,)}, 2, 7),
        # n * s = 6 of 9, or of 10: an odd total of 3, or 4
        ({"auto_pad": "SAME_UPPER"}, 1, 6),
        ({"auto_pad": "SAME_LOWER"}, 2, 6),
        ({"auto_pad": "SAME_UPPER", "output_padding": (1,)}, 2, 6),
        ({"auto_pad": "SAME_LOWER", "output_padding": (1,)}, 2, 6),
        # output_shape: an odd total starts at its larger half, but under SAME_UPPER
        ({"output_shape": (6,)}, 2, 6),
        ({"output_shape": (6,), "auto_pad": "VALID"}, 2, 6),
        ({"output_shape": (6,), "auto_pad": "SAME_LOWER"}, 2, 6),
        ({"output_shape": (6,), "auto_pad": "SAME_UPPER"}, 1, 6),
        ({"output_shape": (6,), "output_padding": (1,)}, 2, 6),
        ({"output_shape": (6,), "pads": (0, 3)}, 2, 6),
        ({"output_shape": (10,)}, 0, 10),
        ({"output_shape": (1,)}, 4, 1),
    ],
    ids=str,
)
def test_crop_and_size(attributes, p, o):
    assert _one(3, 5, 2, **attributes) == Axis(n=3, k=5, s=2, d=1, p=p, tail=o - 6)


def test_same_with_a_kernel_shorter_than_its_stride_ends_early():
    assert _one(3, 2, 4, auto_pad="SAME_UPPER") == Axis(n=3, k=2, s=4, d=1, p=0, tail=-2)
    assert _one(3, 2, 4, auto_pad="SAME_LOWER", output_padding=(1,)) == Axis(
        n=3, k=2, s=4, d=1, p=0, tail=-1
    )


@pytest.mark.parametrize(
    "attributes", [{}, {"pads": (1, 2)}, {"auto_pad": "SAME_UPPER"}, {"output_padding": (1,)}]
)
def test_an_open_length_gives_the_same_crop_and_tail(attributes):
    open_, known = _one(None, 5, 2, **attributes), _one(7, 5, 2, **attributes)
    assert (open_.p, open_.tail, open_.n) == (known.p, known.tail, None)


def _random_attributes(draw):
    """Attributes as a model may have them, right and wrong ones; 1-D."""
    n, k, s, d = (
        draw.randint(1, 5),
        draw.randint(1, 5),
        draw.randint(1, 4),
        draw.choice([1, 1, 2, 3]),
    )
    attributes = {"strides": [s], "dilations": [d]}
    mode = draw.choice([None, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER", ""])
    if mode is not None:
        attributes["auto_pad"] = mode
    if draw.random() < 0.4:
        attributes["pads"] = [draw.randint(0, 3), draw.randint(0, 3)]
    if draw.random() < 0.4:
        attributes["output_padding"] = [draw.randint(0, max(s, d))]
    if draw.random() < 0.4:
        attributes["output_shape"] = [draw.randint(0, (n - 1) * s + d * (k - 1) + s + 2)]
    return n, k, attributes


def _arrays(seed, n, k):
    rng = np.random.default_rng(seed)
    # Small integers: every order of summation is exact in float32.
    return (rng.integers(-9, 10, shape).astype(np.float32) for shape in ((1, 2, n), (2, 3, k)))


def _run_or_none(model, x):
    """The output, or None where ONNX Runtime refuses the model or fails to run it."""
    try:
        return run(model, {"x": x})[0]
    except (Fail, InvalidArgument, RuntimeException):
        return None


_UNBOUNDED = ("an input of this length cannot give that output length", "output padding too large")


def _plan_or_problem(n, k, attributes):
    """The plan and None, or None and why there is none."""
    try:
        return SplitPlan(from_onnx((n,), (k,), **attributes), 1, "split"), None
    except SplitDeconvError as error:
        return None, error.problem


def test_onnx_runtime_agrees_on_values_and_on_what_is_refused():
    draw, agreed, refused_by_both = random.Random(0), 0, 0
    for seed in range(700):
        n, k, attributes = _random_attributes(draw)
        x, w = _arrays(seed, n, k)
        expected = _run_or_none(single(x, w, **attributes), x)
        plan, problem = _plan_or_problem(n, k, attributes)
        if problem:
            # Older versions of ONNX Runtime, 1.21 for one, append zeros without end.
            assert expected is None or problem in _UNBOUNDED, attributes
            refused_by_both += expected is None
            continue
        if expected is None:
            # The one thing ONNX Runtime does not compute and PyTorch does.
            assert attributes["output_padding"][0] >= attributes["strides"][0], attributes
            continue
        y = conv_transpose(np.moveaxis(x, 1, -1), w.transpose(2, 1, 0), plan)
        np.testing.assert_array_equal(np.moveaxis(y, -1, 1), expected, str(attributes))
        agreed += 1
    assert agreed > 300
    assert refused_by_both > 200


def _reference(model, x):
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


@pytest.mark.parametrize(
    ("n", "k", "attributes", "differs"),
    [
        # NOTSET and VALID with output_shape: the pads as they are, here none, instead of half the
        # total
        (3, 5, {"strides": [2], "output_shape": [8]}, "fails"),
        (3, 5, {"strides": [2], "output_shape": [8], "auto_pad": "VALID"}, "fails"),
        (1, 1, {"strides": [4], "output_shape": [3], "output_padding": [3]}, "values"),
        # SAME with a kernel shorter than its stride: n*s outputs, behind zeros
        (1, 1, {"strides": [4], "auto_pad": "SAME_LOWER"}, "size"),
        (2, 1, {"strides": [2], "auto_pad": "SAME_UPPER"}, "size"),
        # SAME with an output_shape beyond the whole output: a negative total, the output moved
        (5, 5, {"strides": [4], "auto_pad": "SAME_LOWER", "output_shape": [24]}, "values"),
        (2, 3, {"strides": [4], "auto_pad": "SAME_UPPER", "output_shape": [8]}, "values"),
    ],
)
def test_where_onnx_own_reference_differs(n, k, attributes, differs):
    x, w = _arrays(1, n, k)
    model = single(x, w, **attributes)
    y = run(model, {"x": x})[0]
    axes = from_onnx((n,), (k,), **attributes)
    assert y.shape[2] == axes[0].o
    if differs == "fails":
        with pytest.raises(ValueError, match="sliding blocks"):
            _reference(model, x)
        return
    z = _reference(model, x)
    assert (y.shape == z.shape) == (differs == "values")
    assert y.shape != z.shape or not np.array_equal(y, z)


def test_onnx_own_reference_knows_no_wider_groups():
    rng = np.random.default_rng(0)
    x, w, bias = (
        rng.integers(-9, 10, shape).astype(np.float32) for shape in ((1, 4, 3), (4, 2, 3), (4,))
    )
    with pytest.raises(ValueError, match="broadcast"):
        _reference(single(x, w, group=2), x)
    x = x[:, :2]
    model = single(x, w[:2, :1], bias[:2], group=2)
    wrong = _reference(model, x) - run(model, {"x": x})[0]
    np.testing.assert_array_equal(wrong[:, 1], np.full(wrong[:, 1].shape, bias[0] - bias[1]))
    assert not wrong[:, 0].any()


def test_onnx_shape_inference_differs_under_same():
    x, w = _arrays(1, 4, 5)
    model = single(x, w, strides=[2], auto_pad="SAME_UPPER", output_padding=[1])
    model.graph.output[0].type.tensor_type.ClearField("shape")
    inferred = (
        onnx.shape_inference.infer_shapes(model)
        .graph.output[0]
        .type.tensor_type.shape.dim[2]
        .dim_value
    )
    assert (
        run(model, {"x": x})[0].shape[2]
        == _one(4, 5, 2, auto_pad="SAME_UPPER", output_padding=(1,)).o
        == 8
    )
    assert inferred == 9


@pytest.mark.parametrize(
    ("sizes", "kernel", "attributes", "match"),
    [
        ((1, 1, 1, 1), (1,) * 4, {}, "only 1-D, 2-D and 3-D transposed convolutions"),
        ((), (), {}, "only 1-D, 2-D and 3-D transposed convolutions"),
        ((3,), (5,), {"auto_pad": "SAME"}, "unknown auto_pad"),
        ((3,), (5,), {"auto_pad": "VALID", "pads": (0, 0)}, "both pads and auto_pad are given"),
        ((3,), (5,), {"strides": (0,)}, "invalid strides for"),
        ((3,), (5,), {"strides": (1, 1)}, "invalid strides for"),
        ((3,), (5,), {"dilations": (0,)}, "invalid dilations for"),
        ((3,), (5,), {"pads": (1,)}, "invalid pads for"),
        ((3,), (5,), {"pads": (-1, 0)}, "invalid pads for"),
        ((3,), (5,), {"pads": (0, LONGEST + 1)}, "invalid pads for"),
        ((3,), (5,), {"output_padding": (-1,)}, "invalid output_padding for"),
        ((3,), (5,), {"output_shape": (0,)}, "invalid output_shape for"),
        ((3,), (5,), {"output_shape": ()}, "invalid output_shape for"),
        ((0,), (5,), {}, "invalid input_shape for"),
        ((3,), (0,), {}, "invalid kernel_shape for"),
        ((3,), (5,), {"strides": (2,), "output_padding": (2,)}, "output padding too large"),
        ((None,), (5,), {"output_shape": (9,)}, "output_shape requires a known input size"),
        (
            (3,),
            (5,),
            {"strides": (2,), "output_shape": (11,)},
            "an input of this length cannot give that output length",
        ),
        ((3,), (5,), {"strides": (2,), "pads": (5, 4)}, "the padding crops the whole output away"),
    ],
)
def test_refusals(sizes, kernel, attributes, match):
    with refused(match):
        from_onnx(sizes, kernel, **attributes)


def test_output_padding_may_reach_the_dilation():
    axis = _one(3, 2, 2, dilations=(3,), output_padding=(2,))
    assert (axis.p, axis.o) == (0, 10)

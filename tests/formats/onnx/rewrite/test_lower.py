"""What a ConvTranspose becomes, by value in ONNX Runtime: every attribute, form, interleave, type
and open size.
"""

import random
import warnings

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx.backend.test.case.node import collect_testcases
from onnx.reference import ReferenceEvaluator

from splitdeconv import SplitDeconvError
from splitdeconv.convert.decide import decide_all
from splitdeconv.core.definition import conv_transpose, rounding_bound
from splitdeconv.core.plan import SplitPlan
from splitdeconv.formats.onnx.geometry import from_onnx
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import arrays, convert, kinds, run, single

FORMS = ("split", "rows", "stacked")
INTERLEAVES = ("concat", "depth_to_space", "transpose")
OPSETS = (8, 9, 10, 11, 13, 17, 18, 21, 22)


def draw_case(draw):
    """One random ConvTranspose that ONNX Runtime runs: sizes, kernel, attributes, channels, what is
    left open.
    """
    while True:
        rank = draw.choice([1, 2, 2, 3])
        longest, fastest = (5, 4) if rank < 3 else (3, 3)
        sizes = [draw.randint(1, 5) for _ in range(rank)]
        kernel = [draw.randint(1, longest) for _ in range(rank)]
        strides = [draw.randint(1, fastest) for _ in range(rank)]
        strides = strides[:1] * rank if draw.random() < 0.5 else strides
        attributes = {"strides": strides, "group": draw.choice([1, 1, 1, 2, 3])}
        if draw.random() < 0.4:
            attributes["dilations"] = [draw.randint(1, 3) for _ in range(rank)]
        mode = draw.choice([None, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
        if mode:
            attributes["auto_pad"] = mode
        if mode in (None, "NOTSET") and draw.random() < 0.6:
            attributes["pads"] = [draw.randint(0, 3) for _ in range(2 * rank)]
        if draw.random() < 0.3:
            attributes["output_padding"] = [draw.randint(0, s - 1) for s in strides]
        open_ = draw.random() < 0.4
        if draw.random() < 0.3 and not open_:
            spans = [
                d * (k - 1) + 1
                for d, k in zip(attributes.get("dilations", [1] * rank), kernel, strict=True)
            ]
            most = [
                (n - 1) * s + span + s - 1 for n, s, span in zip(sizes, strides, spans, strict=True)
            ]
            attributes["output_shape"] = [draw.randint(1, m) for m in most]
        try:
            axes = _axes(sizes, kernel, attributes)
        except SplitDeconvError:  # the pads leave nothing
            continue
        per_group = draw.choice([1, 2, 3]), draw.choice([1, 2, 3])
        declared = [None if open_ and draw.random() < 0.8 else n for n in (2, *sizes)]
        return sizes, kernel, attributes, axes, per_group, declared, draw.random() < 0.5


def _axes(sizes, kernel, attributes):
    return from_onnx(
        sizes, kernel, **{name: v for name, v in attributes.items() if name != "group"}
    )


def definition(function, x, w, axes, groups, *more):
    """A function of `splitdeconv.core.definition` on channels-first arrays."""
    rank = len(axes)
    y = function(
        np.moveaxis(x, 1, -1),
        w.transpose(*range(2, rank + 2), 1, 0),
        SplitPlan(axes, groups, "split"),
        *more,
    )
    return np.moveaxis(y, -1, 1)


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
    assert {kind: found.count(kind) for kind in found} == {
        "Conv": 1,
        "Reshape": 2,
        "Transpose": 1,
        "Slice": 1,
    }


def opened(source, shape):
    """The same model, made to take another size as programs do after loading: by opening what it
    declares.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(source)
    for declared in (*changed.graph.input, *changed.graph.output):
        for i, dim in enumerate(declared.type.tensor_type.shape.dim):
            if i != 1:
                dim.dim_param = f"{declared.name}_{i}"
    return run(changed, {"x": np.random.default_rng(1).integers(-9, 10, shape).astype("f")})[0]


@pytest.mark.parametrize("part", range(6))
def test_a_file_of_fixed_size_stays_as_resizable_as_it_was(part):
    """Sums of small integers: wherever the original runs, down to one element, the converted one
    yields the same.
    """
    draw, compared = random.Random(100 + part), 0
    while compared < 40:
        sizes, kernel, attributes, _, per_group, _, biased = draw_case(draw)
        if attributes.pop("output_shape", None) or set(sizes) == {
            1
        }:  # these are bound to their size
            continue
        rank, groups = len(sizes), attributes["group"]
        x, w, bias = (np.round(3 * a) for a in arrays(compared, sizes, kernel, groups, per_group))
        source = single(x, w, bias if biased else None, opset=draw.choice(OPSETS), **attributes)
        square = rank == 2 and len(set(attributes["strides"])) == 1
        form, interleave = (
            draw.choice(FORMS),
            draw.choice(INTERLEAVES if square else ("concat", "transpose")),
        )
        converted = convert(source, form, interleave)
        for _ in range(3):
            shape = (draw.randint(1, 3), x.shape[1], *(draw.randint(1, 7) for _ in sizes))
            try:
                _axes(shape[2:], kernel, attributes)
            except SplitDeconvError:  # the original has no output at this size
                continue
            note = f"{sizes} -> {shape} {kernel} {attributes} {form} {interleave}"
            np.testing.assert_array_equal(opened(converted, shape), opened(source, shape), note)
            compared += 1


@pytest.mark.parametrize("interleave", INTERLEAVES)
def test_a_map_of_one_element_costs_no_padding_and_is_refused_at_other_sizes(interleave):
    """A GAN's first layer: its plan holds for the declared map, and a runtime says so instead of
    yielding numbers.
    """
    rng = np.random.default_rng(0)
    x, w = (
        rng.integers(-9, 10, (2, 5, 1, 1)).astype("f"),
        rng.integers(-9, 10, (5, 3, 4, 3)).astype("f"),
    )
    source = single(x, w, strides=[1, 1], pads=[1, 0, 0, 0])
    (decision,) = decide_all(OnnxModel.parse(source).sites(), "generic", interleave=interleave)
    assert decision.form == "stacked"
    assert "for the declared feature map of one element" in decision.reason
    converted = convert(source, "stacked", interleave)
    (conv,) = (node for node in converted.graph.node if node.op_type == "Conv")
    assert {a.name: list(a.ints) for a in conv.attribute if a.type == a.INTS}["kernel_shape"] == [
        1,
        1,
    ]
    np.testing.assert_array_equal(run(converted, {"x": x})[0], run(source, {"x": x})[0])
    np.testing.assert_array_equal(opened(converted, (3, 5, 1, 1)), opened(source, (3, 5, 1, 1)))
    for shape in ((1, 5, 2, 1), (1, 5, 2, 2)):
        with pytest.raises(Exception, match="Reshape"):
            opened(converted, shape)


def test_an_output_shape_binds_the_conversion_to_the_declared_size_and_the_reason_says_so():
    x, w, _ = arrays(0, (5, 6), (4, 4), 1, (3, 2))
    bound = single(x, w, strides=[2, 2], output_shape=[9, 11])
    (decision,) = decide_all(OnnxModel.parse(bound).sites(), "generic", form="rows")
    assert "output_shape only holds for the declared input size" in decision.reason
    (decision,) = decide_all(OnnxModel.parse(single(x, w, strides=[2, 2])).sites(), "generic")
    assert "declared" not in decision.reason


def test_the_comparison_sees_two_exchanged_phases():
    """Negative control: what every test here compares differs when two phases' filters change
    places.
    """
    x, w, bias = arrays(0, (5, 6), (4, 4), 1, (3, 2))
    source = single(x, w, bias, strides=[2, 2], pads=[1, 1, 1, 1])
    converted = convert(source)
    first, second = [n for n in converted.graph.node if n.op_type == "Conv"][:2]
    first.input[1], second.input[1] = second.input[1], first.input[1]
    assert np.abs(run(converted, {"x": x})[0] - run(source, {"x": x})[0]).max() > 1


def _onnx_cases():
    """ONNX' own conformance cases of the operator; making those of other operators overflows on
    purpose.
    """
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
    assert {case.name.removeprefix("test_convtranspose") for case in ONNX_CASES} >= {
        "",
        "_1d",
        "_3d",
        "_group_2",
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", INTERLEAVES)
@pytest.mark.parametrize("strides", [(2, 2), (3, 2), (2, 1)])
def test_open_batch_and_sizes(form, interleave, strides):
    """One converted model runs at every size the original runs at, down to a single input."""
    if interleave == "depth_to_space" and len(set(strides)) > 1:
        return
    rng = np.random.default_rng(0)
    w, bias = rng.standard_normal((3, 2, 4, 3)).astype("f"), rng.standard_normal(2).astype("f")
    x = rng.standard_normal((1, 3, 1, 1)).astype("f")
    source = single(
        x, w, bias, shape=["batch", 3, "height", "width"], strides=strides, pads=[2, 1, 0, 1]
    )
    converted = convert(source, form, interleave)
    for shape in ((1, 3, 2, 2), (2, 3, 1, 3), (3, 3, 5, 4), (1, 3, 9, 2)):
        x = rng.standard_normal(shape).astype("f")
        expected, got = run(source, {"x": x})[0], run(converted, {"x": x})[0]
        axes = from_onnx(shape[2:], (4, 3), strides=strides, pads=(2, 1, 0, 1))
        bound = (
            definition(rounding_bound, x, w, axes, 1, 2.0**-24) + 2.0**-21
        )  # the bias is of order 1
        assert got.shape == expected.shape
        assert (np.abs(got - expected) <= bound).all()


@pytest.mark.parametrize("interleave", ["concat", "transpose"])
def test_open_sizes_in_3d_and_1d(interleave):
    rng = np.random.default_rng(0)
    for strides in ((3,), (2, 2, 2), (2, 1, 3), (1, 2, 2)):
        rank = len(strides)
        w = rng.integers(-9, 10, (2, 3, *[3] * rank)).astype("f")
        x = rng.integers(-9, 10, (2, 2, *range(2, 2 + rank))).astype("f")
        source = single(x, w, shape=[None, 2, *[None] * rank], strides=strides)
        for form in FORMS:
            np.testing.assert_array_equal(
                run(convert(source, form, interleave), {"x": x})[0], run(source, {"x": x})[0]
            )


def test_equal_strides_need_no_length_known_at_run_time_only():
    x, w, _ = arrays(0, (5, 6), (4, 4), 1, (3, 2))
    found = kinds(convert(single(x, w, shape=[2, 3, None, None], strides=[2, 2])))
    assert not {"Shape", "Gather", "Mul"} & set(found)
    found = kinds(convert(single(x, w, shape=[2, 3, None, None], strides=[2, 3])))
    assert found.count("Shape") == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", ["concat", "transpose", "depth_to_space"])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_an_open_batch_may_be_empty(form, interleave, batch):
    """No length follows from what remains of no elements."""
    x, w, b = arrays(0, (5, 6), (3, 4), 1, (3, 2))
    for strides in ([2, 2], [2, 3]):
        if interleave == "depth_to_space" and len(set(strides)) > 1:
            continue
        source = single(x, w, b, shape=[None, 3, None, None], strides=strides)
        feed = {"x": np.resize(x, (batch, 3, 7, 5))}
        (expected,), (got,) = run(source, feed), run(convert(source, form, interleave), feed)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_a_phase_that_reads_only_padding_where_the_input_is_short():
    """Where a slice could reach beyond an open input, zeros are put behind it first."""
    rng = np.random.default_rng(0)
    w = rng.integers(-9, 10, (2, 3, 3)).astype("f")
    x = rng.integers(-9, 10, (1, 2, 6)).astype("f")
    source = single(x, w, shape=[1, 2, None], strides=[2], pads=[2, 0])
    converted = convert(source)
    for n in range(1, 7):
        np.testing.assert_array_equal(
            run(converted, {"x": x[..., :n]})[0], run(source, {"x": x[..., :n]})[0]
        )


@pytest.mark.parametrize("form", FORMS)
def test_half_precision(form):
    """ONNX Runtime sums float16 in float32 and rounds once: half a unit in the last place for each
    of the two.
    """
    x, w, bias = (a.astype(np.float16) for a in arrays(0, (5, 6), (4, 3), 2, (3, 2)))
    source = single(x, w, bias, strides=[2, 2], group=2)
    expected, got = run(source, {"x": x})[0], run(convert(source, form), {"x": x})[0]
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, expected, rtol=2.0**-10, atol=2.0**-12)


@pytest.mark.parametrize("form", FORMS)
def test_double_precision(form):
    """ONNX Runtime has no kernel for float64; ONNX' own reference runs what the conversion is made
    of.
    """
    x, w, bias = arrays(0, (4, 3), (5, 2), 1, (3, 2), np.float64)
    source = single(x, w, bias, strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])
    axes = from_onnx((4, 3), (5, 2), strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])
    expected = definition(conv_transpose, x, w, axes, 1) + bias[:, None, None]
    got = ReferenceEvaluator(convert(source, form)).run(None, {"x": x})[0]
    # 15 products of order 1 and a bias: well below 64 * 2^-53 * 16
    np.testing.assert_allclose(got, expected, rtol=0, atol=1.2e-13)


def test_bfloat16_keeps_its_type():
    x, w, bias = (a.astype(ml_dtypes.bfloat16) for a in arrays(0, (4, 3), (3, 3), 1, (3, 2)))
    converted = convert(single(x, w, bias, strides=[2, 2], opset=22, ir_version=10), "stacked")
    assert {t.data_type for t in converted.graph.initializer} == {
        onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.INT64,
    }


def test_infinities_stay_where_they_were():
    """The form split multiplies nothing by zero: empty phases are filled, not computed."""
    x, w, bias = arrays(0, (4,), (2,), 1, (2, 3))
    x[0, 0, 1] = np.inf
    source = single(x, w, bias, strides=[4])
    expected, got = run(source, {"x": x})[0], run(convert(source), {"x": x})[0]
    assert np.isinf(expected).any()
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    np.testing.assert_array_equal(got[..., 2::4], expected[..., 2::4])

"""ONNX models of one or two transposed convolutions: every attribute, form and interleave, by value in ONNX Runtime."""

import random
import warnings
from dataclasses import replace

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.backend.test.case.node import collect_testcases
from onnx.reference import ReferenceEvaluator

from splitdeconv import SplitDeconvError
from splitdeconv.convert.onnx import OnnxModel
from splitdeconv.convert.report import Decision
from splitdeconv.geometry_onnx import from_onnx
from splitdeconv.plan import SplitPlan
from splitdeconv.reference import conv_transpose, rounding_bound
from tests.convert.onnx_models import convert, kinds, model, problem, run, single, value
from tests.refusals import refused

FORMS = ("split", "rows", "stacked")
INTERLEAVES = ("concat", "depth_to_space", "transpose")
OPSETS = (8, 9, 10, 11, 13, 17, 18, 21, 22)


def draw_case(draw):
    """One random ConvTranspose that ONNX Runtime runs: sizes, kernel, attributes, channels, what is left open."""
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
            spans = [d * (k - 1) + 1 for d, k in zip(attributes.get("dilations", [1] * rank), kernel, strict=True)]
            most = [(n - 1) * s + span + s - 1 for n, s, span in zip(sizes, strides, spans, strict=True)]
            attributes["output_shape"] = [draw.randint(1, m) for m in most]
        try:
            axes = _axes(sizes, kernel, attributes)
        except SplitDeconvError:  # the pads leave nothing
            continue
        per_group = draw.choice([1, 2, 3]), draw.choice([1, 2, 3])
        declared = [None if open_ and draw.random() < 0.8 else n for n in (2, *sizes)]
        return sizes, kernel, attributes, axes, per_group, declared, draw.random() < 0.5


def _axes(sizes, kernel, attributes):
    return from_onnx(sizes, kernel, **{name: v for name, v in attributes.items() if name != "group"})


def _arrays(seed, sizes, kernel, groups, per_group, dtype=np.float32):
    rng = np.random.default_rng(seed)
    cin, cout = groups * per_group[0], per_group[1]
    shapes = (2, cin, *sizes), (cin, cout, *kernel), (cout * groups,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def definition(function, x, w, axes, groups, *more):
    """A function of `splitdeconv.reference` on channels-first arrays."""
    rank = len(axes)
    y = function(np.moveaxis(x, 1, -1), w.transpose(*range(2, rank + 2), 1, 0), SplitPlan(axes, groups, "split"), *more)
    return np.moveaxis(y, -1, 1)


@pytest.mark.parametrize("part", range(8))
def test_random_geometries(part):
    """Against ONNX Runtime's own operator and against the definition: 400 cases in all."""
    draw = random.Random(part)
    for index in range(50):
        sizes, kernel, attributes, axes, per_group, declared, biased = draw_case(draw)
        groups, rank = attributes["group"], len(sizes)
        x, w, bias = _arrays(1000 * part + index, sizes, kernel, groups, per_group)
        opset = draw.choice(OPSETS)
        shape = [declared[0], x.shape[1], *declared[1:]]
        version = 3 if opset == 8 else 8
        source = single(x, w, bias if biased else None, shape=shape, opset=opset, ir_version=version, **attributes)
        square = rank == 2 and len(set(attributes["strides"])) == 1
        form, interleave = draw.choice(FORMS), draw.choice(INTERLEAVES if square else ("concat", "transpose"))
        expected, got = run(source, {"x": x})[0], run(convert(source, form, interleave), {"x": x})[0]
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
    x, w = (rng.integers(-9, 10, shape).astype(np.float32) for shape in ((2, 4, 5, 6), (4, 3, 5, 3)))
    bias = rng.integers(-9, 10, 3 * groups).astype(np.float32)
    source = single(x, w, bias, strides=[2, 2], pads=[1, 0, 2, 1], output_padding=[1, 0], group=groups)
    np.testing.assert_array_equal(run(convert(source, form, interleave), {"x": x})[0], run(source, {"x": x})[0])


def test_the_operators_of_each_form_and_interleave():
    x, w, bias = _arrays(0, (5, 6), (4, 4), 1, (3, 2))
    source = single(x, w, bias, strides=[2, 2], pads=[1, 1, 1, 1])
    expected = {
        ("split", "concat"): {"Conv": 4, "Concat": 3, "Reshape": 3},
        ("split", "depth_to_space"): {"Conv": 4, "Concat": 1, "DepthToSpace": 1},
        ("rows", "concat"): {"Conv": 2, "Concat": 2, "Split": 1, "Reshape": 3},
        ("stacked", "depth_to_space"): {"Conv": 1, "DepthToSpace": 1, "Slice": 1},
        ("stacked", "transpose"): {"Conv": 1, "Reshape": 2, "Transpose": 1, "Slice": 1},
    }
    for (form, interleave), counts in expected.items():
        found = kinds(convert(source, form, interleave))
        assert {kind: found.count(kind) for kind in found} == counts


def test_the_comparison_sees_two_exchanged_phases():
    """Negative control: what every test here compares differs when two phases' filters change places."""
    x, w, bias = _arrays(0, (5, 6), (4, 4), 1, (3, 2))
    source = single(x, w, bias, strides=[2, 2], pads=[1, 1, 1, 1])
    converted = convert(source)
    first, second = [n for n in converted.graph.node if n.op_type == "Conv"][:2]
    first.input[1], second.input[1] = second.input[1], first.input[1]
    assert np.abs(run(converted, {"x": x})[0] - run(source, {"x": x})[0]).max() > 1


def _onnx_cases():
    """ONNX' own conformance cases of the operator; making those of other operators overflows on purpose."""
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
    assert {case.name.removeprefix("test_convtranspose") for case in ONNX_CASES} >= {"", "_1d", "_3d", "_group_2"}


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
    source = single(x, w, bias, shape=["batch", 3, "height", "width"], strides=strides, pads=[2, 1, 0, 1])
    converted = convert(source, form, interleave)
    for shape in ((1, 3, 2, 2), (2, 3, 1, 3), (3, 3, 5, 4), (1, 3, 9, 2)):
        x = rng.standard_normal(shape).astype("f")
        expected, got = run(source, {"x": x})[0], run(converted, {"x": x})[0]
        axes = from_onnx(shape[2:], (4, 3), strides=strides, pads=(2, 1, 0, 1))
        bound = definition(rounding_bound, x, w, axes, 1, 2.0**-24) + 2.0**-21  # the bias is of order 1
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
            np.testing.assert_array_equal(run(convert(source, form, interleave), {"x": x})[0], run(source, {"x": x})[0])


def test_equal_strides_need_no_length_known_at_run_time_only():
    x, w, _ = _arrays(0, (5, 6), (4, 4), 1, (3, 2))
    found = kinds(convert(single(x, w, shape=[None, 3, None, None], strides=[2, 2])))
    assert not {"Shape", "Gather", "Mul"} & set(found)
    found = kinds(convert(single(x, w, shape=[None, 3, None, None], strides=[2, 3])))
    assert found.count("Shape") == 1


def test_a_phase_that_reads_only_padding_where_the_input_is_short():
    """Where a slice could reach beyond an open input, zeros are put behind it first."""
    rng = np.random.default_rng(0)
    w = rng.integers(-9, 10, (2, 3, 3)).astype("f")
    x = rng.integers(-9, 10, (1, 2, 6)).astype("f")
    source = single(x, w, shape=[1, 2, None], strides=[2], pads=[2, 0])
    converted = convert(source)
    for n in range(1, 7):
        np.testing.assert_array_equal(run(converted, {"x": x[..., :n]})[0], run(source, {"x": x[..., :n]})[0])


@pytest.mark.parametrize("form", FORMS)
def test_half_precision(form):
    """ONNX Runtime sums float16 in float32 and rounds once: half a unit in the last place for each of the two."""
    x, w, bias = (a.astype(np.float16) for a in _arrays(0, (5, 6), (4, 3), 2, (3, 2)))
    source = single(x, w, bias, strides=[2, 2], group=2)
    expected, got = run(source, {"x": x})[0], run(convert(source, form), {"x": x})[0]
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, expected, rtol=2.0**-10, atol=2.0**-12)


@pytest.mark.parametrize("form", FORMS)
def test_double_precision(form):
    """ONNX Runtime has no kernel for float64; ONNX' own reference runs what the conversion is made of."""
    x, w, bias = _arrays(0, (4, 3), (5, 2), 1, (3, 2), np.float64)
    source = single(x, w, bias, strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])
    axes = from_onnx((4, 3), (5, 2), strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])
    expected = definition(conv_transpose, x, w, axes, 1) + bias[:, None, None]
    got = ReferenceEvaluator(convert(source, form)).run(None, {"x": x})[0]
    # 15 products of order 1 and a bias: well below 64 * 2^-53 * 16
    np.testing.assert_allclose(got, expected, rtol=0, atol=1.2e-13)


def test_bfloat16_keeps_its_type():
    x, w, bias = (a.astype(ml_dtypes.bfloat16) for a in _arrays(0, (4, 3), (3, 3), 1, (3, 2)))
    converted = convert(single(x, w, bias, strides=[2, 2], opset=22, ir_version=10), "stacked")
    assert {t.data_type for t in converted.graph.initializer} == {onnx.TensorProto.BFLOAT16, onnx.TensorProto.INT64}


def test_infinities_stay_where_they_were():
    """The form split multiplies nothing by zero: empty phases are filled, not computed."""
    x, w, bias = _arrays(0, (4,), (2,), 1, (2, 3))
    x[0, 0, 1] = np.inf
    source = single(x, w, bias, strides=[4])
    expected, got = run(source, {"x": x})[0], run(convert(source), {"x": x})[0]
    assert np.isinf(expected).any()
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    np.testing.assert_array_equal(got[..., 2::4], expected[..., 2::4])


def _chain(**how):
    """Two transposed convolutions one after the other, the first of them an output as well."""
    rng = np.random.default_rng(0)
    stored = {"w1": rng.integers(-3, 4, (2, 3, 3, 3)).astype("f"), "w2": rng.integers(-3, 4, (3, 2, 2, 4)).astype("f")}
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w1"], ["mid"], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("Relu", ["mid"], ["act"], name="act"),
        helper.make_node("ConvTranspose", ["act", "w2"], ["y"], name="up2", strides=[2, 3], output_shape=[16, 30]),
    ]
    inputs = [value("x", "f", ["batch", 2, 4, 5])]
    outputs = [value("y", "f", ["batch", 2, 16, 30]), value("mid", "f", ["batch", 3, 8, 10])]
    return model(nodes, inputs, outputs, stored, **how), rng.integers(-3, 4, (2, 2, 4, 5)).astype("f")


@pytest.mark.parametrize("form", FORMS)
def test_two_in_a_row_and_an_output_in_between(form):
    """The second one's output_shape needs a length that only inference knows."""
    source, x = _chain()
    converted = convert(source, form)
    assert [o.name for o in converted.graph.output] == ["y", "mid"]
    for expected, got in zip(run(source, {"x": x}), run(converted, {"x": x}), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_sites_tell_what_the_model_says():
    first, second = OnnxModel.parse(_chain()[0]).sites()
    assert (first.name, second.name) == ("mid", "up2")
    assert (first.operator, first.dtype, first.groups, first.batch) == ("ConvTranspose", "float32", 1, None)
    assert (second.in_channels, second.out_channels) == (3, 2)
    assert second.axes == from_onnx((8, 10), (2, 4), strides=(2, 3), output_shape=(16, 30))
    assert second.problem is None


def test_only_what_was_decided_is_converted():
    source, x = _chain()
    parsed = OnnxModel.parse(source)
    first, second = parsed.sites()
    parsed.apply([Decision(first, "leave", None, None, ""), Decision(second, "convert", "split", "concat", "")])
    result = onnx.load_model_from_string(parsed.serialize())
    assert kinds(result)[:2] == ["ConvTranspose", "Relu"]
    assert kinds(result).count("ConvTranspose") == 1
    np.testing.assert_array_equal(run(result, {"x": x})[0], run(source, {"x": x})[0])


def test_a_fixed_batch():
    source, x = _chain()
    parsed = OnnxModel.parse(source)
    parsed.static_batch(2)
    assert [site.batch for site in parsed.sites()] == [2, 2]
    parsed.apply([Decision(site, "convert", "rows", "concat", "") for site in parsed.sites()])
    result = onnx.load_model_from_string(parsed.serialize())
    onnx.checker.check_model(result, full_check=True)
    shapes = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*result.graph.input, *result.graph.output)]
    assert shapes == [[2, 2, 4, 5], [2, 2, 16, 30], [2, 3, 8, 10]]
    np.testing.assert_array_equal(run(result, {"x": x})[0], run(source, {"x": x})[0])
    for wrong in (0, True, 1.5):
        with refused("the batch has to be a positive number"):
            parsed.static_batch(wrong)


def test_operators_with_their_versions():
    parsed = OnnxModel.parse(_chain()[0])
    assert parsed.operators() == [("ConvTranspose", 17), ("Relu", 17), ("ConvTranspose", 17)]
    custom = helper.make_node("Mish", ["y"], ["z"], domain="com.example")
    source = model([_chain()[0].graph.node[1], custom], [value("mid", "f", [1])], [value("z", "f", [1])],
                   domains=["com.example"])  # fmt: skip
    source.graph.node[1].input[0] = "act"
    assert OnnxModel.parse(source).operators() == [("Relu", 17), ("com.example.Mish", 1)]


def test_what_is_no_transposed_convolution_stays():
    source, _ = _chain()
    source.producer_name, source.doc_string, source.model_version = "somebody", "a note", 7
    source.metadata_props.add(key="classes", value="cat,dog")
    source.graph.value_info.append(value("act", "f", ["batch", 3, 8, 10]))
    source.graph.doc_string = "about the graph"
    result = convert(source)
    for name in ("producer_name", "doc_string", "model_version", "metadata_props", "opset_import", "ir_version"):
        assert getattr(result, name) == getattr(source, name)
    assert list(result.graph.value_info) == list(source.graph.value_info)
    assert (result.graph.input, result.graph.output) == (source.graph.input, source.graph.output)
    assert [n for n in result.graph.node if n.op_type == "Relu"] == [source.graph.node[1]]
    assert not {"w1", "w2"} & {t.name for t in result.graph.initializer}


def test_the_same_bytes_every_time_and_untouched_bytes_if_nothing_is_done():
    data = _chain()[0].SerializeToString()
    assert convert(data).SerializeToString(deterministic=True) == convert(data).SerializeToString(deterministic=True)
    untouched = OnnxModel.parse(data)
    untouched.apply([Decision(site, "leave", None, None, "") for site in untouched.sites()])
    assert untouched.serialize() is data
    before = _chain()[0]
    convert(before)
    assert before == _chain()[0]


def test_split_adds_operators_only():
    """All filters together hold as many numbers as before."""
    x, w, bias = _arrays(0, (5, 6), (5, 5), 1, (64, 32))
    source = single(x, w, bias, strides=[2, 2], pads=[2, 2, 1, 1])
    assert convert(source).ByteSize() - source.ByteSize() < 3000
    assert convert(source, "stacked").ByteSize() > 1.3 * source.ByteSize()


def test_names_that_are_taken_already():
    """New values and nodes step aside for the model's own."""
    x, w, _ = _arrays(0, (5,), (3,), 1, (2, 3))
    source = single(x, w, strides=[2])
    taken = ("up_conv", "w_0", "w_1", "up_reshape", "up_shape", "up_concat")
    for name in taken:
        source.graph.node.append(helper.make_node("Identity", ["x"], [name], name=f"node_{name}"))
    source.graph.node.append(helper.make_node("Identity", ["y"], ["last"], name="up_conv"))
    source.graph.output[0].name = "last"
    np.testing.assert_allclose(run(convert(source), {"x": x})[0], run(source, {"x": x})[0], rtol=1e-5, atol=1e-6)


def test_declared_lengths_that_contradict_onnx_runtime_are_corrected():
    """Shape inference adds output_padding to SAME's n*s, so exporters may declare it; ONNX Runtime computes n*s."""
    x, w, _ = _arrays(0, (4,), (5,), 1, (2, 3))
    source = single(x, w, strides=[2], auto_pad="SAME_UPPER", output_padding=[1])
    source.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 9
    converted = convert(source)
    assert converted.graph.output[0].type.tensor_type.shape.dim[2].dim_value == 8
    assert run(converted, {"x": x})[0].shape[2] == 8


def test_decisions_about_other_models_are_refused():
    one, other = OnnxModel.parse(_chain()[0]), OnnxModel.parse(_chain()[0])
    site = other.sites()[0]
    one.sites()
    with refused("none that can be rewritten here"):
        one.apply([Decision(site, "convert", "split", "concat", "")])
    site = one.sites()[0]
    with refused("none that can be rewritten here"):
        one.apply([Decision(replace(site, problem="a problem"), "convert", "split", "concat", "")])


def test_depth_to_space_needs_equal_strides():
    x, w, _ = _arrays(0, (5, 6), (4, 4), 1, (3, 2))
    with refused("depth_to_space interleaves two axes of equal stride only"):
        convert(single(x, w, strides=[2, 3]), "split", "depth_to_space")


def test_a_dilation_that_would_swell_the_filters_is_refused():
    x = np.zeros((1, 128, 4), "f")
    w = np.zeros((128, 128, 3), "f")
    source = single(x, w, strides=[2], dilations=[32767])
    with refused("the form stacked would extend the filters by zeros beyond measure"):
        convert(source, "stacked")
    assert kinds(convert(source)).count("Conv") == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"opset": 6}, "the model's operator set is not supported: expected opset 7 to"),
        ({"opset": 99}, "the model's operator set is not supported"),
        ({"opset": 7, "strides": [4]}, "phases without taps need the operator Expand"),
        ({"group": 2}, "the groups do not divide the input channels"),
        ({"group": 0}, "the groups do not divide the input channels"),
        ({"kernel_shape": [4]}, "kernel_shape is not that of the filters"),
        ({"shape": [1, 4, 5]}, "the input does not fit the filters"),
        ({"shape": [1, 3, 5, 5]}, "the input does not fit the filters"),
        ({"bias": np.zeros(3, "f")}, "the bias does not fit the filters"),
        ({"strides": [5000]}, "its stride or kernel is too large to split"),
        ({"dilations": [40000]}, "its stride or kernel is too large to split"),
        ({"activation": "Relu"}, "an attribute is unknown or repeated"),
        ({"strides": 2}, "strides is of another type than it has to be"),
        ({"group": [1]}, "group is of another type than it has to be"),
        ({"auto_pad": "SAME"}, "unknown auto_pad"),
        ({"shape": [1, 3, None], "output_shape": [9]}, "output_shape needs a known input size"),
        ({"w": np.zeros((3, 2, 3), "i4")}, "the type it computes in is none ONNX knows it for"),
    ],
    ids=str,
)
def test_problems_are_told_site_by_site(change, match):
    parts = {"x": np.zeros((1, 3, 5), "f"), "w": np.zeros((3, 2, 3), "f")} | change
    assert match in problem(single(**parts))


@pytest.mark.parametrize("inputs", [[], ["x"], ["x", ""], ["", "w"]])
def test_missing_inputs_are_a_problem(inputs):
    source = single(np.zeros((1, 3, 5), "f"), np.zeros((3, 2, 3), "f"))
    source.graph.node[0].input[:] = inputs
    assert "it lacks input or filters" in problem(source)


def test_a_problem_is_no_failure_of_the_others():
    source, _ = _chain()
    source.graph.node[2].attribute[0].ints[:] = [2, 3, 4]
    first, second = OnnxModel.parse(source).sites()
    assert first.problem is None
    assert "does not fit" in second.problem

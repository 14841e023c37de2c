"""ONNX models as a whole: what is found, decided, rewritten, kept, named and refused."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.input_shapes import requested_shapes
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.onnx.shapes.geometry import from_onnx
from splitdeconv.formats.site import Decision
from tests.formats.onnx.models import (
    arrays,
    convert,
    kinds,
    model,
    node,
    problem,
    run,
    single,
    value,
)
from tests.refusals import refused

FORMS = FILE_FORMS


def _chain(**how):
    """Two transposed convolutions one after the other, the first of them an output as well."""
    rng = np.random.default_rng(0)
    stored = {
        "w1": rng.integers(-3, 4, (2, 3, 3, 3)).astype("f"),
        "w2": rng.integers(-3, 4, (3, 2, 2, 4)).astype("f"),
    }
    nodes = [
        helper.make_node(
            "ConvTranspose", ["x", "w1"], ["mid"], strides=[2, 2], auto_pad="SAME_UPPER"
        ),
        helper.make_node("Relu", ["mid"], ["act"], name="act"),
        helper.make_node(
            "ConvTranspose", ["act", "w2"], ["y"], name="up2", strides=[2, 3], output_shape=[16, 30]
        ),
    ]
    inputs = [value("x", "f", ["batch", 2, 4, 5])]
    outputs = [value("y", "f", ["batch", 2, 16, 30]), value("mid", "f", ["batch", 3, 8, 10])]
    return model(nodes, inputs, outputs, stored, **how), rng.integers(-3, 4, (2, 2, 4, 5)).astype(
        "f"
    )


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
    identity = (first.operator, first.dtype, first.groups, first.batch)
    assert identity == ("ConvTranspose", "float32", 1, None)
    assert (second.in_channels, second.out_channels) == (3, 2)
    assert second.axes == from_onnx((8, 10), (2, 4), strides=(2, 3), output_shape=(16, 30))
    assert second.problem is None


def test_only_what_was_decided_is_converted():
    source, x = _chain()
    parsed = OnnxModel.parse(source)
    first, second = parsed.sites()
    leave = Decision(first, "leave", None, None, "")
    parsed.apply([leave, Decision(second, "convert", "split", "concat", "")])
    result = onnx.load_model_from_string(parsed.serialize())
    assert kinds(result)[:2] == ["ConvTranspose", "Relu"]
    assert kinds(result).count("ConvTranspose") == 1
    np.testing.assert_array_equal(run(result, {"x": x})[0], run(source, {"x": x})[0])


def test_a_fixed_batch():
    source, x = _chain()
    parsed = OnnxModel.parse(source)
    parsed.fix(requested_shapes(None, 2, parsed.inputs()))
    assert [site.batch for site in parsed.sites()] == [2, 2]
    parsed.apply([Decision(site, "convert", "rows", "concat", "") for site in parsed.sites()])
    result = onnx.load_model_from_string(parsed.serialize())
    onnx.checker.check_model(result, full_check=True)
    shapes = [
        [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*result.graph.input, *result.graph.output)
    ]
    assert shapes == [[2, 2, 4, 5], [2, 2, 16, 30], [2, 3, 8, 10]]
    np.testing.assert_array_equal(run(result, {"x": x})[0], run(source, {"x": x})[0])


def test_operators_with_their_versions():
    parsed = OnnxModel.parse(_chain()[0])
    assert parsed.operators() == [("ConvTranspose", 17), ("Relu", 17), ("ConvTranspose", 17)]
    custom = helper.make_node("Mish", ["y"], ["z"], domain="com.example")
    relu, ports = _chain()[0].graph.node[1], [[value(n, "f", [1])] for n in ("mid", "z")]
    source = model([relu, custom], *ports, domains=["com.example"])
    source.graph.node[1].input[0] = "act"
    assert OnnxModel.parse(source).operators() == [("Relu", 17), ("com.example.Mish", 1)]


def test_what_is_no_transposed_convolution_stays():
    source, _ = _chain()
    source.producer_name, source.doc_string, source.model_version = "somebody", "a note", 7
    source.metadata_props.add(key="classes", value="cat,dog")
    source.graph.value_info.append(value("act", "f", ["batch", 3, 8, 10]))
    source.graph.doc_string = "about the graph"
    result = convert(source)
    kept = ("producer_name", "doc_string", "model_version", "metadata_props", "opset_import")
    for name in (*kept, "ir_version"):
        assert getattr(result, name) == getattr(source, name)
    assert list(result.graph.value_info) == list(source.graph.value_info)
    assert (result.graph.input, result.graph.output) == (source.graph.input, source.graph.output)
    assert [n for n in result.graph.node if n.op_type == "Relu"] == [source.graph.node[1]]
    assert not {"w1", "w2"} & {t.name for t in result.graph.initializer}


def test_the_same_bytes_every_time_and_untouched_bytes_if_nothing_is_done():
    data = _chain()[0].SerializeToString()
    first, second = (convert(data).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    untouched = OnnxModel.parse(data)
    untouched.apply([Decision(site, "leave", None, None, "") for site in untouched.sites()])
    assert untouched.serialize() is data
    before = _chain()[0]
    convert(before)
    assert before == _chain()[0]


def test_split_adds_operators_only():
    """All filters together hold as many numbers as before."""
    x, w, bias = arrays(0, (5, 6), (5, 5), 1, (64, 32))
    source = single(x, w, bias, strides=[2, 2], pads=[2, 2, 1, 1])
    assert convert(source).ByteSize() - source.ByteSize() < 3000
    assert convert(source, "stacked").ByteSize() > 1.3 * source.ByteSize()


def test_names_that_are_taken_already():
    """New values and nodes step aside for the model's own."""
    x, w, _ = arrays(0, (5,), (3,), 1, (2, 3))
    source = single(x, w, strides=[2])
    taken = ("up_conv", "w_0", "w_1", "up_reshape", "up_shape", "up_concat")
    for name in taken:
        source.graph.node.append(helper.make_node("Identity", ["x"], [name], name=f"node_{name}"))
    source.graph.node.append(helper.make_node("Identity", ["y"], ["last"], name="up_conv"))
    source.graph.output[0].name = "last"
    np.testing.assert_allclose(
        run(convert(source), {"x": x})[0], run(source, {"x": x})[0], rtol=1e-5, atol=1e-6
    )


def test_declared_lengths_that_contradict_onnx_runtime_are_corrected():
    """Shape inference adds output_padding to SAME's n*s; ONNX Runtime computes n*s."""
    x, w, _ = arrays(0, (4,), (5,), 1, (2, 3))
    source = single(x, w, strides=[2], auto_pad="SAME_UPPER", output_padding=[1])
    source.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 9
    converted = convert(source)
    assert converted.graph.output[0].type.tensor_type.shape.dim[2].dim_value == 8
    assert run(converted, {"x": x})[0].shape[2] == 8


def test_decisions_about_other_models_are_refused():
    one, other = OnnxModel.parse(_chain()[0]), OnnxModel.parse(_chain()[0])
    site = other.sites()[0]
    one.sites()
    with refused("this ConvTranspose cannot be rewritten"):
        one.apply([Decision(site, "convert", "split", "concat", "")])
    site = one.sites()[0]
    with refused("this ConvTranspose cannot be rewritten"):
        one.apply([Decision(replace(site, problem="a problem"), "convert", "split", "concat", "")])


def test_depth_to_space_needs_equal_strides():
    x, w, _ = arrays(0, (5, 6), (4, 4), 1, (3, 2))
    with refused("depth_to_space interleaves two axes of equal stride only"):
        convert(single(x, w, strides=[2, 3]), "split", "depth_to_space")


def test_a_dilation_that_would_swell_the_filters_is_refused():
    x = np.zeros((1, 128, 4), "f")
    w = np.zeros((128, 128, 3), "f")
    source = single(x, w, strides=[2], dilations=[32767])
    with refused("the form stacked would extend the filters by too many zeros"):
        convert(source, "stacked")
    assert kinds(convert(source)).count("Conv") == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"opset": 6}, "unsupported operator set: expected opset 7 to"),
        ({"opset": 99}, "unsupported operator set"),
        ({"group": 2}, "invalid group: must divide the input channels"),
        ({"group": 0}, "invalid group: must divide the input channels"),
        ({"kernel_shape": [4]}, "kernel_shape does not match the filters"),
        ({"shape": [1, 4, 5]}, "input does not match the filters"),
        ({"shape": [1, 3, 5, 5]}, "input does not match the filters"),
        ({"bias": np.zeros(3, "f")}, "bias does not match the filters"),
        ({"strides": [5000]}, "the stride or kernel is too large to split"),
        ({"dilations": [40000]}, "the stride or kernel is too large to split"),
        ({"activation": "Relu"}, "unknown or duplicate attribute"),
        ({"strides": 2}, "wrong type of attribute strides"),
        ({"group": [1]}, "wrong type of attribute group"),
        ({"auto_pad": "SAME"}, "unknown auto_pad"),
        ({"shape": [1, 3, None], "output_shape": [9]}, "output_shape requires a known input size"),
        ({"w": np.zeros((3, 2, 3), "i4")}, "ONNX does not define this operator for that type"),
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
    assert "missing input or filters" in problem(source)


def test_a_problem_is_no_failure_of_the_others():
    source, _ = _chain()
    source.graph.node[2].attribute[0].ints[:] = [2, 3, 4]
    first, second = OnnxModel.parse(source).sites()
    assert first.problem is None
    assert "invalid output_shape" in second.problem


def test_shapes_left_behind_by_who_opened_an_input_are_not_believed():
    x, w, b = arrays(1, (5, 4), (4, 3), 1, (3, 2))
    up = helper.make_node("ConvTranspose", ["t", "w", "b"], ["y"], name="up", strides=[2, 2])
    stale = [value("t", "f", [1, 3, 5, 4])]
    outputs = [value("y", "f", [1, 2, 12, 9])]
    source = model(
        [node("Relu", "x", "t"), up],
        [value("x", "f", ["N", 3, "H", "W"])],
        outputs,
        {"w": w, "b": b},
        value_info=stale,
    )
    converted = convert(source, checked=False)
    for feed in ({"x": x}, {"x": np.tile(x, (1, 1, 2, 3))}):
        np.testing.assert_allclose(
            run(converted, feed)[0], run(source, feed)[0], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize(
    ("domain", "kind", "way"),
    [
        (
            "com.microsoft",
            "ConvTransposeWithDynamicPads",
            "export the model without --extra_opset com.microsoft:1",
        ),
        (
            "com.ms.internal.nhwc",
            "QLinearConvTranspose",
            "convert the model before it is optimized for a runtime",
        ),
        (
            "com.microsoft",
            "FusedConvTranspose",
            "convert the model before it is optimized for a runtime",
        ),
        (
            "com.example",
            "ConvTransposeCrop",
            "export the model with the ONNX operator ConvTranspose",
        ),
    ],
)
def test_an_operator_of_another_domain_is_refused_with_its_own_way_out(domain, kind, way):
    up = helper.make_node(kind, ["x", "w", "p"], ["y"], domain=domain, name="up")
    weights = {"w": np.zeros((3, 2, 4, 4), "f4"), "p": np.array([1, 0, 1, 2])}
    source = model(
        [up],
        [value("x", "f4", [1, 3, 5, 6])],
        [value("y", "f4", [None] * 4)],
        weights,
        domains=(domain,),
    )
    (site,) = OnnxModel.parse(source).sites()
    assert site.operator == f"{domain}.{kind}"
    assert site.problem.startswith(f"an operator of {domain}, not of ONNX: {way}")

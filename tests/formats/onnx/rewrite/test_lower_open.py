"""A converted ConvTranspose runs at every size at which the original runs, with equal values."""

import random

import numpy as np
import onnx
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.convert.decide import decide_all
from splitdeconv.core.definition import rounding_bound
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.onnx.shapes.geometry import from_onnx
from tests.formats.onnx.models import arrays, convert, kinds, run, single
from tests.formats.onnx.rewrite.cases import (
    FORMS,
    INTERLEAVES,
    OPSETS,
    axes_of,
    definition,
    draw_case,
)


def opened(source, shape):
    """A run at another size of a model whose declared sizes were opened, as programs may do."""
    changed = onnx.ModelProto()
    changed.CopyFrom(source)
    for declared in (*changed.graph.input, *changed.graph.output):
        for i, dim in enumerate(declared.type.tensor_type.shape.dim):
            if i != 1:
                dim.dim_param = f"{declared.name}_{i}"
    return run(changed, {"x": np.random.default_rng(1).integers(-9, 10, shape).astype("f")})[0]


@pytest.mark.parametrize("part", range(6))
def test_a_file_of_fixed_size_stays_as_resizable_as_it_was(part):
    """Sums of small integers: at every size at which the original runs, both give the same."""
    draw, compared = random.Random(100 + part), 0
    while compared < 40:
        sizes, kernel, attributes, _, per_group, _, biased = draw_case(draw)
        # These are bound to their size.
        if attributes.pop("output_shape", None) or set(sizes) == {1}:
            continue
        rank, groups = len(sizes), attributes["group"]
        x, w, bias = (np.round(3 * a) for a in arrays(compared, sizes, kernel, groups, per_group))
        source = single(x, w, bias if biased else None, opset=draw.choice(OPSETS), **attributes)
        square = rank == 2 and len(set(attributes["strides"])) == 1
        form = draw.choice(FORMS)
        interleave = draw.choice(INTERLEAVES if square else ("concat", "transpose"))
        converted = convert(source, form, interleave)
        for _ in range(3):
            shape = (draw.randint(1, 3), x.shape[1], *(draw.randint(1, 7) for _ in sizes))
            try:
                axes_of(shape[2:], kernel, attributes)
            except SplitDeconvError:  # the original has no output at this size
                continue
            note = f"{sizes} -> {shape} {kernel} {attributes} {form} {interleave}"
            np.testing.assert_array_equal(opened(converted, shape), opened(source, shape), note)
            compared += 1


@pytest.mark.parametrize("interleave", INTERLEAVES)
def test_a_map_of_one_element_costs_no_padding_and_is_refused_at_other_sizes(interleave):
    """A GAN's first layer: its plan holds for the declared map; a runtime rejects other sizes."""
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-9, 10, shape).astype("f") for shape in ((2, 5, 1, 1), (5, 3, 4, 3)))
    source = single(x, w, strides=[1, 1], pads=[1, 0, 0, 0])
    (decision,) = decide_all(OnnxModel.parse(source).sites(), "generic", interleave=interleave)
    assert decision.form == "stacked"
    assert "for the declared feature map of one element" in decision.reason
    converted = convert(source, "stacked", interleave)
    (conv,) = (node for node in converted.graph.node if node.op_type == "Conv")
    lists = {a.name: list(a.ints) for a in conv.attribute if a.type == a.INTS}
    assert lists["kernel_shape"] == [1, 1]
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
    shape = ["batch", 3, "height", "width"]
    source = single(x, w, bias, shape=shape, strides=strides, pads=[2, 1, 0, 1])
    converted = convert(source, form, interleave)
    for shape in ((1, 3, 2, 2), (2, 3, 1, 3), (3, 3, 5, 4), (1, 3, 9, 2)):
        x = rng.standard_normal(shape).astype("f")
        expected, got = run(source, {"x": x})[0], run(converted, {"x": x})[0]
        axes = from_onnx(shape[2:], (4, 3), strides=strides, pads=(2, 1, 0, 1))
        # The bias is of order 1.
        bound = definition(rounding_bound, x, w, axes, 1, 2.0**-24) + 2.0**-21
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
            got = run(convert(source, form, interleave), {"x": x})[0]
            np.testing.assert_array_equal(got, run(source, {"x": x})[0])


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
        feed = {"x": x[..., :n]}
        np.testing.assert_array_equal(run(converted, feed)[0], run(source, feed)[0])

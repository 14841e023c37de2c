"""Convolutions padded to accepted kernel sizes: values, the sizes in the file, and when unchanged.

Values are compared with ONNX Runtime's own ConvTranspose and with the definition in NumPy.
"""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from splitdeconv.core.definition import conv_transpose, rounding_bound
from splitdeconv.core.forms import FILE_FORMS, depth_to_space_fits
from splitdeconv.core.kernels import Kernels
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.site import Decision
from tests.formats.onnx.models import arrays, convert, model, node, run, single, value
from tests.formats.onnx.rewrite.cases import INTERLEAVES, axes_of, definition

ODD = Kernels((1, 3, 5, 7, 9))
# sizes, kernel, groups, attributes
CASES = [
    ((5, 7), (4, 4), 1, {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((5, 4), (5, 3), 2, {"strides": [2, 3], "pads": [2, 0, 1, 1], "output_padding": [1, 0]}),
    ((9, 8), (4, 4), 1, {"strides": [2, 2], "pads": [5, 3, 2, 6]}),
    ((6, 3), (3, 2), 1, {"strides": [4, 4]}),
    ((8,), (8,), 3, {"strides": [4], "pads": [2, 2]}),
    ((7,), (4,), 1, {"strides": [2], "dilations": [3]}),
    ((3, 4, 5), (3, 4, 2), 2, {"strides": [2, 2, 2], "pads": [1, 1, 0, 1, 1, 0]}),
]
# Every interleave that the case allows.
WAYS = [
    (case, way)
    for case in CASES
    for way in INTERLEAVES
    if way != "depth_to_space" or depth_to_space_fits(case[3]["strides"])
]


def kernels_in(source):
    """The kernel sizes of the convolutions, as the node and as the filters state them."""
    shapes = {t.name: tuple(t.dims)[2:] for t in source.graph.initializer}
    sizes = []
    for one in source.graph.node:
        if one.op_type == "Conv":
            (stated,) = (tuple(a.ints) for a in one.attribute if a.name == "kernel_shape")
            assert shapes.get(one.input[1], stated) == stated
            sizes.append(stated)
    assert sizes
    return sizes


@pytest.mark.parametrize(("case", "interleave"), WAYS, ids=str)
@pytest.mark.parametrize("form", FILE_FORMS)
def test_values_and_sizes(case, interleave, form):
    sizes, kernel, groups, attributes = case
    x, w, b = arrays(5, sizes, kernel, groups, (3, 2))
    source = single(x, w, b, group=groups, **attributes)
    (native,) = run(source, {"x": x})
    axes = axes_of(sizes, kernel, attributes)
    exact = definition(conv_transpose, x.astype("f8"), w.astype("f8"), axes, groups)
    bias = b.reshape(-1, *[1] * len(sizes))
    bound = definition(rounding_bound, x.astype("f8"), w.astype("f8"), axes, groups, 2.0**-24)
    # Adding the bias rounds once more, in either.
    bound = bound + 4 * 2.0**-24 * (np.abs(bias) + np.abs(exact))
    square = Kernels(tuple((n,) * len(sizes) for n in (1, 3, 5, 9)))
    for kernels in (ODD, square, Kernels((4, 8))):
        converted = convert(source, form, interleave, kernels=kernels)
        (y,) = run(converted, {"x": x})
        assert (np.abs(y - native) <= bound).all()
        assert (np.abs(y - (exact + bias)) <= bound).all()
        assert all(kernels.holding(size) == size for size in kernels_in(converted))


@pytest.mark.parametrize("form", FILE_FORMS)
def test_sizes_that_fit_leave_the_file_as_it_is(form):
    for sizes, kernel, groups, attributes in CASES:
        x, w, b = arrays(6, sizes, kernel, groups, (3, 2))
        source = single(x, w, b, group=groups, **attributes).SerializeToString()
        fitting = Kernels(tuple(range(1, 20)))
        files = []
        for kernels in (None, fitting, ODD):
            parsed = OnnxModel.parse(source)
            parsed.apply(
                [
                    Decision(s, "convert", form, "concat", "", kernels=kernels)
                    for s in parsed.sites()
                ]
            )
            files.append(parsed.serialize())
        assert files[0] == files[1]
        # The comparison can fail: where a size is even, padding makes another file.
        even = any(n % 2 == 0 for size in kernels_in(onnx.load_from_string(files[0])) for n in size)
        assert (files[0] != files[2]) == even


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("form", FILE_FORMS)
def test_an_open_size_stays_open(case, form):
    """One file computes every size, also those that are shorter than a slice of it."""
    sizes, kernel, groups, attributes = case
    x, w, b = arrays(11, sizes, kernel, groups, (3, 2))
    open_ = [None, x.shape[1], *[None] * len(sizes)]
    source = single(x, w, b, shape=open_, group=groups, **attributes)
    converted = convert(source, form, kernels=ODD)
    compared = 0
    for length in (1, 2, 3, 6, 11):
        x, _, _ = arrays(length, [length] * len(sizes), kernel, groups, (3, 2))
        try:
            (expected,) = run(source, {"x": x})
        except Exception:  # the pads leave nothing of so short an input
            continue
        (y,) = run(converted, {"x": x})
        # Sums of up to 9 * 8 products of numbers of size 1, in another order.
        np.testing.assert_allclose(y, expected, atol=5e-5)
        compared += 1
    assert compared >= 2


def test_filters_of_run_time_are_padded_in_the_graph():
    x, w, b = arrays(7, (5, 6), (4, 4), 2, (3, 2))
    up = {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 2}
    nodes = [helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], name="up", **up)]
    inputs = [value("x", "f", x.shape), value("w", "f", w.shape)]
    source = model(nodes, inputs, [value("y", "f", [None] * 4)], {"b": b})
    converted = convert(source, kernels=ODD)
    assert set(kernels_in(converted)) == {(3, 3)}
    feeds = {"x": x, "w": w}
    for expected, y in zip(run(source, feeds), run(converted, feeds), strict=True):
        # Sums of up to 12 products of numbers of size 1, in another order.
        np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("form", FILE_FORMS)
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_quantized_filters_are_padded_with_their_zero_point(form, kind):
    rng = np.random.default_rng(8)
    low, high = (-127, 128) if kind == "int8" else (0, 256)
    x = rng.integers(-9, 10, (2, 4, 5, 6)).astype("f")
    zero = np.array([-5, 17, 3] if kind == "int8" else [131, 117, 90], kind)
    stored = {
        "w": rng.integers(low, high, (4, 3, 4, 4)).astype(kind),
        "scale": np.array([0.5, 0.25, 2], "f"),  # powers of two: every sum is exact
        "zero": zero,
    }
    nodes = [
        node("DequantizeLinear", ["w", "scale", "zero"], "w_d", axis=1),
        helper.make_node(
            "ConvTranspose", ["x", "w_d"], ["y"], name="up", strides=[2, 2], pads=[1, 1, 1, 1]
        ),
    ]
    source = model(nodes, [value("x", "f", x.shape)], [value("y", "f", [None] * 4)], stored)
    converted = convert(source, form, kernels=ODD)
    (expected,), (y,) = run(source, {"x": x}), run(converted, {"x": x})
    np.testing.assert_array_equal(y, expected)
    filters = [numpy_helper.to_array(t) for t in converted.graph.initializer]
    sizes = {t.shape[2:] for t in filters if t.ndim == 4}
    assert all(ODD.holding(size) == size for size in sizes)
    # In every output channel, the added taps are its zero point.
    for one in (t for t in filters if t.ndim == 4):
        assert (one == np.tile(zero, len(one) // 3).reshape(-1, 1, 1, 1)).all((1, 2, 3)).sum() == 0
        border = one[:, :, [0, -1]].reshape(len(one), -1)
        assert (border == np.tile(zero, len(one) // 3)[:, None]).any(1).all()


def test_a_fully_quantized_layer_agrees_within_a_step():
    rng = np.random.default_rng(9)
    stored = {
        "w": rng.integers(-127, 128, (4, 3, 4, 4)).astype("i1"),
        "w_scale": np.array([0.011, 0.007, 0.013], "f"),
        "w_zero": np.zeros(3, "i1"),
        "x_scale": np.float32(0.051),
        "x_zero": np.array(-7, "i1"),
        "y_scale": np.float32(0.113),
        "y_zero": np.array(9, "i1"),
    }
    nodes = [
        node("QuantizeLinear", ["x", "x_scale", "x_zero"], "x_q"),
        node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], "x_d"),
        node("DequantizeLinear", ["w", "w_scale", "w_zero"], "w_d", axis=1),
        helper.make_node(
            "ConvTranspose", ["x_d", "w_d"], ["u"], name="up", strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        node("QuantizeLinear", ["u", "y_scale", "y_zero"], "u_q"),
        node("DequantizeLinear", ["u_q", "y_scale", "y_zero"], "y"),
    ]
    x = rng.standard_normal((2, 4, 5, 6)).astype("f") * 3 + 1
    source = model(nodes, [value("x", "f", x.shape)], [value("y", "f", [None] * 4)], stored)
    (expected,) = run(source, {"x": x})
    assert len(np.unique(expected)) > 50
    for form in FILE_FORMS:
        converted = convert(source, form, kernels=ODD)
        (y,) = run(converted, {"x": x})
        steps = np.abs(y - expected) / stored["y_scale"]
        assert steps.max() < 1.01
        assert {n for t in converted.graph.initializer if len(t.dims) == 4 for n in t.dims[2:]} <= {
            1,
            3,
        }

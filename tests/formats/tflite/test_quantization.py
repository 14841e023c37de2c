"""Scales and zero points: of integers, where they mean something, and of other types."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.tflite.quantization import real_values, scales, zero_points
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Builder,
    Deconv,
    change,
    convert,
    deconv_model,
    edit,
    operators,
    run,
    unpack,
)

FORMS = ("split", "rows", "stacked", "nzp")
KERNELS = {"xnnpack": XNNPACK, "optimized": OPTIMIZED, "reference": REFERENCE}
# The kernel does not divide by the stride, so filters are padded, and two phases have no taps.
CASE = Deconv(kernel=(3, 1), strides=(2, 3), cout=5)


def quantization(scale, zero, axis=0):
    return make(
        "QuantizationParameters",
        scale=np.atleast_1d(np.array(scale, "f4")),
        zeroPoint=np.atleast_1d(np.array(zero, "<i8")),
        quantizedDimension=axis,
    )


def close(data, rewritten, x, tolerance=1e-5):
    for kernels in KERNELS.values():
        y, expected = (run(model, x, kernels=kernels) for model in (rewritten, data))
        assert np.abs(y - expected).max() <= tolerance * max(1, np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("float32", quantization(0.1, 3)),
        ("float32", quantization([0.1] * 5, [3] * 5)),
        ("float32", quantization([0.1] * 5, [1, 2, 3, 4, 5])),
        ("float32", quantization([np.nan] * 3, [7] * 3, axis=3)),
        # DEQUANTIZE takes float16 with at most one scale.
        ("float16", quantization(0.1, 3)),
        ("float16", quantization(np.nan, -300)),
    ],
)
def test_parameters_of_floats_mean_nothing(form, kind, found):
    """On filters, bias, input and output, as far as they have the axis."""

    def everywhere(model, graph):
        for tensor in graph.tensors:
            axis, count = found.quantizedDimension, len(found.scale)
            sizes = [] if tensor.shape is None else list(tensor.shape)
            if count == 1 or (len(sizes) > axis and sizes[axis] == count):
                tensor.quantization = found
        graph.tensors[-1].quantization = found if count == 1 else None

    data = edit(deconv_model(CASE.with_(kind=kind)), everywhere)
    (site,) = TFLiteModel.parse(data).sites()
    assert site.problem is None
    close(data, convert(data, form), CASE.input())


def weight_only(dtype, scale, zero):
    """Filters and bias stored as integers behind DEQUANTIZE operators."""
    builder, rng = Builder(), np.random.default_rng(3)
    info = np.iinfo(dtype)
    x = builder.tensor("image", (1, 5, 4, 3), "f4")
    y = builder.tensor("picture", (1, 10, 12, 5), "f4")
    shape = builder.constant("shape", np.array([1, 10, 12, 5], "<i4"))
    unpacked = []
    for name, sizes in (("weights", (5, 3, 1, 3)), ("bias", (5,))):
        values = rng.integers(info.min, info.max + 1, sizes).astype(dtype)
        factors, points = (scale, zero) if name == "weights" else (0.01, 0)
        stored = builder.constant(name, values, factors, points)
        unpacked.append(builder.tensor(f"{name}_unpacked", sizes, "f4"))
        builder.operator("DEQUANTIZE", [stored], [unpacked[-1]], version=2)
    options = make("TransposeConvOptions", strideH=2, strideW=3)
    inputs = [shape, unpacked[0], x, unpacked[1]]
    builder.operator("TRANSPOSE_CONV", inputs, [y], options, version=3)
    return builder.build([x], [y])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("dtype", "scale", "zero"),
    [
        ("i1", 0.02, 0),
        ("i1", 0.02, -128),
        ("u1", 0.02, 0),
        ("u1", 0.02, 119),
        ("u1", 0.02, 255),
        ("i2", 0.0001, 0),
    ],
)
def test_integers_behind_a_dequantize(form, dtype, scale, zero):
    data = weight_only(dtype, scale, zero)
    rewritten = convert(data, form)
    assert "TRANSPOSE_CONV" not in operators(rewritten)
    close(data, rewritten, CASE.input())


@pytest.mark.parametrize(
    ("dtype", "zero", "match"),
    [
        ("i1", 128, "zero point 128, out of range for INT8"),
        ("i1", -129, "zero point -129, out of range for INT8"),
        ("u1", -1, "zero point -1, out of range for UINT8"),
        ("u1", 256, "zero point 256, out of range for UINT8"),
        ("i2", 2**15, "zero point 32768, out of range for INT16"),
        ("u1", [3, 3, 3, 3, 4], "several zero points"),
    ],
)
def test_a_zero_that_cannot_be_stored_is_refused(dtype, zero, match):
    data = weight_only(dtype, 0.02 if np.ndim(zero) == 0 else [0.02] * 5, zero)
    (site,) = TFLiteModel.parse(data).sites()
    assert match in site.problem


INT8 = Deconv(kernel=(2, 2), kind="int8")


@pytest.mark.parametrize(
    ("case", "index", "fields", "match"),
    [
        (
            INT8,
            0,
            {"zeroPoint": np.array([128])},
            "input has zero point 128, out of range for INT8",
        ),
        (
            INT8,
            4,
            {"zeroPoint": np.array([-200])},
            "output has zero point -200, out of range for INT8",
        ),
        (INT8, 0, {"scale": np.ones(3, "f4")}, "input has 3 scales or zero points"),
        (INT8, 4, {"zeroPoint": np.zeros(2, "i8")}, "output has 2 scales or zero points"),
        (INT8, 4, {"scale": np.ones(0, "f4")}, "output has an integer type but no scale"),
        (INT8, 2, {"zeroPoint": np.array([0, 4])}, "its bias has a zero point"),
        (INT8, 0, {"scale": np.array([np.inf], "f4")}, "a scale of its input is not finite"),
        (INT8, 1, {"scale": np.array([np.nan, 1], "f4")}, "a scale of its weights is not finite"),
        (INT8, 0, {"scale": np.array([-0.5], "f4")}, "a scale of its input is negative"),
        (INT8, 1, {"scale": np.array([0.5, -1], "f4")}, "a scale of its weights is negative"),
        (INT8, 1, {"scale": np.array([1, 1e5], "f4")}, "less than 256"),
        (INT8.with_(kind="uint8"), 0, {"zeroPoint": np.array([-1])}, "-1, out of range for UINT8"),
        (
            INT8.with_(kind="uint8"),
            1,
            {"zeroPoint": np.array([300])},
            "300, out of range for UINT8",
        ),
        (INT8.with_(kind="int16x8"), 0, {"zeroPoint": np.array([5])}, "INT16 and a zero point"),
    ],
)
def test_activations_that_kernels_do_not_take(case, index, fields, match):
    data = edit(deconv_model(case), lambda m, g: change(g.tensors[index].quantization, **fields))
    (site,) = TFLiteModel.parse(data).sites()
    assert match in site.problem


def test_new_tensors_of_floats_carry_no_parameters():
    """One scale per channel would not fit several phases; the interpreter would refuse it."""

    def everywhere(model, graph):
        graph.tensors[4].quantization = quantization([1, 1, 1, 1, 1], [3] * 5, axis=3)

    data = edit(deconv_model(CASE), everywhere)
    for tensor in unpack(convert(data)).subgraphs[0].tensors:
        if tensor.name != b"picture":
            assert tensor.quantization is None or tensor.quantization.scale is None


def test_the_values_that_parameters_stand_for():
    builder = Builder()
    whole = builder.constant("w", np.array([[1, 2], [3, 4]], "i1"), [0.5, 2], [1, 0])
    real = builder.constant("r", np.array([[1, 2], [3, 4]], "f2"), [0.5, 2], [1, 0])
    huge = builder.constant("h", np.array([[127]], "i1"), 3e38, 0)
    model, tensors = builder.model, builder.graph.tensors
    assert real_values(model, tensors[whole]).tolist() == [[0, 0.5], [6, 8]]
    assert real_values(model, tensors[real]).tolist() == [[1, 2], [3, 4]]
    assert np.isinf(real_values(model, tensors[huge])).all()
    assert scales(tensors[real]) is None
    assert zero_points(tensors[real]).tolist() == [0]
    assert zero_points(tensors[whole]).tolist() == [1, 0]
    assert tensors[whole].type == schema.TensorType.INT8


def _filled(name, value):
    def how(model, graph):
        (tensor,) = (tensor for tensor in graph.tensors if tensor.name == name)
        buffer = model.buffers[tensor.buffer]
        dtype = "<f2" if tensor.type == schema.TensorType.FLOAT16 else "<f4"
        values = buffer.data.view(dtype).copy()
        values[:2] = value
        buffer.data = values.view("u1")

    return how


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize("name", [b"weights", b"bias"])
def test_filters_and_bias_that_are_not_finite_are_refused(value, kind, name):
    data = edit(deconv_model(CASE.with_(kind=kind)), _filled(name, value))
    (site,) = TFLiteModel.parse(data).sites()
    assert f"its {'filters contain' if name == b'weights' else 'bias contains'} NaN" in site.problem


def test_filters_whose_sums_overflow_are_refused_and_large_ones_are_not():
    data = edit(deconv_model(CASE), _filled(b"weights", 3e38))
    (site,) = TFLiteModel.parse(data).sites()
    assert "its filters are so large" in site.problem
    data = weight_only("i1", 1e36, 0)
    (site,) = TFLiteModel.parse(data).sites()
    assert "its filters are so large" in site.problem
    data = edit(deconv_model(CASE), _filled(b"weights", 1e37))
    x = np.clip(CASE.input(), -1, 1)
    for form in FORMS:
        close(data, convert(data, form), x)

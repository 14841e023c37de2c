"""Output shapes that are measured at another tensor than the input of the operator."""

import numpy as np
import pytest

from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.core.geometry import resolve
from splitdeconv.core.plan import SplitPlan
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import OPTIMIZED, REFERENCE, Builder, convert, make, run, schema

CIN, COUT = 2, 3
KERNEL, STRIDES = (4, 3), (2, 2)
SIZES = [(6, 7), (9, 5), (12, 12), (7, 16)]
PADDING, ACTIVATION = schema.Padding, schema.ActivationFunctionType
# What lies between the tensor that is measured and the input of the operator, and by how much the
# length changes there.
BETWEEN = {
    "nothing": 0,
    "convolution": 0,
    "dilated": -4,
    "valid convolution": -2,
    "depthwise": 0,
    "pooling": 0,
    "valid pooling": -1,
    "padding": 3,
    "slice": -3,
    "begin and size": -1,
    "residual": 0,
    "scaled": 0,
    "concatenation": 0,
    "transposed twice": 0,
    "resized": 0,
}


class _Net:
    """A file of one input, an operator behind it, and a transposed convolution.

    Args:
        between: one of `BETWEEN`.
        open_axes: which of height and width are open.
        offset: what is added to the length that is asked for; None to ask for what fits.
        sizes: height and width that the file states for an axis that is not open.
    """

    def __init__(self, between, open_axes=(1, 2), offset=None, sizes=(9, 9)):
        self.builder, self.between, self.open = Builder(), between, open_axes
        self.fixed, self.change = sizes, BETWEEN.get(between, 0)
        rng = np.random.default_rng(7)
        self.weights = rng.standard_normal((COUT, *KERNEL, CIN)).astype("f4")
        self.bias = rng.standard_normal(COUT).astype("f4")
        self.filters = rng.standard_normal((CIN, 3, 3, CIN)).astype("f4")
        self.x = self.image("x", 0)
        middle = self.placed()
        added = 2 * self.change if offset is None else offset
        asked = self.asked(added)
        y = self.image("y", None, COUT)
        constant = self.builder.constant
        inputs = [asked, constant("w", self.weights), middle, constant("b", self.bias)]
        options = make("TransposeConvOptions", padding=PADDING.SAME, strideH=2, strideW=2)
        self.builder.operator("TRANSPOSE_CONV", inputs, [y], options, version=4)
        self.data = self.builder.build([self.x], [y])

    def image(self, name, change, channels=CIN):
        """A tensor of one image, with 1 for what is open."""
        sizes = [9 if change is None else n + change for n in self.fixed]
        if change is None:
            sizes = [2 * (n + self.change) for n in self.fixed]
        shape = [1, *(1 if i in self.open else n for i, n in enumerate(sizes, 1)), channels]
        index = self.builder.tensor(name, tuple(shape), "f4")
        signature = [-1 if i in self.open else n for i, n in enumerate(shape)]
        self.builder.graph.tensors[index].shapeSignature = np.array(signature, "<i4")
        return index

    def numbers(self, name, *values):
        return self.builder.constant(name, np.array(values, "<i4"))

    def made(self, kind, inputs, options=None, change=0, version=1, name="middle", channels=CIN):
        y = self.image(name, change, channels)
        self.builder.operator(kind, inputs, [y], options, version=version)
        return y

    def convolved(self, padding=PADDING.SAME, dilation=1, name="middle"):
        options = make("Conv2DOptions", padding=padding, strideH=1, strideW=1)
        options.dilationHFactor = options.dilationWFactor = dilation
        constant = self.builder.constant
        inputs = [
            self.x,
            constant(f"f {name}", self.filters),
            constant(f"g {name}", self.filters[0, 0, 0]),
        ]
        return self.made(
            "CONV_2D", inputs, options, 0 if padding == PADDING.SAME else self.change, 2, name
        )

    def placed(self):
        """The input of the transposed convolution."""
        x = self.x
        pool = {"strideH": 1, "strideW": 1, "filterHeight": 2, "filterWidth": 2}
        match self.between:
            case "convolution" | "strided":
                return self.convolved()
            case "dilated":
                return self.convolved(PADDING.VALID, 2)
            case "valid convolution":
                return self.convolved(PADDING.VALID)
            case "depthwise":
                options = make("DepthwiseConv2DOptions", padding=PADDING.SAME, strideH=1, strideW=1)
                options.depthMultiplier = options.dilationHFactor = options.dilationWFactor = 1
                constant = self.builder.constant
                inputs = [x, constant("f", self.filters[:1]), constant("g", self.filters[0, 0, 0])]
                return self.made("DEPTHWISE_CONV_2D", inputs, options, 0, 2)
            case "pooling":
                return self.made("AVERAGE_POOL_2D", [x], make("Pool2DOptions", padding=0, **pool))
            case "valid pooling":
                options = make("Pool2DOptions", padding=PADDING.VALID, **pool)
                return self.made("MAX_POOL_2D", [x], options, -1)
            case "padding":
                rows = np.array([(0, 0), (1, 2), (2, 1), (0, 0)], "<i4")
                return self.made(
                    "PAD", [x, self.builder.constant("pads", rows)], make("PadOptions"), 3
                )
            case "slice":
                bounds = [(0, 1, 2, 0), (0, -2, -1, 0), (1, 1, 1, 1)]
                inputs = [x, *(self.numbers(f"bound {i}", *b) for i, b in enumerate(bounds))]
                options = make("StridedSliceOptions", beginMask=9, endMask=9)
                return self.made("STRIDED_SLICE", inputs, options, -3)
            case "begin and size":
                inputs = [
                    x,
                    self.numbers("begin", 0, 1, 1, 0),
                    self.numbers("size", 1, -1, -1, CIN),
                ]
                return self.made("SLICE", inputs, None, -1)
            case "residual":
                return self.made("ADD", [self.convolved(name="branch"), x], make("AddOptions"))
            case "scaled":
                factor = self.builder.constant("factor", np.array([-2, 3], "f4"))
                return self.made("MUL", [factor, x], make("MulOptions"))
            case "concatenation":
                half = [
                    self.made(
                        "SLICE",
                        [x, self.numbers(f"b{i}", 0, 0, 0, i), self.numbers(f"s{i}", 1, -1, -1, 1)],
                        None,
                        0,
                        name=f"half {i}",
                        channels=1,
                    )
                    for i in (1, 0)
                ]
                return self.made("CONCATENATION", half, make("ConcatenationOptions", axis=3))
            case "transposed twice":
                order = self.numbers("order", 0, 2, 1, 3)
                turned = self.made("TRANSPOSE", [x, order], make("TransposeOptions"), name="turned")
                return self.made("TRANSPOSE", [turned, order], make("TransposeOptions"))
            case "resized":
                vector = self.builder.tensor("size of all", (4,), "i4")
                number = schema.TensorType.INT32
                self.builder.operator("SHAPE", [x], [vector], make("ShapeOptions", outType=number))
                size = self.builder.tensor("size", (2,), "i4")
                inputs = [vector, self.numbers("one", 1), self.numbers("two", 2)]
                self.builder.operator("SLICE", inputs, [size])
                options = make("ResizeNearestNeighborOptions")
                return self.made("RESIZE_NEAREST_NEIGHBOR", [x, size], options, 0)
        return x

    def asked(self, added):
        """The shape (1, 2 * height + added, 2 * width + added, COUT), measured at x."""
        builder = self.builder
        vector = builder.tensor("vector", (4,), "i4")
        number = schema.TensorType.INT32
        builder.operator("SHAPE", [self.x], [vector], make("ShapeOptions", outType=number))
        part, double, more = (builder.tensor(name, (2,), "i4") for name in ("part", "2n", "2n+c"))
        places = builder.constant("places", np.array([1, 2], "<i4"))
        builder.operator("GATHER", [vector, places], [part], make("GatherOptions", axis=0))
        factor = builder.constant("factor of n", np.array(2, "<i4"))
        builder.operator("MUL", [part, factor], [double], make("MulOptions"))
        builder.operator(
            "ADD", [double, self.numbers("c", added, added)], [more], make("AddOptions")
        )
        shape = builder.tensor("asked", (4,), "i4")
        inputs = [self.numbers("batch", 1), more, self.numbers("channels", COUT)]
        builder.operator("CONCATENATION", inputs, [shape], make("ConcatenationOptions", axis=0))
        return shape


def _input(sizes):
    return np.random.default_rng(sizes).standard_normal((1, *sizes, CIN)).astype("f4")


@pytest.mark.parametrize("between", BETWEEN)
def test_the_result_follows_every_size(between):
    net = _Net(between)
    (site,) = TFLiteModel.parse(net.data).sites()
    assert site.problem is None
    assert [(axis.n, axis.tail) for axis in site.axes] == [(None, 0)] * 2
    for form in FILE_FORMS:
        rewritten = convert(net.data, form, site.interleaves[0])
        for sizes in SIZES:
            for kernels in (OPTIMIZED, REFERENCE):
                x = _input(sizes)
                y, z = (run(model, x, kernels=kernels) for model in (net.data, rewritten))
                assert y.shape == z.shape == (1, *(2 * (n + net.change) for n in sizes), COUT)
                assert np.abs(y - z).max() <= 2e-6 * np.abs(y).max(), (form, sizes)


@pytest.mark.parametrize("between", ["nothing", "padding", "slice"])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_values_are_those_of_the_definition(between, sizes):
    net, x = _Net(between), _input(sizes)
    seen = {
        "nothing": x,
        "padding": np.pad(x, [(0, 0), (1, 2), (2, 1), (0, 0)]),
        "slice": x[:, 1:-2, 2:-1],
    }[between]
    axes = resolve(seen.shape[1:3], KERNEL, STRIDES, "SAME", None)
    filters = np.transpose(net.weights, (1, 2, 0, 3)).astype("f8")
    right = conv_transpose(seen.astype("f8"), filters, SplitPlan(axes, 1, "split")) + net.bias
    result = run(convert(net.data, "split", "depth_to_space"), x)
    np.testing.assert_allclose(result, right, atol=1e-5)


@pytest.mark.parametrize("axis", [1, 2])
def test_one_open_axis(axis):
    net = _Net("valid convolution", open_axes=(axis,))
    (site,) = TFLiteModel.parse(net.data).sites()
    assert site.problem is None
    assert [n.n for n in site.axes] == [None if i == axis else 7 for i in (1, 2)]
    rewritten = convert(net.data, "rows", site.interleaves[0])
    for n in (5, 9, 14):
        x = _input((n, 9) if axis == 1 else (9, n))
        y, z = (run(model, x, kernels=REFERENCE) for model in (net.data, rewritten))
        assert np.abs(y - z).max() <= 2e-6 * np.abs(y).max()


def test_another_constant_is_another_tail():
    (site,) = TFLiteModel.parse(_Net("convolution", offset=-1).data).sites()
    assert [axis.tail for axis in site.axes] == [-1, -1]
    assert site.problem is None


@pytest.mark.parametrize(("between", "offset"), [("valid convolution", 0), ("padding", 0)])
def test_a_length_that_does_not_fit_is_refused(between, offset):
    """The control: as if the operators in between did not change the length."""
    (site,) = TFLiteModel.parse(_Net(between, offset=offset).data).sites()
    assert site.problem is not None


@pytest.mark.parametrize("between", ["convolution", "residual"])
def test_a_convolution_that_skips_pixels_is_not_followed(between):
    """Behind it, a sum with the input is none of equal lengths: one of them may be repeated."""
    net = _Net(between)
    options = net.builder.graph.operators[0].builtinOptions
    options.strideH = options.strideW = 2
    y = net.builder.graph.operators[-1].outputs[0]
    (site,) = TFLiteModel.parse(net.builder.build([net.x], [y])).sites()
    assert "not computed as the input times the stride" in site.problem
    assert "--input-shape x=1x64x64x2" in site.problem

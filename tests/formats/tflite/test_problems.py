"""Transposed convolutions of a .tflite file that cannot be converted: each says why, and stays."""

import re
import struct

import numpy as np
import pytest

from splitdeconv.formats.input_shapes import requested_shapes
from splitdeconv.formats.site import Decision
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import Builder, Deconv, change, deconv_model, edit, operators
from tests.refusals import refused

SMALL = Deconv(sizes=(2, 2), kernel=(2, 2), kind="int8")


def _computed(model, graph):
    model.buffers[graph.tensors[1].buffer].data = None
    graph.inputs = np.array([0, 1], "<i4")


def _sparse(model, graph):
    graph.tensors[1].sparsity = make("SparsityParameters", traversalOrder=np.arange(4, dtype="<i4"))


def _shape(index, *sizes):
    return lambda m, g: change(g.tensors[index], shape=np.array(sizes, "<i4"))


def _wanted(*values):
    def how(model, graph):
        model.buffers[graph.tensors[3].buffer].data = np.array(values, "<i4").view("u1")
        graph.tensors[3].shape = np.array([len(values)], "<i4")

    return how


def _quantized(index, **fields):
    return lambda m, g: change(g.tensors[index].quantization, **fields)


FLOAT = SMALL.with_(kind="float32")
# tensors: 0 image, 1 weights, 2 bias, 3 shape, 4 picture
PROBLEMS = {
    "weights are computed at run time": (SMALL, _computed),
    "weights are sparse": (SMALL, _sparse),
    "input INT8, weights INT8, output FLOAT32: no equivalent CONV_2D": (
        SMALL,
        lambda m, g: change(g.tensors[4], type=0),
    ),
    "its bias has type INT32, not FLOAT32": (
        SMALL,
        lambda m, g: (change(g.tensors[0], type=0), change(g.tensors[4], type=0)),
    ),
    "its bias has type FLOAT32, not INT32": (SMALL, lambda m, g: change(g.tensors[2], type=0)),
    "its bias is computed at run time": (
        SMALL,
        lambda m, g: (
            change(m.buffers[g.tensors[2].buffer], data=None),
            change(g, inputs=np.array([0, 2], "<i4")),
        ),
    ),
    r"inputs \[3, 1\] and outputs \[4\] do not fit TRANSPOSE_CONV": (
        SMALL,
        lambda m, g: change(g.operators[0], inputs=np.array([3, 1], "<i4")),
    ),
    "it has no options, so its strides are unknown": (
        SMALL,
        lambda m, g: change(g.operators[0], builtinOptions=None, builtinOptionsType=0),
    ),
    "unsupported fused activation 4": (
        SMALL,
        lambda m, g: change(g.operators[0].builtinOptions, fusedActivationFunction=4),
    ),
    r"unsupported options: padding SAME, strides \(2, 0\)": (
        SMALL,
        lambda m, g: change(g.operators[0].builtinOptions, strideW=0),
    ),
    r"must have 4 known dimensions, not \[2, 2, 3\]": (SMALL, _shape(0, 2, 2, 3)),
    "its input has 5 channels, its weights 3": (SMALL, _shape(0, 1, 2, 2, 5)),
    "its output shape has 3 numbers": (SMALL, _wanted(1, 4, 4)),
    r"its output has shape \[1, 4, 4, 2\], but shape \[1, 4, 3, 2\] is requested": (
        SMALL,
        _wanted(1, 4, 3, 2),
    ),
    r"its output has shape \[2, 4, 4, 2\], its input \[1, 2, 2, 3\]": (
        SMALL,
        lambda m, g: (_wanted(2, 4, 4, 2)(m, g), _shape(4, 2, 4, 4, 2)(m, g)),
    ),
    "an input of this length cannot give that output length": (
        SMALL,
        lambda m, g: (_wanted(1, 9, 4, 2)(m, g), _shape(4, 1, 9, 4, 2)(m, g)),
    ),
    "height or width are known only at run time": (
        SMALL,
        lambda m, g: change(g.tensors[0], shapeSignature=np.array([1, -1, -1, 3], "<i4")),
    ),
    r"a dimension is 0 \(input \[0, 2, 2, 3\]": (
        SMALL,
        lambda m, g: (
            _shape(0, 0, 2, 2, 3)(m, g),
            _wanted(0, 4, 4, 2)(m, g),
            _shape(4, 0, 4, 4, 2)(m, g),
        ),
    ),
    r"kernel \[2, 2\] with strides \[100, 100\] needs too many operators": (
        SMALL,
        lambda m, g: change(g.operators[0].builtinOptions, strideW=100, strideH=100),
    ),
    r"a tensor has more than 2\*\*30 elements": (
        SMALL,
        lambda m, g: (
            _shape(0, 1, 2**28, 2, 3)(m, g),
            _wanted(1, 2**29, 4, 2)(m, g),
            _shape(4)(m, g),
        ),
    ),
    "its weights have 2 scales on axis 3 for 2 output channels": (
        SMALL,
        _quantized(1, quantizedDimension=3),
    ),
    "its weights have 3 scales on axis 0": (
        SMALL,
        _quantized(1, scale=np.ones(3, "<f4"), zeroPoint=np.zeros(3, "<i8")),
    ),
    "quantized in blocks or on several axes": (
        SMALL,
        _quantized(1, detailsType=1, details=make("CustomQuantization", custom=np.ones(3, "u1"))),
    ),
    "its weights have several zero points": (
        SMALL,
        _quantized(1, zeroPoint=np.array([0, 3], "<i8")),
    ),
    "its int8 weights have a zero point": (SMALL, _quantized(1, zeroPoint=np.array([3, 3], "<i8"))),
    "its input has an integer type but no scale": (
        SMALL,
        lambda m, g: change(g.tensors[0], quantization=None),
    ),
    r"its weights are stored as \[2, 2, 2, 3\] but used as \[2, 3, 2, 2\]": (
        SMALL.with_(kind="float16"),
        lambda m, g: next(
            change(t, shape=np.array([2, 3, 2, 2], "<i4"))
            for t in g.tensors
            if t.name == b"weights_unpacked"
        )
        or _shape(0, 1, 2, 2, 2)(m, g),
    ),
}


@pytest.mark.parametrize("match", PROBLEMS)
def test_a_site_that_cannot_be_converted_says_why(match):
    case, how = PROBLEMS[match]
    data = edit(deconv_model(case), how)
    (site,) = TFLiteModel.parse(data).sites()
    assert re.search(match, site.problem or "no problem")
    assert site.operator == "TRANSPOSE_CONV"
    # it stays, and the file with it
    model = TFLiteModel.parse(data)
    model.apply([Decision(site, "refuse", None, None, site.problem)])
    assert operators(model.serialize()) == operators(data)


def test_three_dimensions_are_found_and_refused():
    builder = Builder()
    x = builder.tensor("volume", (1, 2, 2, 2, 1), "f4")
    y = builder.tensor("larger", (1, 4, 4, 4, 1), "f4")
    shape = builder.constant("shape", np.array([1, 4, 4, 4, 1], "<i4"))
    weights = builder.constant("weights", np.ones((2, 2, 2, 1, 1), "f4"))
    options = make("Conv3DOptions", strideD=2, strideH=2, strideW=2)
    builder.operator("CONV_3D_TRANSPOSE", [shape, weights, x], [y], options)
    (site,) = TFLiteModel.parse(builder.build([x], [y])).sites()
    assert site.operator == "CONV_3D_TRANSPOSE"
    assert "three dimensions" in site.problem


def test_the_custom_operators_options_are_read_with_care():
    for options, match in (
        (b"\1\0\0\0", "options have 4 bytes"),
        (struct.pack("<3i", 3, 2, 2), "padding None"),
        (b"", "have 0 bytes"),
    ):
        builder = Builder()
        x = builder.tensor("image", (1, 2, 2, 1), "f4")
        y = builder.tensor("picture", (1, 4, 4, 1), "f4")
        weights = builder.constant("weights", np.ones((1, 2, 2, 1), "f4"))
        bias = builder.constant("bias", np.ones(1, "f4"))
        builder.operator("Convolution2DTransposeBias", [x, weights, bias], [y], custom=options)
        (site,) = TFLiteModel.parse(builder.build([x], [y])).sites()
        assert match in site.problem


def test_an_interleave_without_a_kernel_changes_nothing():
    model = TFLiteModel.parse(deconv_model(SMALL.with_(kind="int16x8")))
    before = model.serialize()
    (site,) = model.sites()
    with refused("DEPTH_TO_SPACE has no int16 kernel"):
        model.apply([Decision(site, "convert", "stacked", "depth_to_space", "")])
    assert model.serialize() == before


def test_a_fixed_batch_needs_fixed_images():
    data = edit(
        deconv_model(FLOAT),
        lambda m, g: change(g.tensors[0], shapeSignature=np.array([-1, -1, 2, 3], "<i4")),
    )
    with refused("dimensions other than the batch are open(.|\n)*input image") as caught:
        _with_batch(data, 2)
    assert caught.value.fix == "fix all of them with --input-shape image=1x64x2x3"
    with refused("the batch is already fixed") as caught:
        _with_batch(deconv_model(FLOAT), 2)
    assert caught.value.got == "input(s) of shape 1x2x2x3"
    before = deconv_model(FLOAT)
    assert operators(_with_batch(before, 1).serialize()) == operators(before)


def _with_batch(data, batch):
    model = TFLiteModel.parse(data)
    model.fix(requested_shapes(None, batch, model.inputs()))
    return model

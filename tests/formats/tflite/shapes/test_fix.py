"""TFLite models with open inputs, fixed: values, shapes, what stays open, refusals."""

import re
import shlex
import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import splitdeconv as sd
from splitdeconv.formats.input_shapes import checked, parsed, requested_shapes
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    REFERENCE,
    Builder,
    Deconv,
    deconv_model,
    edit,
    operators,
    run,
    unpack,
)
from tests.refusals import refused

CASE = Deconv(kernel=(3, 4), strides=(2, 3), cin=4, cout=3)
INT32 = schema.TensorType.INT32


def _fixed(data, shapes):
    model = TFLiteModel.parse(data)
    model.fix(requested_shapes(checked(shapes), None, model.inputs()))
    return model


def _assert_settled(data):
    """Nothing is open, and every shape in the file is the one that the interpreter comes to."""
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=REFERENCE)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    for index, tensor in enumerate(unpack(data).subgraphs[0].tensors):
        assert tensor.shapeSignature is None or min(tensor.shapeSignature) >= 0
        assert tensor.shape.tolist() == details[index]["shape"].tolist(), tensor.name


def _halves(kinds=("FLOOR_DIV",), second=True):
    """Two transposed convolutions whose heights are computed by operators that are not followed."""
    builder, rng = Builder(), np.random.default_rng(7)
    x = first = builder.tensor("image", (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
    for number, (cin, cout) in enumerate([(3, 4), (4, 2)][: 1 + second]):
        shape, parts = builder.tensor(f"shape{number}", (4,), "i4"), []
        builder.operator("SHAPE", [x], [shape], make("ShapeOptions", outType=INT32))
        for axis in range(3):
            steps = [
                builder.constant(f"at{number}{axis}{i}", np.array([axis + (i == 1)], "<i4"))
                for i in range(2)
            ]
            one = builder.constant(f"one{number}{axis}", np.array([1], "<i4"))
            size = builder.tensor(f"size{number}{axis}", (), "i4")
            options = make("StridedSliceOptions", shrinkAxisMask=1)
            builder.operator("STRIDED_SLICE", [shape, *steps, one], [size], options)
            if axis:
                size = _computed(builder, f"{number}{axis}", size, kinds)
            parts.append(size)
        parts.append(builder.constant(f"channels{number}", np.array(cout, "<i4")))
        packed = builder.tensor(f"packed{number}", (4,), "i4")
        builder.operator("PACK", parts, [packed], make("PackOptions", valuesCount=4))
        weights = builder.constant(
            f"weights{number}", rng.standard_normal((cout, 3, 3, cin)).astype("f4")
        )
        y = builder.tensor(f"picture{number}", (1, 1, 1, cout), "f4", dynamic=True, open_image=True)
        options = make("TransposeConvOptions", padding=schema.Padding.SAME, strideH=2, strideW=2)
        builder.operator("TRANSPOSE_CONV", [packed, weights, x], [y], options)
        x = y
    return builder.build([first], [x])


def _computed(builder, name, size, kinds):
    """4 n // 2, or the like."""
    for i, kind in enumerate(("MUL", *kinds)):
        number = builder.constant(f"by{name}{i}", np.array(4 if kind == "MUL" else 2, "<i4"))
        result = builder.tensor(f"step{name}{i}", (), "i4")
        builder.operator(
            kind, [size, number], [result], make("MulOptions") if kind == "MUL" else None
        )
        size = result
    return size


@pytest.mark.parametrize("kind", ["float32", "int8", "float32x8"])
@pytest.mark.parametrize("dynamic", [False, True])
def test_values_at_the_fixed_shape(kind, dynamic):
    case = CASE.with_(kind=kind, open_image=True, dynamic=dynamic)
    data, batch = deconv_model(case), 1 + dynamic
    result = sd.convert(data, interleave="concat", input_shape={"image": (batch, 7, 5, 4)})
    assert result.report.verification
    assert not {"TRANSPOSE_CONV", "SHAPE", "PACK", "MUL"} & set(operators(result.model))
    declared = f"{'?' if dynamic else 1}x?x?x4"
    assert result.report.notes[0] == f"input image is now fixed at {batch}x7x5x4 (was {declared})"
    _assert_settled(result.model)
    (decision,) = result.report.decisions
    assert [axis.n for axis in decision.site.axes] == [7, 5]
    x = case.input(batch, (7, 5))
    y, z = (run(model, x, kernels=REFERENCE).astype("f8") for model in (data, result.model))
    assert z.shape == (batch, 14, 15, 3)
    # Integers agree; float sums of 48 products are rounded in another order.
    np.testing.assert_allclose(z, y, rtol=0, atol=0 if kind == "int8" else 2e-5)


def test_what_is_refused_while_open_converts_with_what_the_refusal_advises():
    data = _halves()
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(data)
    options = shlex.split(re.search("--input-shape.*", caught.value.got).group())
    assert options[:2] == ["--input-shape", "image=1x64x64x3"]
    assert sd.convert(data, input_shape=parsed(options[1:2])).report.verification
    result = sd.convert(data, input_shape=(2, 5, 3, 3))
    assert result.report.converted == 2
    assert set(operators(result.model)) <= {"CONV_2D", "PAD", "CONCATENATION", "DEPTH_TO_SPACE"}
    _assert_settled(result.model)
    x = np.random.default_rng(1).standard_normal((2, 5, 3, 3)).astype("f4")
    y = run(data, x)
    assert y.shape == (2, 20, 12, 2)
    np.testing.assert_allclose(run(result.model, x), y, rtol=0, atol=2e-5)


def test_an_output_as_long_as_an_earlier_tensor():
    """A decoder that asks for the size of an encoder's input, which its own input does not tell."""
    builder = Builder()
    x = builder.tensor("image", (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
    half = builder.tensor("half", (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
    shape = builder.tensor("shape", (4,), "i4")
    weights = np.random.default_rng(8).standard_normal((3, 4, 3, 3)).astype("f4")
    y = builder.tensor("picture", (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
    sizes = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2}
    builder.operator(
        "AVERAGE_POOL_2D", [x], [half], make("Pool2DOptions", padding=schema.Padding.SAME, **sizes)
    )
    builder.operator("SHAPE", [x], [shape], make("ShapeOptions", outType=INT32))
    options = make("TransposeConvOptions", padding=schema.Padding.SAME, strideH=2, strideW=2)
    builder.operator(
        "TRANSPOSE_CONV", [shape, builder.constant("weights", weights), half], [y], options
    )
    data = builder.build([x], [y])
    (site,) = TFLiteModel.parse(data).sites()
    assert site.problem.startswith("height or width are known only at run time")
    assert site.problem.endswith("fix it with --input-shape image=1x64x64x3")
    for sizes in ((1, 64, 64, 3), (2, 7, 10, 3)):
        result = sd.convert(data, input_shape=sizes)
        assert (result.report.converted, bool(result.report.verification)) == (1, True)
        _assert_settled(result.model)
        values = np.random.default_rng(9).standard_normal(sizes).astype("f4")
        np.testing.assert_allclose(run(result.model, values), run(data, values), rtol=0, atol=2e-5)


def test_nothing_to_convert_but_to_fix():
    data = _halves()
    result = sd.convert(data, input_shape=(1, 3, 6, 3), layers="^none$")
    assert operators(result.model) == ["TRANSPOSE_CONV"] * 2
    _assert_settled(result.model)
    x = np.random.default_rng(2).standard_normal((1, 3, 6, 3)).astype("f4")
    np.testing.assert_array_equal(
        *(run(model, x, kernels=REFERENCE) for model in (result.model, data))
    )


def test_sites_stay_where_the_original_has_them():
    data = _halves()
    before, after = TFLiteModel.parse(data).sites(), _fixed(data, {"image": (1, 4, 4, 3)}).sites()
    original = unpack(data).subgraphs[0]
    assert [site.problem for site in after] == [None, None]
    assert all(site.problem for site in before)
    for site in after:
        assert (
            original.tensors[original.operators[site.key.operator].outputs[0]].name.decode()
            == site.name
        )


def test_sizes_that_litert_does_not_take():
    with refused("LiteRT rejects this input shape") as caught:
        sd.convert(_halves(kinds=("FLOOR_DIV", "FLOOR_DIV")), input_shape=(1, 5, 4, 3))
    assert "TRANSPOSE_CONV" in caught.value.got
    with refused("LiteRT cannot compute the shapes that follow") as caught:
        sd.convert(_zero_divisor(), input_shape=(1, 5, 4, 3))
    assert "FLOOR_DIV" in caught.value.got or "Division" in caught.value.got


def _zero_divisor():
    def zero(model, graph):
        for tensor in graph.tensors:
            if tensor.name == b"by011":
                model.buffers[tensor.buffer].data = np.zeros(4, np.uint8)

    return edit(_halves(), zero)


def test_another_open_input_stays_open():
    builder = Builder()
    x, z = (
        builder.tensor(name, (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
        for name in ("x", "z")
    )
    both = builder.tensor("both", (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
    alone = builder.tensor("alone", (1, 1, 1, 3), "f4", dynamic=True, open_image=True)
    builder.operator("ADD", [x, z], [both], make("AddOptions"))
    builder.operator("RELU", [x], [alone])
    data = builder.build([x, z], [both, alone])
    model = _fixed(data, {"x": (2, 5, 4, 3)})
    assert [one.shape for one in model.inputs()] == [(2, 5, 4, 3), (None, None, None, 3)]
    model.apply([])
    shapes = {
        t.name: (t.shape.tolist(), t.shapeSignature is None)
        for t in unpack(model.serialize()).subgraphs[0].tensors
    }
    assert shapes[b"alone"] == ([2, 5, 4, 3], True)
    assert shapes[b"both"] == ([1, 1, 1, 3], False)
    with refused("LiteRT rejects this input shape(.|\n)*broadcast"):
        _fixed(data, {"x": (2, 5, 4, 3), "z": (3, 5, 4, 3)})


def test_what_values_decide_stays_open():
    builder = Builder()
    x = builder.tensor("x", (1,), "f4")
    x_tensor = builder.graph.tensors[x]
    x_tensor.shapeSignature = np.array([-1], "<i4")
    zero = builder.constant("zero", np.array(0, "<f4"))
    mask = builder.tensor("mask", (1,), "f4")
    builder.graph.tensors[mask].type = schema.TensorType.BOOL
    builder.graph.tensors[mask].shapeSignature = np.array([-1], "<i4")
    where = builder.tensor("where", (1, 1), "i8")
    builder.graph.tensors[where].shapeSignature = np.array([-1, 1], "<i4")
    builder.operator("GREATER", [x, zero], [mask], make("GreaterOptions"))
    builder.operator("WHERE", [mask], [where], make("WhereOptions"))
    data = builder.build([x], [where])
    model = _fixed(data, {"x": (6,)})
    model.apply([])
    tensors = {tensor.name: tensor for tensor in unpack(model.serialize()).subgraphs[0].tensors}
    assert tensors[b"mask"].shape.tolist() == [6]
    assert tensors[b"mask"].shapeSignature is None
    assert tensors[b"where"].shapeSignature.tolist() == [-1, 1]
    for values in ([1, -1, 2, -3, 4, 5], [-1] * 5 + [1]):
        found = run(model.serialize(), np.array(values, "f4"))
        np.testing.assert_array_equal(found.ravel(), np.flatnonzero(np.array(values) > 0))


def test_mediapipes_operator_hands_on_its_batch():
    builder, rng = Builder(), np.random.default_rng(0)
    weights = builder.constant("weights", rng.standard_normal((2, 2, 2, 3)).astype("f4"))
    bias = builder.constant("bias", rng.standard_normal(2).astype("f4"))
    x = builder.tensor("image", (1, 4, 6, 3), "f4", dynamic=True)
    y = builder.tensor("picture", (1, 8, 12, 2), "f4", dynamic=True)
    z = builder.tensor("bright", (1, 8, 12, 2), "f4", dynamic=True)
    builder.operator(
        "Convolution2DTransposeBias", [x, weights, bias], [y], custom=struct.pack("<3i", 1, 2, 2)
    )
    builder.operator("RELU", [y], [z])
    model = _fixed(builder.build([x], [z]), {"image": (5, 4, 6, 3)})
    (site,) = model.sites()
    assert (site.batch, site.problem) == (5, None)
    model.apply([])
    tensors = unpack(model.serialize()).subgraphs[0].tensors
    assert [t.shape.tolist() for t in tensors[-2:]] == [[5, 8, 12, 2]] * 2
    assert all(t.shapeSignature is None for t in tensors[-3:])

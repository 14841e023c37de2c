"""The operators that stay once transposed convolutions are rewritten, and their types."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert import api as front
from splitdeconv.convert.decide import decide_all
from splitdeconv.convert.targets import load_target
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import Builder, Deconv, deconv_model, edit, operators

CASE = Deconv(sizes=(3, 6), kernel=(4, 2), strides=(3, 1), cin=2, cout=5)
TARGETS = ["edge_tpu", "ethos_u55", "ethos_u65", "ethos_u85", "tflite_gpu"]


def left(data, layers=None):
    model = TFLiteModel.parse(data)
    return [name for name, _, _ in model.left(decide_all(model.sites(), "generic", layers=layers))]


@pytest.mark.parametrize(
    "opened", [{"dynamic": True}, {"open_image": True}, {"dynamic": True, "open_image": True}]
)
def test_what_feeds_the_output_shape_alone_goes_with_the_layer(opened):
    data = deconv_model(CASE.with_(**opened))
    assert {"SHAPE", "PACK", "TRANSPOSE_CONV"} <= set(operators(data))
    assert left(data) == []
    assert left(data, layers="none of that name") == operators(
        data
    )  # a layer that stays keeps its shape


def test_what_something_else_reads_as_well_stays():
    def also_out(model, graph):
        names = [tensor.name for tensor in graph.tensors]
        graph.outputs = np.array([*graph.outputs, names.index(b"chain/batch")], "<i4")

    assert left(edit(deconv_model(CASE.with_(dynamic=True)), also_out)) == [
        "SHAPE",
        "STRIDED_SLICE",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_inspect_names_no_refusal_that_the_conversion_takes_away(target, here):
    data = deconv_model(CASE.with_(dynamic=True, kind="int8"))
    assert load_target(target).objections([("SHAPE", 1), ("PACK", 1)]) or target == "edge_tpu"
    said = {name for name, _ in front.report(data, target).objections}
    assert said == set()
    done = sd.convert(data, target=target, form="rows").report
    assert said <= {name for name, _ in done.objections}
    assert not {"SHAPE", "PACK"} & set(done.operators_after)


def quantized(kind="int8", stays_float=True, case=CASE):
    """TRANSPOSE_CONV in integers between a QUANTIZE of float32 and a DEQUANTIZE to it."""
    opened = {"dynamic": case.dynamic, "open_image": case.open_image}

    def wrap(model, graph):
        builder = Builder()
        builder.model, builder.graph = model, graph
        (x,), (y,) = graph.inputs, graph.outputs
        image, picture = (
            builder.tensor(name, tuple(graph.tensors[i].shape), "f4", **opened)
            for name, i in (("f", x), ("g", y))
        )
        before = list(graph.operators)
        builder.operator("QUANTIZE", [image], [x], make("QuantizeOptions"))
        graph.operators = [graph.operators[-1], *before]
        builder.operator("DEQUANTIZE", [y], [picture], make("DequantizeOptions"), version=2)
        graph.inputs, graph.outputs = np.array([image], "<i4"), np.array([picture], "<i4")

    data = deconv_model(case.with_(kind=kind))
    return edit(data, wrap) if stays_float else data


def test_types_are_those_of_what_is_no_constant():
    model = TFLiteModel.parse(quantized("int16x8"))
    assert model.left() == [
        ("QUANTIZE", 1, {"float32", "int16"}),
        ("TRANSPOSE_CONV", 4, {"int16"}),
        ("DEQUANTIZE", 2, {"float32", "int16"}),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ethos_u55", "ethos_u65", "ethos_u85", "edge_tpu"])
def test_a_quantizer_of_float_inputs_is_named_with_the_way_out(target, here):
    for data, names in (
        (quantized(), ["DEQUANTIZE", "QUANTIZE"]),
        (quantized(stays_float=False), []),
    ):
        for report in (
            front.report(data, target),
            sd.convert(data, target=target, form="split").report,
        ):
            found = dict(report.objections)
            assert sorted(found) == names
            assert all(
                "inference_input_type = inference_output_type = tf.int8" in why
                for why in found.values()
            )
    assert (
        "tensors of float32; supported are"
        in dict(front.report(quantized(), target).objections)["QUANTIZE"]
    )


def test_the_gpu_delegate_takes_float_quantizers_and_no_16_bits(here):
    assert front.report(quantized("uint8"), "tflite_gpu").objections == ()
    found = dict(
        sd.convert(quantized("int16x8"), target="tflite_gpu", form="split").report.objections
    )
    assert {"CONV_2D", "DEQUANTIZE", "QUANTIZE"} <= set(found)
    for name in ("CONV_2D", "QUANTIZE"):
        assert found[name].startswith(
            "tensors of int16; supported are float32, float16, int8, uint8 ("
        )

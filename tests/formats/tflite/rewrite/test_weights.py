"""The filters and biases of a rewritten .tflite file, stored like those of the original."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    REFERENCE,
    XNNPACK,
    Deconv,
    convert,
    deconv_model,
    edit,
    operators,
    pack,
    run,
    unpack,
)

FIVE = Deconv(kernel=(5, 5))
FOUR = Deconv(kernel=(4, 4))


def test_float16_weights_stay_float16_behind_their_own_dequantize():
    original = deconv_model(FOUR.with_(kind="float16"))
    rewritten = convert(original)
    assert (
        operators(rewritten).count("DEQUANTIZE") == 5
    )  # four filters and the bias, which is not copied
    weights = [t for t in unpack(rewritten).subgraphs[0].tensors if b"weights" in t.name]
    assert {t.type for t in weights if b"unpacked" not in t.name} == {schema.TensorType.FLOAT16}
    assert _constant_bytes(rewritten) <= _constant_bytes(original) + 200


@pytest.mark.parametrize("zero", [0, 5])
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_int8_weights_behind_a_dequantize_stay_int8(form, zero):
    """Weights quantized for size alone: scales follow channels; an added tap is the zero point."""

    def quantize(model, graph):
        (weights,) = (tensor for tensor in graph.tensors if tensor.name == b"weights")
        values = model.buffers[weights.buffer].data.view("<f2")
        model.buffers[weights.buffer].data = np.clip(values * 30, -127, 127).astype("i1").view("u1")
        weights.type, scale = schema.TensorType.INT8, np.array([0.03, 0.04], "<f4")
        weights.quantization = make(
            "QuantizationParameters", scale=scale, zeroPoint=np.full(2, zero, "<i8")
        )

    case = Deconv(kernel=(3, 1), strides=(2, 2), kind="float16")
    original = edit(deconv_model(case), quantize)
    rewritten = convert(original, form)
    kinds = {
        t.type
        for t in unpack(rewritten).subgraphs[0].tensors
        if b"weights" in t.name and b"unpacked" not in t.name
    }
    assert kinds == {schema.TensorType.INT8}
    y, expected = (run(data, case.input(), kernels=REFERENCE) for data in (rewritten, original))
    assert np.ptp(expected) > 1
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "int16x8", "uint8"])
def test_split_moves_weights_and_adds_none(kind):
    """The growth is operators, tensors and some int32; never a second copy of a weight."""
    case = Deconv(kernel=(5, 5), cin=64, cout=32, kind=kind)
    original = deconv_model(case)
    rewritten = convert(original)
    weights = 32 * 25 * 64 * {"float32": 4, "float16": 2}.get(kind, 1)
    assert weights <= _constant_bytes(rewritten) <= _constant_bytes(original) + 200
    assert weights < len(rewritten) < 1.15 * len(original) or kind not in ("float32", "float16")
    # empty phases cost a filter of one channel, not of all
    few = Deconv(kernel=(2, 2), strides=(4, 4), cin=64, cout=32, kind=kind)
    assert (
        _constant_bytes(convert(deconv_model(few)))
        < 1.15 * _constant_bytes(deconv_model(few)) + 300
    )


def _constant_bytes(data):
    return sum(len(b.data) for b in unpack(data).buffers if b.data is not None)


def test_quantization_is_inherited():
    case = Deconv(kernel=(5, 5), kind="int8", cout=3)
    original = unpack(deconv_model(case)).subgraphs[0]
    before = {t.name: t.quantization for t in original.tensors}
    for form, count in (("split", 1), ("rows", 2), ("stacked", 4)):
        graph = unpack(convert(deconv_model(case), form)).subgraphs[0]
        for operator in graph.operators:
            inputs, output = (
                [graph.tensors[i] for i in operator.inputs],
                graph.tensors[operator.outputs[0]],
            )
            # PAD keeps the input's, everything after it has the output's
            of = before[b"image" if b"padded" in output.name else b"picture"]
            assert output.quantization.scale == of.scale
            assert output.quantization.zeroPoint == of.zeroPoint
            if len(inputs) == 3:
                _, weights, bias = (tensor.quantization for tensor in inputs)
                np.testing.assert_array_equal(
                    weights.scale, np.tile(before[b"weights"].scale, count)
                )
                np.testing.assert_array_equal(bias.scale, np.tile(before[b"bias"].scale, count))
                assert len(weights.zeroPoint) == len(bias.zeroPoint) == 3 * count


def test_a_uint8_file_made_by_editing_an_int8_one_computes_the_same():
    """All values and zero points 128 higher: the same real numbers, so the same steps."""
    case = Deconv(kernel=(4, 3), kind="int8", per_channel=False, activation="RELU6")
    signed = deconv_model(case)
    model = unpack(signed)
    for tensor in model.subgraphs[0].tensors:
        if tensor.type == schema.TensorType.INT8:
            tensor.type = schema.TensorType.UINT8
            tensor.quantization.zeroPoint = tensor.quantization.zeroPoint + 128
            buffer = model.buffers[tensor.buffer]
            if buffer.data is not None:
                buffer.data = buffer.data ^ 0x80
    unsigned = pack(model)
    (site,) = TFLiteModel.parse(unsigned).sites()
    assert (site.dtype, site.problem) == ("uint8", None)
    x = case.input()
    y = run(signed, x, kernels=REFERENCE).astype(int) + 128
    np.testing.assert_array_equal(
        run(unsigned, (x.astype(int) + 128).astype("u1"), kernels=REFERENCE), y
    )
    for form in ("split", "rows", "stacked"):
        rewritten = convert(unsigned, form)
        assert operators(rewritten).count("CONV_2D") in (4, 2, 1)
        np.testing.assert_array_equal(
            run(rewritten, (x.astype(int) + 128).astype("u1"), kernels=REFERENCE), y
        )


def test_int16_biases():
    """int64 zeros where there was no bias; the options announce an int32 bias from version 8 on."""
    case = Deconv(kind="int16x8", bias=False)
    model = unpack(convert(deconv_model(case)))
    (bias,) = (t for t in model.subgraphs[0].tensors if t.name.endswith(b"/bias"))
    assert bias.type == schema.TensorType.INT64
    assert not model.buffers[bias.buffer].data.any()

    case = case.with_(bias=True)
    model = unpack(deconv_model(case))
    graph = model.subgraphs[0]
    (bias,) = (t for t in graph.tensors if t.name == b"bias")
    bias.type, buffer = schema.TensorType.INT32, model.buffers[bias.buffer]
    buffer.data = buffer.data.view("<i8").astype("<i4").view("u1")
    graph.operators[0].builtinOptions.quantizedBiasType = schema.TensorType.INT32
    narrow = pack(model)
    for form in ("split", "stacked"):
        rewritten = convert(narrow, form)
        for kernels in (XNNPACK, REFERENCE):
            y, expected = (run(data, case.input(), kernels=kernels) for data in (rewritten, narrow))
            np.testing.assert_array_equal(y, expected)
        assert ("CONV_2D", 8) in TFLiteModel.parse(rewritten).operators()

"""What a rewritten .tflite file holds: its operators and versions, and everything else as it was."""

import io
import struct
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from splitdeconv.convert.report import Decision
from splitdeconv.convert.tflite import TFLiteModel
from splitdeconv.convert.tflite_bounds import make
from splitdeconv.convert.tflite_file import read, write
from tests.convert.tflite_models import (
    REFERENCE,
    XNNPACK,
    Builder,
    Deconv,
    convert,
    deconv_model,
    operators,
    pack,
    run,
    unpack,
)

FIVE = Deconv(kernel=(5, 5))
FOUR = Deconv(kernel=(4, 4))


def test_a_site_says_what_the_file_says():
    case = Deconv(sizes=(5, 4), kernel=(3, 2), strides=(2, 3), padding="VALID", output=(12, 13), batch=2, kind="int8")
    (site,) = TFLiteModel.parse(deconv_model(case)).sites()
    assert (site.name, site.operator, site.dtype, site.batch, site.problem) == (
        "picture",
        "TRANSPOSE_CONV",
        "int8",
        2,
        None,
    )
    assert (site.groups, site.in_channels, site.out_channels) == (1, case.cin, case.cout)
    assert site.axes == case.axes
    assert [axis.o for axis in site.axes] == [12, 13]


JOINED = ["CONCATENATION"] * 3 + ["RESHAPE"]


@pytest.mark.parametrize(
    ("case", "form", "interleave", "expected"),
    [
        # one window of the four is what SAME itself pads; float32's other PADs XNNPACK fuses with their convolutions
        (FIVE, "split", "concat", [*["PAD", "CONV_2D"] * 3, "CONV_2D", *JOINED]),
        (FOUR, "split", "concat", [*["PAD", "CONV_2D"] * 3, "CONV_2D", *JOINED]),
        (FIVE, "rows", "concat", ["PAD", "CONV_2D", "CONV_2D", "CONCATENATION", "RESHAPE"]),
        (FIVE, "stacked", "depth_to_space", ["CONV_2D", "DEPTH_TO_SPACE"]),
        (FIVE, "stacked", "transpose", ["CONV_2D", "RESHAPE", "TRANSPOSE", "RESHAPE"]),
        (FIVE, "stacked", "concat", ["CONV_2D", "STRIDED_SLICE", "STRIDED_SLICE", "CONCATENATION", "RESHAPE"]),
        # a kernel as long as its stride: nothing is padded
        (Deconv(kernel=(2, 2)), "split", "depth_to_space", ["CONV_2D"] * 4 + ["CONCATENATION", "DEPTH_TO_SPACE"]),
        # phases with equal windows share one PAD
        (
            Deconv(kernel=(1, 7), strides=(1, 4), padding="VALID"),
            "split",
            "concat",
            ["PAD", "CONV_2D", "CONV_2D", "CONV_2D", "PAD", "CONV_2D", "CONCATENATION", "RESHAPE", "STRIDED_SLICE"],
        ),
        # empty phases share one convolution, on one input channel
        (
            Deconv(kernel=(1, 1)),
            "split",
            "transpose",
            ["CONV_2D", "STRIDED_SLICE", "CONV_2D", "CONCATENATION", "RESHAPE", "TRANSPOSE", "RESHAPE"],
        ),
        # an odd output is cropped from the block grid
        (
            Deconv(kernel=(2, 2), output=(9, 7)),
            "stacked",
            "depth_to_space",
            ["CONV_2D", "DEPTH_TO_SPACE", "STRIDED_SLICE"],
        ),
        # stride 1: a convolution with its filter turned round
        (Deconv(kernel=(3, 3), strides=(1, 1)), "split", "concat", ["CONV_2D"]),
    ],
)
def test_the_operators_are_few_and_known(case, form, interleave, expected):
    assert operators(convert(deconv_model(case), form, interleave)) == expected


@pytest.mark.parametrize(
    ("kind", "versions"),
    [
        ("float32", {"PAD": 1, "CONV_2D": 1, "CONCATENATION": 1, "RESHAPE": 1, "STRIDED_SLICE": 1, "TRANSPOSE": 1}),
        ("uint8", {"PAD": 1, "CONV_2D": 1, "CONCATENATION": 1, "RESHAPE": 1, "STRIDED_SLICE": 1, "TRANSPOSE": 1}),
        ("int8", {"PAD": 2, "CONV_2D": 3, "CONCATENATION": 2, "RESHAPE": 1, "STRIDED_SLICE": 2, "TRANSPOSE": 2}),
        ("int16x8", {"PAD": 3, "CONV_2D": 4, "CONCATENATION": 3, "RESHAPE": 1, "STRIDED_SLICE": 1, "TRANSPOSE": 5}),
    ],
)
def test_versions_are_the_lowest_that_mean_the_same(kind, versions):
    """The rule of tensorflow/lite/tools/versioning/op_version.cc, which converters follow."""
    data = deconv_model(Deconv(kernel=(4, 4), output=(9, 7), kind=kind))
    found = dict(TFLiteModel.parse(convert(data)).operators())
    found |= dict(TFLiteModel.parse(convert(data, "split", "transpose")).operators())
    assert found == versions


def test_float16_weights_stay_float16_behind_their_own_dequantize():
    original = deconv_model(FOUR.with_(kind="float16"))
    rewritten = convert(original)
    assert operators(rewritten).count("DEQUANTIZE") == 5  # four filters and the bias, which is not copied
    weights = [t for t in unpack(rewritten).subgraphs[0].tensors if b"weights" in t.name]
    assert {t.type for t in weights if b"unpacked" not in t.name} == {schema.TensorType.FLOAT16}
    assert _constant_bytes(rewritten) <= _constant_bytes(original) + 200


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "int16x8", "uint8"])
def test_split_moves_weights_and_adds_none(kind):
    """The growth is operators: tensors, their names and quantization, some int32; never a second copy of a weight."""
    case = Deconv(kernel=(5, 5), cin=64, cout=32, kind=kind)
    original = deconv_model(case)
    rewritten = convert(original)
    weights = 32 * 25 * 64 * {"float32": 4, "float16": 2}.get(kind, 1)
    assert weights <= _constant_bytes(rewritten) <= _constant_bytes(original) + 200
    assert weights < len(rewritten) < 1.15 * len(original) or kind not in ("float32", "float16")
    # empty phases cost a filter of one channel, not of all
    few = Deconv(kernel=(2, 2), strides=(4, 4), cin=64, cout=32, kind=kind)
    assert _constant_bytes(convert(deconv_model(few))) < 1.15 * _constant_bytes(deconv_model(few)) + 300


def _constant_bytes(data):
    return sum(len(b.data) for b in unpack(data).buffers if b.data is not None)


def test_conversion_is_deterministic_and_complete():
    for form in ("split", "rows", "stacked"):
        original = deconv_model(FIVE.with_(kind="int8"))
        rewritten = convert(original, form)
        assert rewritten == convert(original, form)
        assert TFLiteModel.parse(rewritten).sites() == []
        tensors = unpack(rewritten).subgraphs[0].tensors
        assert len({t.name for t in tensors}) == len(tensors)
        # what nothing refers to is gone: the old weights, the output shape, the operator's code
        assert not any(t.name in (b"weights", b"shape") for t in tensors)
        assert "TRANSPOSE_CONV" not in {name for name, _ in TFLiteModel.parse(rewritten).operators()}
        assert len(unpack(rewritten).operatorCodes) == len(set(TFLiteModel.parse(rewritten).operators()))


def test_names_do_not_collide():
    data = deconv_model(FIVE)
    taken = unpack(convert(data)).subgraphs[0].tensors
    model = unpack(data)
    model.subgraphs[0].tensors += [
        make("Tensor", name=t.name, shape=np.zeros(0, "<i4"), hasRank=True) for t in taken if b"split" in t.name
    ]
    names = [t.name for t in unpack(convert(pack(model))).subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    assert b"picture/split/phase_0_0_2" in names


def test_quantization_is_inherited():
    case = Deconv(kernel=(5, 5), kind="int8", cout=3)
    original = unpack(deconv_model(case)).subgraphs[0]
    before = {t.name: t.quantization for t in original.tensors}
    for form, count in (("split", 1), ("rows", 2), ("stacked", 4)):
        graph = unpack(convert(deconv_model(case), form)).subgraphs[0]
        for operator in graph.operators:
            inputs, output = [graph.tensors[i] for i in operator.inputs], graph.tensors[operator.outputs[0]]
            # PAD keeps the input's, everything after it has the output's
            of = before[b"image" if b"padded" in output.name else b"picture"]
            assert output.quantization.scale == of.scale
            assert output.quantization.zeroPoint == of.zeroPoint
            if len(inputs) == 3:
                _, weights, bias = (tensor.quantization for tensor in inputs)
                np.testing.assert_array_equal(weights.scale, np.tile(before[b"weights"].scale, count))
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
    np.testing.assert_array_equal(run(unsigned, (x.astype(int) + 128).astype("u1"), kernels=REFERENCE), y)
    for form in ("split", "rows", "stacked"):
        rewritten = convert(unsigned, form)
        assert operators(rewritten).count("CONV_2D") in (4, 2, 1)
        np.testing.assert_array_equal(run(rewritten, (x.astype(int) + 128).astype("u1"), kernels=REFERENCE), y)


def test_int16_biases():
    """int64 zeros where there was no bias; an int32 bias says so in the options, from version 8 on."""
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


class TestDynamicBatch:
    case = Deconv(kernel=(4, 5), strides=(2, 3), kind="float32", dynamic=True)

    @pytest.mark.parametrize("interleave", ["concat", "transpose"])
    @pytest.mark.parametrize("form", ["split", "rows", "stacked"])
    def test_any_batch_runs_and_the_chain_is_gone(self, form, interleave):
        original = deconv_model(self.case)
        (site,) = TFLiteModel.parse(original).sites()
        assert site.batch is None
        rewritten = convert(original, form, interleave)
        assert not {"SHAPE", "PACK"} & set(operators(rewritten))
        for batch in (1, 3):
            x = self.case.input(batch)
            y = run(rewritten, x, kernels=REFERENCE)
            assert len(y) == batch
            np.testing.assert_array_equal(y, run(original, x, kernels=REFERENCE))

    def test_a_chain_that_something_else_reads_stays(self):
        model = unpack(deconv_model(self.case))
        graph = model.subgraphs[0]
        (batch,) = (i for i, t in enumerate(graph.tensors) if t.name == b"chain/batch")
        graph.outputs = np.array([*graph.outputs, batch], "<i4")
        rewritten = convert(pack(model))
        assert operators(rewritten)[:2] == ["SHAPE", "STRIDED_SLICE"]
        assert "PACK" not in operators(rewritten)
        np.testing.assert_array_equal(
            run(rewritten, self.case.input()), run(convert(deconv_model(self.case)), self.case.input())
        )

    def test_a_fixed_batch(self):
        original = deconv_model(self.case)
        fixed = convert(original, batch=2)
        details = Interpreter(model_content=fixed).get_input_details()[0]
        assert details["shape"].tolist() == details["shape_signature"].tolist() == [2, *self.case.sizes, self.case.cin]
        (site,) = _fixed_sites(original, 2)
        assert site.batch == 2
        x = self.case.input(2)
        np.testing.assert_array_equal(run(fixed, x, kernels=REFERENCE), run(original, x, kernels=REFERENCE))
        # every shape in the file is the one that the interpreter comes to
        interpreter = Interpreter(model_content=fixed)
        interpreter.allocate_tensors()
        for tensor, detail in zip(unpack(fixed).subgraphs[0].tensors, interpreter.get_tensor_details(), strict=False):
            assert tensor.shape.tolist() == detail["shape"].tolist(), detail["name"]


def _fixed_sites(data, batch):
    model = TFLiteModel.parse(data)
    model.static_batch(batch)
    return model.sites()


def _custom(strides=(2, 2), padding=1, tail=b"", kernel=(2, 2)):
    """A file with MediaPipe's operator, whose options are padding, stride of the width, stride of the height."""
    builder, rng = Builder(), np.random.default_rng(0)
    weights = builder.constant("weights", rng.standard_normal((2, *kernel, 3)).astype("f4"))
    bias = builder.constant("bias", rng.standard_normal(2).astype("f4"))
    x = builder.tensor("image", (1, 4, 6, 3), "f4")
    y = builder.tensor("picture", (1, 4 * strides[0], 6 * strides[1], 2), "f4")
    options = struct.pack("<3i", padding, strides[1], strides[0]) + tail
    builder.operator("Convolution2DTransposeBias", [x, weights, bias], [y], custom=options)
    return builder.build([x], [y])


@pytest.mark.parametrize(
    ("strides", "kernel", "padding"), [((2, 2), (2, 2), 1), ((2, 3), (2, 3), 2), ((2, 2), (3, 4), 1)]
)
def test_mediapipes_operator_becomes_convolutions_that_every_resolver_knows(strides, kernel, padding):
    original = _custom(strides, padding, kernel=kernel)
    with pytest.raises(RuntimeError, match="unresolved custom op"):
        run(original, np.zeros((1, 4, 6, 3), "f4"), kernels=REFERENCE)
    (site,) = TFLiteModel.parse(original).sites()
    assert site.operator == "Convolution2DTransposeBias"
    assert tuple(axis.s for axis in site.axes) == strides
    x = np.random.default_rng(1).standard_normal((1, 4, 6, 3)).astype("f4")
    for form in ("split", "rows", "stacked"):
        y = run(convert(original, form), x, kernels=REFERENCE)
        # 36 products and a bias of order 1, rounded in two orders: 2 * 37 * 2**-24 * their magnitudes, 50 at most
        np.testing.assert_allclose(y, run(original, x), rtol=0, atol=2 * 37 * 2.0**-24 * 50)


def _two_signatures():
    """Two subgraphs with a signature each: one upsamples float32, the other int8; they share a metadata entry."""
    first, second = (unpack(deconv_model(Deconv(kernel=(4, 4), kind=kind))) for kind in ("float32", "int8"))
    shift, codes = len(first.buffers), len(first.operatorCodes)
    for tensor in second.subgraphs[0].tensors:
        tensor.buffer += shift
    for operator in second.subgraphs[0].operators:
        operator.opcodeIndex += codes
    first.buffers += [*second.buffers, make("Buffer", data=np.frombuffer(b"about this model", np.uint8))]
    first.operatorCodes += second.operatorCodes
    first.subgraphs += second.subgraphs
    first.metadata = [make("Metadata", name=b"ABOUT", buffer=len(first.buffers) - 1)]
    first.signatureDefs = []
    for number, (name, graph) in enumerate(zip((b"real", b"whole"), first.subgraphs, strict=True)):
        graph.name = name
        first.signatureDefs.append(
            make(
                "SignatureDef",
                inputs=[make("TensorMap", name=b"x", tensorIndex=int(graph.inputs[0]))],
                outputs=[make("TensorMap", name=b"y", tensorIndex=int(graph.outputs[0]))],
                signatureKey=name,
                subgraphIndex=number,
            )
        )
    return pack(first)


def test_subgraphs_signatures_and_metadata():
    original = _two_signatures()
    rewritten = convert(original)
    assert [site.key.subgraph for site in TFLiteModel.parse(original).sites()] == [0, 1]
    assert "TRANSPOSE_CONV" not in operators(rewritten)
    model = unpack(rewritten)
    assert bytes(model.buffers[model.metadata[0].buffer].data) == b"about this model"
    for name, kind in (("real", "float32"), ("whole", "int8")):
        x = Deconv(kernel=(4, 4), kind=kind).input()
        y, expected = (
            Interpreter(model_content=data, experimental_op_resolver_type=REFERENCE).get_signature_runner(name)(x=x)[
                "y"
            ]
            for data in (rewritten, original)
        )
        np.testing.assert_array_equal(y, expected)


def test_one_site_alone_may_be_converted():
    model = TFLiteModel.parse(_two_signatures())
    first, second = model.sites()
    model.apply([Decision(first, "leave", None, None, ""), Decision(second, "convert", "rows", "concat", "")])
    rewritten = model.serialize()
    assert operators(rewritten).count("TRANSPOSE_CONV") == 1
    (left,) = TFLiteModel.parse(rewritten).sites()
    assert (left.dtype, left.key.subgraph) == ("float32", 0)


def test_weights_that_another_operator_still_uses_stay():
    model = unpack(deconv_model(FOUR))
    graph = model.subgraphs[0]
    again = make("Operator", **vars(graph.operators[0]))
    twin = make("Tensor", **vars(graph.tensors[-1]) | {"name": b"twin"})
    graph.tensors.append(twin)
    again.outputs = np.array([len(graph.tensors) - 1], "<i4")
    graph.operators.append(again)
    graph.outputs = np.array([*graph.outputs, again.outputs[0]], "<i4")
    data = pack(model)
    model = TFLiteModel.parse(data)
    first, second = model.sites()
    model.apply([Decision(first, "convert", "split", "concat", ""), Decision(second, "leave", None, None, "")])
    half = model.serialize()
    assert operators(half)[-1] == "TRANSPOSE_CONV"
    x = FOUR.input()
    np.testing.assert_array_equal(run(half, x, kernels=REFERENCE), run(data, x, kernels=REFERENCE))
    assert {t.name for t in unpack(half).subgraphs[0].tensors} >= {b"weights", b"shape"}
    assert not {t.name for t in unpack(convert(data)).subgraphs[0].tensors} & {b"weights", b"shape"}


def test_unknown_operators_and_appended_files_survive():
    builder = Builder()
    x = builder.tensor("image", (1, 5, 4, 3), "f4")
    middle, y = builder.tensor("middle", (1, 10, 8, 2), "f4"), builder.tensor("picture", (7,), "f4")
    weights = builder.constant("weights", np.ones((2, 4, 4, 3), "f4"))
    shape = builder.constant("shape", np.array([1, 10, 8, 2], "<i4"))
    options = make("TransposeConvOptions", padding=schema.Padding.SAME, strideW=2, strideH=2)
    builder.operator("TRANSPOSE_CONV", [shape, weights, x], [middle], options)
    builder.operator("OursAlone", [middle], [y], custom=b"\x01\x02private")
    data = builder.build([x], [y])
    # a metadata writer opens the file as a zip archive and adds the labels, uncompressed
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
        archive.writestr("more/names.txt", "x" * 3000)
    rewritten = convert(stream.getvalue(), "rows")
    assert len(rewritten) != len(stream.getvalue())
    with zipfile.ZipFile(io.BytesIO(rewritten)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["labels.txt", "more/names.txt"]
        assert archive.read("labels.txt") == b"cat\ndog\n"
        # the offsets count from the file's beginning, as strict readers want them
        assert rewritten[archive.infolist()[0].header_offset :][:4] == b"PK\x03\x04"
    *_, last = unpack(rewritten).subgraphs[0].operators
    assert bytes(last.customOptions) == b"\x01\x02private"
    assert TFLiteModel.parse(rewritten).operators()[-1] == ("OursAlone", 1)


def test_other_appended_bytes_are_kept_as_they_are():
    tail = b"PK\x05\x06 but no archive" + bytes(range(40))
    assert convert(deconv_model(FOUR) + tail).endswith(tail)
    assert not convert(deconv_model(FOUR) + b"\0" * 12).endswith(b"\0" * 12)


def test_constants_are_aligned_and_nothing_else_changes_by_reading_and_writing():
    data = deconv_model(FOUR.with_(kind="int8"))
    model, tail = read(data, "here")
    again = write(model, tail)
    for buffer in read(again, "here")[0].buffers:
        if buffer.data is not None:
            start = (
                buffer.data.__array_interface__["data"][0] - np.frombuffer(again, "u1").__array_interface__["data"][0]
            )
            assert start % 16 == 0
    assert _plain(read(again, "here")[0]) == _plain(read(data, "here")[0])


def _plain(part):
    """The object API's tree as plain values."""
    if isinstance(part, list):
        return [_plain(p) for p in part]
    if isinstance(part, np.ndarray):
        return part.tolist()
    return {k: _plain(v) for k, v in vars(part).items()} if hasattr(part, "__dict__") else part

"""Bytes that are no sound model, and transposed convolutions that cannot be converted: one clear reason each."""

import random
import re
import struct
import time
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from splitdeconv import SplitDeconvError
from splitdeconv.convert import tflite_file
from splitdeconv.convert.report import Decision
from splitdeconv.convert.tflite import TFLiteModel
from splitdeconv.convert.tflite_arena import arena_peak
from splitdeconv.convert.tflite_bounds import make
from tests.convert.tflite_models import Builder, Deconv, deconv_model, operators, pack, unpack
from tests.refusals import refused

SMALL = Deconv(sizes=(2, 2), kernel=(2, 2), kind="int8")


def attempt(data):
    """All that a conversion does with a file, as far as it gets."""
    model = TFLiteModel.parse(data)
    sites = model.sites()
    for site in sites:
        site.macs()
    model.apply([Decision(s, "refuse" if s.problem else "convert", "split", "concat", "") for s in sites])
    arena_peak(model.serialize())


class TestBytes:
    @pytest.mark.parametrize("data", [b"", b"TFL3", b"\x18\0\0\0TFL", b"GIF89a" * 9, b"\x80\x04\x95pickle" * 9])
    def test_other_files(self, data):
        with refused("this is no TFLite model"):
            TFLiteModel.parse(data)

    def test_the_path_is_named(self):
        with refused("this is no TFLite model") as caught:
            TFLiteModel.parse(b"", path="folder/model.tflite")
        assert caught.value.where == "folder/model.tflite"

    def test_truncated_at_any_byte(self):
        data = deconv_model(SMALL)
        for length in range(len(data)):
            # The last bytes are padding; without them the model is whole.
            if any(data[length:]):
                with refused("no TFLite model|file is damaged"):
                    attempt(data[:length])

    def test_random_bytes(self):
        source = random.Random(0)
        for _ in range(300):
            with refused("file is damaged|newer schema"):
                attempt(source.randbytes(4) + b"TFL3" + source.randbytes(source.randrange(400)))

    @pytest.mark.parametrize("kind", ["int8", "float16"])
    def test_flipped_bytes(self, kind):
        """Whatever a byte becomes, the file converts or is refused."""
        source, data = random.Random(0), deconv_model(SMALL.with_(kind=kind, dynamic=True))
        refusals = 0
        for position in range(8, len(data), 3):
            changed = bytearray(data)
            changed[position] ^= source.randrange(1, 256)
            try:
                attempt(bytes(changed))
            except SplitDeconvError:
                refusals += 1
        assert len(data) / 30 < refusals < len(data) / 3

    @pytest.mark.parametrize("word", ["ffffffff", "ffffff7f", "00000000"])
    def test_absurd_words_are_refused_quickly_in_small_memory(self, word):
        """Offsets, lengths, dimensions, indices: every word of the file in turn."""
        data = deconv_model(SMALL)
        began = time.process_time()
        tracemalloc.start()
        try:
            for position in range(0, len(data) - 4, 4):
                if position != 4:
                    with suppress(SplitDeconvError):
                        attempt(data[:position] + bytes.fromhex(word) + data[position + 4 :])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 20e6
        assert time.process_time() - began < 30

    def test_parts_that_are_shared_without_end(self):
        """A hundred thousand tensors that are one and the same: a file that would unfold to many times its size."""
        data, count = bytearray(deconv_model(SMALL)), 100_000
        graph = schema.Model.GetRootAs(bytes(data)).Subgraphs(0)
        field, vector = graph._tab.Pos + graph._tab.Offset(4), len(data)
        # The subgraph's tensors are now a vector behind the file, whose every element leads to the table behind it.
        data[field : field + 4] = struct.pack("<I", vector - field)
        first = vector + 4
        table = first + 4 * count
        data += struct.pack("<I", count) + (table - (first + 4 * np.arange(count))).astype("<u4").tobytes()
        # A table without fields of its own, 400 bytes long, and its vtable.
        data += struct.pack("<i", -400) + b"\0" * 396 + struct.pack("<2H", 4, 400)
        began = time.process_time()
        with refused("file is damaged(.|\n)*shared so often"):
            TFLiteModel.parse(bytes(data))
        assert time.process_time() - began < 10

    def test_a_vtable_of_a_newer_schema(self):
        data = deconv_model(SMALL)
        model = unpack(data)

        class Longer(schema.TensorT):
            def Pack(self, builder):  # noqa: N802
                builder.StartObject(40)
                builder.PrependInt32Slot(39, 7, 0)
                return builder.EndObject()

        model.subgraphs[0].tensors[0] = Longer()
        with refused(r"newer schema.*new fields would be lost(.|\n)*pip install --upgrade ai-edge-litert"):
            TFLiteModel.parse(pack(model))

    def test_options_of_a_newer_schema(self):
        model = unpack(deconv_model(SMALL))
        model.subgraphs[0].operators[0].builtinOptionsType = 250
        with refused(r"newer schema.*new options would be lost(.|\n)*got: kind 250"):
            TFLiteModel.parse(pack(model))

    def test_weights_outside_the_flatbuffer(self):
        model = unpack(deconv_model(SMALL))
        model.buffers[1].data, model.buffers[1].offset, model.buffers[1].size = None, 4096, 24
        with refused("keeps data outside its flatbuffer"):
            TFLiteModel.parse(pack(model))

    def test_a_model_too_large_for_one_file(self, monkeypatch):
        monkeypatch.setattr(tflite_file, "_MOST_BYTES", 1 << 24)
        with refused("too large for one flatbuffer"):
            TFLiteModel.parse(deconv_model(SMALL)).serialize()


def _edit(change, case=SMALL):
    """A file with a change made to its model."""
    model = unpack(deconv_model(case))
    change(model, model.subgraphs[0])
    return pack(model)


def _set(part, **fields):
    for name, value in fields.items():
        setattr(part, name, value)


NONSENSE = {
    "schema version 2": lambda m, g: _set(m, version=2),
    "no subgraph": lambda m, g: _set(m, subgraphs=[]),
    "no buffers": lambda m, g: _set(m, buffers=None),
    "operator code 0: kind 67, version 0": lambda m, g: _set(m.operatorCodes[0], version=0),
    "subgraph 0, tensor 0: buffer 99 of": lambda m, g: _set(g.tensors[0], buffer=99),
    r"tensor 0: shape \[1, -2, 2, 3\]": lambda m, g: _set(g.tensors[0], shape=np.array([1, -2, 2, 3], "<i4")),
    r"shape \[65536, 65536, 1, 1\]": lambda m, g: _set(g.tensors[0], shape=np.array([65536, 65536, 1, 1], "<i4")),
    r"with the signature \[-1, 2\]": lambda m, g: _set(g.tensors[0], shapeSignature=np.array([-1, 2], "<i4")),
    r"24 bytes for shape \[2, 2, 2, 4\] of 1 bytes each": lambda m, g: _set(
        g.tensors[1], shape=np.array([2, 2, 2, 4], "<i4")
    ),
    r"subgraph 0: tensors \[77\] of 5": lambda m, g: _set(g, outputs=np.array([77], "<i4")),
    r"operator 0: tensors \[3, 1, 0, 9\] of 5": lambda m, g: _set(g.operators[0], inputs=np.array([3, 1, 0, 9], "<i4")),
    "operator 0: operator code 5 of 1": lambda m, g: _set(g.operators[0], opcodeIndex=5),
    "metadata: buffer 40 of": lambda m, g: _set(m, metadata=[make("Metadata", name=b"x", buffer=40)]),
    "a signature: subgraph 3 of 1": lambda m, g: _set(m, signatureDefs=[make("SignatureDef", subgraphIndex=3)]),
    "a signature: tensor 50 of 5": lambda m, g: _set(
        m, signatureDefs=[make("SignatureDef", inputs=[make("TensorMap", tensorIndex=50)])]
    ),
}


@pytest.mark.parametrize("match", NONSENSE)
def test_parts_that_do_not_fit_each_other(match):
    with refused(f"file is damaged(.|\n)*got: .*{match}"):
        TFLiteModel.parse(_edit(NONSENSE[match]))


def _computed(model, graph):
    model.buffers[graph.tensors[1].buffer].data = None


def _sparse(model, graph):
    graph.tensors[1].sparsity = make("SparsityParameters", traversalOrder=np.arange(4, dtype="<i4"))


def _shape(index, *sizes):
    return lambda m, g: _set(g.tensors[index], shape=np.array(sizes, "<i4"))


def _wanted(*values):
    def change(model, graph):
        model.buffers[graph.tensors[3].buffer].data = np.array(values, "<i4").view("u1")
        graph.tensors[3].shape = np.array([len(values)], "<i4")

    return change


def _quantized(index, **fields):
    return lambda m, g: _set(g.tensors[index].quantization, **fields)


FLOAT = SMALL.with_(kind="float32")
# tensors: 0 image, 1 weights, 2 bias, 3 shape, 4 picture
PROBLEMS = {
    "weights are computed when the model runs": (SMALL, _computed),
    "weights are sparse": (SMALL, _sparse),
    "input INT8, weights INT8, output FLOAT32: no CONV_2D kernel": (SMALL, lambda m, g: _set(g.tensors[4], type=0)),
    "input FLOAT32, weights INT8, output FLOAT32": (
        SMALL,
        lambda m, g: (_set(g.tensors[0], type=0), _set(g.tensors[4], type=0)),
    ),
    "a bias of type FLOAT32 instead of INT32": (SMALL, lambda m, g: _set(g.tensors[2], type=0)),
    "its bias is no constant with one value per output channel": (
        SMALL,
        lambda m, g: _set(m.buffers[g.tensors[2].buffer], data=None),
    ),
    r"inputs \[3, 1\] and outputs \[4\], which no kernel of TRANSPOSE_CONV takes": (
        SMALL,
        lambda m, g: _set(g.operators[0], inputs=np.array([3, 1], "<i4")),
    ),
    "it has no options, so its strides are unknown": (
        SMALL,
        lambda m, g: _set(g.operators[0], builtinOptions=None, builtinOptionsType=0),
    ),
    "fused activation 4, which no kernel applies": (
        SMALL,
        lambda m, g: _set(g.operators[0].builtinOptions, fusedActivationFunction=4),
    ),
    r"options that no kernel takes: padding SAME, strides \(2, 0\)": (
        SMALL,
        lambda m, g: _set(g.operators[0].builtinOptions, strideW=0),
    ),
    r"must have 4 known dimensions, not \[2, 2, 3\]": (SMALL, _shape(0, 2, 2, 3)),
    "an input of 5 channels under weights for 3": (SMALL, _shape(0, 1, 2, 2, 5)),
    "an output shape of 3 numbers": (SMALL, _wanted(1, 4, 4)),
    r"the output's shape \[1, 4, 4, 2\] and the shape asked for \[1, 4, 3, 2\] differ": (SMALL, _wanted(1, 4, 3, 2)),
    r"an output of shape \[2, 4, 4, 2\] from an input of \[1, 2, 2, 3\]": (
        SMALL,
        lambda m, g: (_wanted(2, 4, 4, 2)(m, g), _shape(4, 2, 4, 4, 2)(m, g)),
    ),
    "no input of this length yields that output length": (
        SMALL,
        lambda m, g: (_wanted(1, 9, 4, 2)(m, g), _shape(4, 1, 9, 4, 2)(m, g)),
    ),
    "height or width are known only at run time": (
        SMALL,
        lambda m, g: _set(g.tensors[0], shapeSignature=np.array([1, -1, -1, 3], "<i4")),
    ),
    r"a dimension of 0 \(input \[0, 2, 2, 3\]": (
        SMALL,
        lambda m, g: (_shape(0, 0, 2, 2, 3)(m, g), _wanted(0, 4, 4, 2)(m, g), _shape(4, 0, 4, 4, 2)(m, g)),
    ),
    r"kernel \[2, 2\] with strides \[100, 100\] would take too many operators": (
        SMALL,
        lambda m, g: _set(g.operators[0].builtinOptions, strideW=100, strideH=100),
    ),
    r"a tensor of more than 2\*\*30 elements": (
        SMALL,
        lambda m, g: (
            _shape(0, 1, 2**28, 2, 3)(m, g),
            _wanted(1, 2**29, 4, 2)(m, g),
            _shape(4)(m, g),
        ),
    ),
    "weights with 2 scales on axis 3, for 2 output channels": (SMALL, _quantized(1, quantizedDimension=3)),
    "weights with 3 scales on axis 0": (
        SMALL,
        _quantized(1, scale=np.ones(3, "<f4"), zeroPoint=np.zeros(3, "<i8")),
    ),
    "quantized in blocks or on several axes": (
        SMALL,
        _quantized(1, detailsType=1, details=make("CustomQuantization", custom=np.ones(3, "u1"))),
    ),
    "int8 weights with a zero point": (SMALL, _quantized(1, zeroPoint=np.array([0, 3], "<i8"))),
    "its input is of an integer type without a scale": (SMALL, lambda m, g: _set(g.tensors[0], quantization=None)),
    r"weights stored as \[2, 2, 2, 3\] but used as \[2, 3, 2, 2\]": (
        SMALL.with_(kind="float16"),
        lambda m, g: next(
            _set(t, shape=np.array([2, 3, 2, 2], "<i4")) for t in g.tensors if t.name == b"weights_unpacked"
        )
        or _shape(0, 1, 2, 2, 2)(m, g),
    ),
}


@pytest.mark.parametrize("match", PROBLEMS)
def test_a_site_that_cannot_be_converted_says_why(match):
    case, change = PROBLEMS[match]
    data = _edit(change, case)
    (site,) = TFLiteModel.parse(data).sites()
    assert re.search(match, site.problem or "no problem")
    assert site.operator == "TRANSPOSE_CONV"
    # it stays, and the file with it
    model = TFLiteModel.parse(data)
    model.apply([Decision(site, "refuse", None, None, site.problem)])
    assert operators(model.serialize()) == operators(data)


def test_three_dimensions_are_found_and_refused():
    builder = Builder()
    x, y = builder.tensor("volume", (1, 2, 2, 2, 1), "f4"), builder.tensor("larger", (1, 4, 4, 4, 1), "f4")
    shape = builder.constant("shape", np.array([1, 4, 4, 4, 1], "<i4"))
    weights = builder.constant("weights", np.ones((2, 2, 2, 1, 1), "f4"))
    builder.operator(
        "CONV_3D_TRANSPOSE", [shape, weights, x], [y], make("Conv3DOptions", strideD=2, strideH=2, strideW=2)
    )
    (site,) = TFLiteModel.parse(builder.build([x], [y])).sites()
    assert site.operator == "CONV_3D_TRANSPOSE"
    assert "three dimensions" in site.problem


def test_the_custom_operators_options_are_read_with_care():
    for options, match in (
        (b"\1\0\0\0", "options of 4 bytes"),
        (struct.pack("<3i", 3, 2, 2), "padding None"),
        (b"", "of 0 bytes"),
    ):
        builder = Builder()
        x, y = builder.tensor("image", (1, 2, 2, 1), "f4"), builder.tensor("picture", (1, 4, 4, 1), "f4")
        weights, bias = (
            builder.constant("weights", np.ones((1, 2, 2, 1), "f4")),
            builder.constant("bias", np.ones(1, "f4")),
        )
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
    data = _edit(lambda m, g: _set(g.tensors[0], shapeSignature=np.array([-1, -1, 2, 3], "<i4")), FLOAT)
    with refused("more than the batch is known only at run time(.|\n)*tensor image"):
        TFLiteModel.parse(data).static_batch(2)
    with refused("the batch must be a count"):
        TFLiteModel.parse(deconv_model(FLOAT)).static_batch(0)

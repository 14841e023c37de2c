"""What surrounds a transposed convolution in a .tflite file."""

import io
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from splitdeconv.formats.input_shapes import requested_shapes
from splitdeconv.formats.site import Decision
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.flatbuffer.file import read, write
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    REFERENCE,
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
            run(rewritten, self.case.input()),
            run(convert(deconv_model(self.case)), self.case.input()),
        )

    def test_a_fixed_batch(self):
        original = deconv_model(self.case)
        fixed = convert(original, batch=2)
        details = Interpreter(model_content=fixed).get_input_details()[0]
        assert (
            details["shape"].tolist()
            == details["shape_signature"].tolist()
            == [2, *self.case.sizes, self.case.cin]
        )
        (site,) = _fixed_sites(original, 2)
        assert site.batch == 2
        x = self.case.input(2)
        np.testing.assert_array_equal(
            run(fixed, x, kernels=REFERENCE), run(original, x, kernels=REFERENCE)
        )
        # every shape in the file is the one that the interpreter comes to
        interpreter = Interpreter(model_content=fixed)
        interpreter.allocate_tensors()
        for tensor, detail in zip(
            unpack(fixed).subgraphs[0].tensors, interpreter.get_tensor_details(), strict=False
        ):
            assert tensor.shape.tolist() == detail["shape"].tolist(), detail["name"]


def _fixed_sites(data, batch):
    model = TFLiteModel.parse(data)
    model.fix(requested_shapes(None, batch, model.inputs()))
    return model.sites()


def _custom(strides=(2, 2), padding=1, tail=b"", kernel=(2, 2)):
    """A file with MediaPipe's operator; options: padding, stride of width, stride of height."""
    builder, rng = Builder(), np.random.default_rng(0)
    weights = builder.constant("weights", rng.standard_normal((2, *kernel, 3)).astype("f4"))
    bias = builder.constant("bias", rng.standard_normal(2).astype("f4"))
    x = builder.tensor("image", (1, 4, 6, 3), "f4")
    y = builder.tensor("picture", (1, 4 * strides[0], 6 * strides[1], 2), "f4")
    options = struct.pack("<3i", padding, strides[1], strides[0]) + tail
    builder.operator("Convolution2DTransposeBias", [x, weights, bias], [y], custom=options)
    return builder.build([x], [y])


@pytest.mark.parametrize(
    ("strides", "kernel", "padding"),
    [((2, 2), (2, 2), 1), ((2, 3), (2, 3), 2), ((2, 2), (3, 4), 1)],
)
def test_mediapipes_operator_becomes_convolutions_that_every_resolver_knows(
    strides, kernel, padding
):
    original = _custom(strides, padding, kernel=kernel)
    with pytest.raises(RuntimeError, match="unresolved custom op"):
        run(original, np.zeros((1, 4, 6, 3), "f4"), kernels=REFERENCE)
    (site,) = TFLiteModel.parse(original).sites()
    assert site.operator == "Convolution2DTransposeBias"
    assert tuple(axis.s for axis in site.axes) == strides
    x = np.random.default_rng(1).standard_normal((1, 4, 6, 3)).astype("f4")
    for form in ("split", "rows", "stacked"):
        y = run(convert(original, form), x, kernels=REFERENCE)
        # 36 products and a bias of order 1, rounded in two orders: 2 * 37 * 2**-24 * their
        # magnitudes, 50 at most
        np.testing.assert_allclose(y, run(original, x), rtol=0, atol=2 * 37 * 2.0**-24 * 50)


def _two_signatures():
    """Two subgraphs with a signature each, float32 and int8, that share a metadata entry."""
    first, second = (
        unpack(deconv_model(Deconv(kernel=(4, 4), kind=kind))) for kind in ("float32", "int8")
    )
    shift, codes = len(first.buffers), len(first.operatorCodes)
    for tensor in second.subgraphs[0].tensors:
        tensor.buffer += shift
    for operator in second.subgraphs[0].operators:
        operator.opcodeIndex += codes
    first.buffers += [
        *second.buffers,
        make("Buffer", data=np.frombuffer(b"about this model", np.uint8)),
    ]
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


def signed(data, name, x):
    """The output of one signature."""
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=REFERENCE)
    return interpreter.get_signature_runner(name)(x=x)["y"]


def test_subgraphs_signatures_and_metadata():
    original = _two_signatures()
    rewritten = convert(original)
    assert [site.key.subgraph for site in TFLiteModel.parse(original).sites()] == [0, 1]
    assert "TRANSPOSE_CONV" not in operators(rewritten)
    model = unpack(rewritten)
    assert bytes(model.buffers[model.metadata[0].buffer].data) == b"about this model"
    for name, kind in (("real", "float32"), ("whole", "int8")):
        x = Deconv(kernel=(4, 4), kind=kind).input()
        y, expected = (signed(data, name, x) for data in (rewritten, original))
        np.testing.assert_array_equal(y, expected)


def test_one_site_alone_may_be_converted():
    model = TFLiteModel.parse(_two_signatures())
    first, second = model.sites()
    model.apply(
        [
            Decision(first, "leave", None, None, ""),
            Decision(second, "convert", "rows", "concat", ""),
        ]
    )
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
    model.apply(
        [
            Decision(first, "convert", "split", "concat", ""),
            Decision(second, "leave", None, None, ""),
        ]
    )
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
                buffer.data.__array_interface__["data"][0]
                - np.frombuffer(again, "u1").__array_interface__["data"][0]
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


def test_no_framework_is_loaded():
    code = (
        "import sys\n"
        "from splitdeconv.formats.site import Decision\n"
        "from splitdeconv.formats.tflite.model import TFLiteModel\n"
        "assert 'ai_edge_litert' not in sys.modules\n"
        "model = TFLiteModel.parse(sys.stdin.buffer.read())\n"
        "sites = model.sites()\n"
        "model.apply([Decision(site, 'convert', 'split', 'concat', '') for site in sites])\n"
        "assert model.serialize()\n"
        "unwanted = {'tensorflow', 'keras', 'jax', 'onnx', 'ai_edge_litert.interpreter'}\n"
        "assert not unwanted & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], input=deconv_model(FOUR), check=True, timeout=60)

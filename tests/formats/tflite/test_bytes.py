"""Bytes that are no sound .tflite model: one clear refusal, quickly and in little memory."""

import random
import struct
import time
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from splitdeconv import SplitDeconvError
from splitdeconv.formats.site import Decision
from splitdeconv.formats.tflite.arena import arena_peak
from splitdeconv.formats.tflite.flatbuffer import file as tflite_file
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.topology import nodes
from tests.formats.tflite.models import Deconv, change, deconv_model, edit, pack, unpack
from tests.refusals import refused

SMALL = Deconv(sizes=(2, 2), kernel=(2, 2), kind="int8")


def attempt(data):
    """All that a conversion does with a file, as far as it gets."""
    model = TFLiteModel.parse(data)
    sites = model.sites()
    for site in sites:
        site.macs()
    model.apply(
        [Decision(s, "refuse" if s.problem else "convert", "split", "concat", "") for s in sites]
    )
    arena_peak(model.serialize())


class TestBytes:
    @pytest.mark.parametrize(
        "data", [b"", b"TFL3", b"\x18\0\0\0TFL", b"GIF89a" * 9, b"\x80\x04\x95pickle" * 9]
    )
    def test_other_files(self, data):
        with refused("not a TFLite model"):
            TFLiteModel.parse(data)

    def test_the_path_is_named(self):
        with refused("not a TFLite model") as caught:
            TFLiteModel.parse(b"", path="folder/model.tflite")
        assert caught.value.where == "folder/model.tflite"

    def test_truncated_at_any_byte(self):
        data = deconv_model(SMALL)
        for length in range(len(data)):
            # The last bytes are padding; without them the model is whole.
            if any(data[length:]):
                with refused("not a TFLite model|file is damaged"):
                    attempt(data[:length])

    def test_random_bytes(self):
        source = random.Random(0)
        for _ in range(300):
            with refused("file is damaged|newer schema"):
                attempt(source.randbytes(4) + b"TFL3" + source.randbytes(source.randrange(400)))

    @pytest.mark.slow
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

    @pytest.mark.slow
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
        """100,000 tensors that are one: a file that would unfold to many times its size."""
        data, count = bytearray(deconv_model(SMALL)), 100_000
        graph = schema.Model.GetRootAs(bytes(data)).Subgraphs(0)
        field, vector = graph._tab.Pos + graph._tab.Offset(4), len(data)
        # The subgraph's tensors are now a vector behind the file, whose every element leads to the
        # table behind it.
        data[field : field + 4] = struct.pack("<I", vector - field)
        first = vector + 4
        table = first + 4 * count
        data += (
            struct.pack("<I", count)
            + (table - (first + 4 * np.arange(count))).astype("<u4").tobytes()
        )
        # A table without fields of its own, 400 bytes long, and its vtable.
        data += struct.pack("<i", -400) + b"\0" * 396 + struct.pack("<2H", 4, 400)
        began = time.process_time()
        with refused("file is damaged(.|\n)*shared too often"):
            TFLiteModel.parse(bytes(data))
        assert time.process_time() - began < 10

    @pytest.mark.parametrize("field", ["tensors", "operators", "inputs", "outputs"])
    def test_a_second_subgraph_that_leaves_a_vector_out(self, field):
        def second(model, graph):
            other = make("SubGraph", tensors=[], operators=[], inputs=[], outputs=[])
            model.subgraphs.append(change(other, **{field: None}) or other)

        data = edit(deconv_model(SMALL), second)
        attempt(data)
        assert len(nodes(data)) == 1

    def test_a_graph_without_anything(self):
        def emptied(model, graph):
            change(graph, tensors=None, operators=None, inputs=None, outputs=None)

        data = edit(deconv_model(SMALL), emptied)
        attempt(data)
        assert nodes(data) == []

    def test_a_vtable_of_a_newer_schema(self):
        data = deconv_model(SMALL)
        model = unpack(data)

        class Longer(schema.TensorT):
            def Pack(self, builder):  # noqa: N802
                builder.StartObject(40)
                builder.PrependInt32Slot(39, 7, 0)
                return builder.EndObject()

        model.subgraphs[0].tensors[0] = Longer()
        with refused(
            r"newer schema.*new fields would be lost(.|\n)*pip install --upgrade ai-edge-litert"
        ):
            TFLiteModel.parse(pack(model))

    def test_options_of_a_newer_schema(self):
        model = unpack(deconv_model(SMALL))
        model.subgraphs[0].operators[0].builtinOptionsType = 250
        with refused(r"newer schema.*new options would be lost(.|\n)*got: kind 250"):
            TFLiteModel.parse(pack(model))

    def test_a_model_too_large_for_one_file(self, monkeypatch):
        monkeypatch.setattr(tflite_file, "_MOST_BYTES", 1 << 24)
        with refused("too large for one flatbuffer"):
            TFLiteModel.parse(deconv_model(SMALL)).serialize()


NONSENSE = {
    "schema version 2": lambda m, g: change(m, version=2),
    "no subgraph": lambda m, g: change(m, subgraphs=[]),
    "no buffers": lambda m, g: change(m, buffers=None),
    "operator code 0: kind 67, version 0": lambda m, g: change(m.operatorCodes[0], version=0),
    "subgraph 0, tensor 0: buffer 99 of": lambda m, g: change(g.tensors[0], buffer=99),
    r"tensor 0: shape \[1, -2, 2, 3\]": lambda m, g: change(
        g.tensors[0], shape=np.array([1, -2, 2, 3], "<i4")
    ),
    r"shape \[65536, 65536, 1, 1\]": lambda m, g: change(
        g.tensors[0], shape=np.array([65536, 65536, 1, 1], "<i4")
    ),
    r"with the signature \[-1, 2\]": lambda m, g: change(
        g.tensors[0], shapeSignature=np.array([-1, 2], "<i4")
    ),
    r"24 bytes for shape \[2, 2, 2, 4\] of 1 bytes each": lambda m, g: change(
        g.tensors[1], shape=np.array([2, 2, 2, 4], "<i4")
    ),
    r"subgraph 0: tensors \[77\] of 5": lambda m, g: change(g, outputs=np.array([77], "<i4")),
    r"operator 0: tensors \[3, 1, 0, 9\] of 5": lambda m, g: change(
        g.operators[0], inputs=np.array([3, 1, 0, 9], "<i4")
    ),
    "operator 0: operator code 5 of 1": lambda m, g: change(g.operators[0], opcodeIndex=5),
    "metadata: buffer 40 of": lambda m, g: change(
        m, metadata=[make("Metadata", name=b"x", buffer=40)]
    ),
    "a signature: subgraph 3 of 1": lambda m, g: change(
        m, signatureDefs=[make("SignatureDef", subgraphIndex=3)]
    ),
    "a signature: tensor 50 of 5": lambda m, g: change(
        m, signatureDefs=[make("SignatureDef", inputs=[make("TensorMap", tensorIndex=50)])]
    ),
    "a signature: tensor 5 of 5": lambda m, g: change(
        m, signatureDefs=[make("SignatureDef", outputs=[make("TensorMap", tensorIndex=5)])]
    ),
    "metadata: buffer 99 of": lambda m, g: change(m, metadataBuffer=np.array([1, 99], "<i4")),
    "metadata: buffer -1 of": lambda m, g: change(m, metadataBuffer=np.array([-1], "<i4")),
    **{
        f"operator 0: subgraph {bad} of 1": lambda m, g, table=table, fields=fields: change(
            g.operators[0],
            builtinOptions=make(table, **fields),
            builtinOptionsType=getattr(schema.BuiltinOptions, table),
        )
        for bad, table, fields in (
            (1, "IfOptions", {"elseSubgraphIndex": 1}),
            (-1, "IfOptions", {"thenSubgraphIndex": -1}),
            (2, "WhileOptions", {"condSubgraphIndex": 2}),
            (3, "WhileOptions", {"bodySubgraphIndex": 3}),
            (4, "CallOptions", {"subgraph": 4}),
            (5, "CallOnceOptions", {"initSubgraphIndex": 5}),
        )
    },
    **{
        f"operator 0: subgraph {bad} of 1": lambda m, g, table=table, fields=fields: change(
            g.operators[0],
            builtinOptions2=make(table, **fields),
            builtinOptions2Type=getattr(schema.BuiltinOptions2, table),
        )
        for bad, table, fields in (
            (6, "StablehloReduceOptions", {"bodySubgraphIndex": 6}),
            (7, "StablehloReduceWindowOptions", {"bodySubgraphIndex": 7}),
            (8, "StablehloSortOptions", {"comparatorSubgraphIndex": 8}),
            (9, "StablehloWhileOptions", {"condSubgraphIndex": 9}),
            (10, "StablehloScatterOptions", {"updateComputationSubgraphIndex": 10}),
            (11, "StablehloCaseOptions", {"branchSubgraphIndices": np.array([0, 11], "<i4")}),
            (12, "StableHLOCompositeOptions", {"decompositionSubgraphIndex": 12}),
        )
    },
}


@pytest.mark.parametrize("match", NONSENSE)
def test_parts_that_do_not_fit_each_other(match):
    with refused(f"file is damaged(.|\n)*got: .*{match}"):
        TFLiteModel.parse(edit(deconv_model(SMALL), NONSENSE[match]))

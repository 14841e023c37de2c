"""The inputs of a TFLite file: under which names, and how often."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

import splitdeconv as sd
from splitdeconv.formats.input_shapes import ModelInput
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.tflite.shapes.inputs import COMPUTED, EXPORT, advised
from tests.formats.tflite.models import Builder, Deconv, deconv_model, edit, unpack

CASE = Deconv(kernel=(2, 3), strides=(2, 2), cin=2, cout=5, open_image=True)


def _signed(model, graph):
    """Two signatures of one subgraph, which call its input by names of their own."""

    def entry(name, index):
        return make("TensorMap", name=name, tensorIndex=int(index))

    model.signatureDefs = [
        make(
            "SignatureDef",
            inputs=[entry(name, graph.inputs[0])],
            outputs=[entry(b"y", graph.outputs[0])],
            signatureKey=name + b"_key",
            subgraphIndex=0,
        )
        for name in (b"a", b"b")
    ]


def test_signatures_name_an_input():
    data = edit(deconv_model(CASE), _signed)
    assert TFLiteModel.parse(data).inputs() == [ModelInput("a", (1, None, None, 2), ("image", "b"))]
    for name in ("a", "b", "image", ""):
        result = sd.convert(data, input_shape={name: (1, 5, 9, 2)})
        assert result.report.verification
        assert unpack(result.model).subgraphs[0].tensors[0].shape.tolist() == [1, 5, 9, 2]


def test_names_that_tell_nothing_are_numbered():
    builder = Builder()
    x, z = (
        builder.tensor("in", shape, "f4", dynamic=True) for shape in ((1, 4, 4, 2), (1, 1, 1, 2))
    )
    y = builder.tensor("out", (1, 4, 4, 2), "f4", dynamic=True)
    options = make("AddOptions", fusedActivationFunction=schema.ActivationFunctionType.NONE)
    builder.operator("ADD", [x, z], [y], options)
    model = TFLiteModel.parse(builder.build([x, z], [y]))
    assert model.inputs() == [
        ModelInput("0:in", (None, 4, 4, 2)),
        ModelInput("1:in", (None, 1, 1, 2)),
    ]
    model.fix([(3, 4, 4, 2), (3, 1, 1, 2)])
    model.apply([])
    shapes = [tensor.shape.tolist() for tensor in unpack(model.serialize()).subgraphs[0].tensors]
    np.testing.assert_array_equal(shapes, [[3, 4, 4, 2], [3, 1, 1, 2], [3, 4, 4, 2]])


def test_advice_replaces_what_only_the_author_could_do():
    assert (
        advised(f"odd; {EXPORT}", "--input-shape x=1x8") == "odd; fix it with --input-shape x=1x8"
    )
    assert advised(COMPUTED, "--static-batch 1").endswith("fix these with --static-batch 1")
    assert [advised(problem, None) for problem in (EXPORT, None)] == [EXPORT, None]
    assert advised("a kernel of no size", "--static-batch 1") == "a kernel of no size"

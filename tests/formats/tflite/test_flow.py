"""Tensors without a defined value, and buffers that change."""

import numpy as np
import pytest

from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.flow import changeable_buffers
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    Builder,
    Deconv,
    change,
    convert,
    deconv_model,
    edit,
    run,
    unpack,
)
from tests.refusals import refused

CASE = Deconv(sizes=(2, 2), kernel=(2, 2))


def chain(*operators, outputs=(2,), more=None):
    """A file of NEG operators between the tensors 0, the input, to 3, a constant."""
    builder = Builder()
    for name in ("x", "a", "b"):
        builder.tensor(name, (1, 4), "f4")
    builder.constant("c", np.ones((1, 4), "f4"))
    for inputs, made in operators:
        builder.operator("ADD" if len(inputs) > 1 else "NEG", inputs, made)
    if more is not None:
        more(builder.model, builder.graph)
    return builder.build([0], outputs)


UNDEFINED = {
    "operator 0: reads tensor 1 before it is written": chain(([1], [2]), ([0], [1])),
    "operator 1: reads tensor 1 before it is written": chain(([0], [2]), ([1, 2], [3])),
    "operator 1: writes tensor 2, which another operator writes": chain(([0], [2]), ([3], [2])),
    "operator 0: writes tensor 3, a constant": chain(([0], [3])),
    "operator 1: writes tensor 0, an input": chain(([0], [1]), ([1], [0]), ([0], [2])),
    "operator 0: writes the same tensor twice": chain(([0], [2, 2])),
    "subgraph 0: its output, tensor 1, is never written": chain(([0], [2]), outputs=[2, 1]),
}


@pytest.mark.parametrize("match", UNDEFINED)
def test_a_tensor_without_a_defined_value(match):
    with refused(f"file is damaged(.|\n)*got: .*{match}"):
        TFLiteModel.parse(UNDEFINED[match])


def test_every_subgraph_counts():
    def second(model, graph):
        other = unpack(chain(([1], [2]))).subgraphs[0]
        model.subgraphs.append(other)

    with refused("(.|\n)*got: subgraph 1, operator 0: reads tensor 1 before"):
        TFLiteModel.parse(edit(chain(([0], [2])), second))


@pytest.mark.parametrize(
    "data",
    [
        chain(([0], [1]), ([0, 1], [2])),
        # an optional input left out; an input and a constant as outputs
        chain(([0, -1], [2]), outputs=[0, 2, 3]),
        # a state, and tensors without elements, which nothing has to provide
        chain(([1, 0], [2]), more=lambda m, g: change(g.tensors[1], isVariable=True)),
        chain(([1, 0], [2]), more=lambda m, g: change(g.tensors[1], shape=np.array([0, 4], "<i4"))),
    ],
)
def test_what_is_defined_is_taken(data):
    TFLiteModel.parse(data)


def test_buffer_0_holds_nothing_whatever_is_in_it():
    """The interpreter takes buffer 0 for none, so bytes in it neither fit nor fill a tensor."""
    odd = np.arange(7, dtype="u1")
    data = edit(deconv_model(CASE), lambda m, g: change(m.buffers[0], data=odd))
    x = CASE.input()
    np.testing.assert_array_equal(run(convert(data), x), run(convert(deconv_model(CASE)), x))

    def moved(model, graph):
        weights = graph.tensors[1]
        model.buffers[0].data = model.buffers[weights.buffer].data
        weights.buffer = 0

    data = edit(deconv_model(CASE), moved)
    with pytest.raises(RuntimeError, match="Input tensor 1 lacks data"):
        run(data, x)
    with refused("(.|\n)*got: subgraph 0, operator 0: reads tensor 1 before"):
        TFLiteModel.parse(data)


def test_buffers_of_inputs_outputs_and_variables_change():
    model = unpack(deconv_model(CASE))
    graph = model.subgraphs[0]
    weights, bias, shape = (graph.tensors[i].buffer for i in (1, 2, 3))
    assert changeable_buffers(model) == {0}
    graph.inputs = np.array([0, 1], "<i4")
    assert changeable_buffers(model) == {0, weights}
    graph.tensors[2].isVariable = True
    model.signatureDefs = [make("SignatureDef", inputs=[make("TensorMap", tensorIndex=3)])]
    assert changeable_buffers(model) == {0, weights, bias, shape}
    graph.inputs, graph.tensors[4].buffer = np.array([0], "<i4"), weights
    assert changeable_buffers(model) == {0, weights, bias, shape}

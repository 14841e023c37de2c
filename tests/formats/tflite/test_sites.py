"""Transposed convolutions whose surroundings keep them from being rewritten."""

import numpy as np
import pytest

from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Builder,
    Deconv,
    change,
    convert,
    deconv_model,
    edit,
    operators,
    run,
)

CASE = Deconv(sizes=(5, 4), kernel=(2, 2), cin=3, cout=2)


def behind(*names, sizes=(1, 5, 4, 3), open_batch=False):
    """A transposed convolution behind elementwise operators whose first input is declared so."""
    builder = Builder()
    first = tensor = builder.tensor("first", sizes, "f4", dynamic=open_batch)
    for name in names:
        following = builder.tensor(name, (1, 5, 4, 3), "f4")
        builder.operator(name, [tensor], [following])
        tensor = following
    weights = builder.constant("weights", np.ones((2, 2, 2, 3), "f4"))
    shape = builder.constant("shape", np.array([1, 10, 8, 2], "<i4"))
    y = builder.tensor("picture", (1, 10, 8, 2), "f4")
    options = make("TransposeConvOptions", strideH=2, strideW=2)
    builder.operator("TRANSPOSE_CONV", [shape, weights, tensor], [y], options)
    return builder.build([first], [y])


def problem(data):
    (site,) = TFLiteModel.parse(data).sites()
    return site.problem


@pytest.mark.parametrize("names", [(), ("RELU",), ("RELU", "TANH", "NEG")])
def test_shapes_that_agree_are_taken(names):
    assert problem(behind(*names)) is None


@pytest.mark.parametrize("names", [("RELU",), ("RELU", "TANH", "NEG")])
@pytest.mark.parametrize("sizes", [(1, 4, 5, 3), (2, 5, 4, 3), (1, 5, 4), (), (1, 5, 4, 4)])
def test_a_declared_shape_that_the_interpreter_would_replace(names, sizes):
    found = problem(behind(*names, sizes=sizes))
    expected = "its input is declared as [1, 5, 4, 3] but computed as"
    assert found == f"{expected} {list(sizes)}"


def test_a_batch_that_is_open_at_the_beginning_is_open_at_the_site():
    (site,) = TFLiteModel.parse(behind("RELU", open_batch=True)).sites()
    assert (site.problem, site.batch) == (None, None)


def test_a_chain_without_its_input_is_followed_no_further():
    def cut(model, graph):
        graph.operators[0].inputs = np.array([-1], "<i4")

    assert problem(edit(behind("RELU"), cut)).endswith("computed as []")


@pytest.mark.parametrize("name", ["weights", "bias"])
def test_an_unpacked_constant_that_is_an_output_as_well(name):
    """XNNPACK fails on the one operator that would be left of it, though not on the original."""

    def listed(model, graph):
        names = [tensor.name for tensor in graph.tensors]
        graph.outputs = np.array([*graph.outputs, names.index(f"{name}_unpacked".encode())], "<i4")

    data = edit(deconv_model(CASE.with_(kind="float16")), listed)
    assert problem(data).endswith("unpacked into an output of the model")
    assert operators(convert(data)) == operators(data)


def test_an_output_that_is_a_variable():
    data = edit(deconv_model(CASE), lambda m, g: change(g.tensors[-1], isVariable=True))
    assert problem(data) == "its output is a variable of the model"


@pytest.mark.parametrize("kernels", [XNNPACK, OPTIMIZED, REFERENCE])
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
@pytest.mark.parametrize("interleave", ["concat", "transpose", "depth_to_space"])
def test_any_number_of_images_at_an_open_batch(kernels, form, interleave):
    case = CASE.with_(dynamic=True, kernel=(3, 5))
    data = deconv_model(case)
    rewritten = convert(data, form, interleave)
    for batch in (1, 3):
        x = case.input(batch=batch)
        y, expected = (run(model, x, kernels=kernels) for model in (rewritten, data))
        assert np.abs(y - expected).max() < 1e-5
    if kernels != XNNPACK:
        # XNNPACK takes neither PAD with a convolution nor DEPTH_TO_SPACE for no image at all.
        assert run(rewritten, case.input()[:0], kernels=kernels).shape == (0, 10, 8, 2)

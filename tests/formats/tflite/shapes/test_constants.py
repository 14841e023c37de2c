"""What is constant in a .tflite file, and what a caller or the model itself may change."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.tflite.shapes.constants import Constants
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
    unpack,
)

CASE = Deconv(cout=5)
PACKED = CASE.with_(kind="float16")
OPEN = CASE.with_(dynamic=True)
KERNELS = {"xnnpack": XNNPACK, "optimized": OPTIMIZED, "reference": REFERENCE}


def _index(graph, name):
    return next(i for i, tensor in enumerate(graph.tensors) if tensor.name == name.encode())


def _problem(data):
    (site,) = TFLiteModel.parse(data).sites()
    return site.problem


def _listed(model, graph, index):
    graph.inputs = np.array([0, index], "<i4")


def _signed(model, graph, index):
    entry = make("TensorMap", name=b"w", tensorIndex=index)
    model.signatureDefs = [make("SignatureDef", signatureKey=b"serve", inputs=[entry])]


def _variable(model, graph, index):
    graph.tensors[index].isVariable = True


def _shared(model, graph, index):
    tensor = graph.tensors[index]
    fields = {"shape": tensor.shape, "type": tensor.type, "buffer": tensor.buffer}
    graph.tensors.append(make("Tensor", name=b"other", hasRank=True, **fields))
    _listed(model, graph, len(graph.tensors) - 1)


def _elsewhere(model, graph, index):
    """An input of another subgraph in the same buffer."""
    tensor = graph.tensors[index]
    other = make("Tensor", shape=tensor.shape, type=tensor.type, buffer=tensor.buffer)
    inputs = np.array([0], "<i4")
    model.subgraphs.append(make("SubGraph", tensors=[other], inputs=inputs, outputs=inputs))


@pytest.mark.parametrize("how", [_listed, _signed, _variable, _shared, _elsewhere])
@pytest.mark.parametrize(
    ("case", "name"),
    [
        (CASE, "weights"),
        (CASE, "bias"),
        (CASE, "shape"),
        (CASE.with_(kind="int8"), "weights"),
        (CASE.with_(kind="int8"), "bias"),
        (PACKED, "weights"),
        (PACKED, "bias"),
        (OPEN, "chain/size1"),
    ],
)
def test_a_constant_that_may_change_is_not_built_in(case, name, how):
    data = edit(deconv_model(case), lambda m, g: how(m, g, _index(g, name)))
    problem = _problem(data)
    if name.startswith("chain"):
        assert (
            problem.partition(";")[0]
            == "its output shape depends on more than constants and shapes"
        )
    else:
        what = {"weights": "weights are", "bias": "bias is", "shape": "output shape is"}[name]
        assert problem.startswith(f"its {what} not fixed")
    assert operators(convert(data)) == operators(data)


@pytest.mark.parametrize("kernels", [OPTIMIZED, REFERENCE])
@pytest.mark.parametrize("how", [_listed, _shared])
def test_a_caller_can_indeed_set_it(how, kernels):
    """The control: to build it in would change what the file does; XNNPACK alone packs it early."""
    data = edit(deconv_model(CASE), lambda m, g: how(m, g, _index(g, "bias")))
    # The interpreter writes into the bytes it was given.
    x, values = CASE.input(), [np.full(5, n, "f4") for n in (0, 1)]
    zeros, ones = (run(bytes(bytearray(data)), x, bias, kernels=kernels) for bias in values)
    assert np.abs(ones - zeros - 1).max() < 1e-5


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_a_constant_that_is_an_output_as_well_stays_one(form, kernels):
    def listed(model, graph):
        graph.outputs = np.array([4, 1, 2], "<i4")

    data = edit(deconv_model(CASE), listed)
    assert _problem(data) is None
    rewritten = convert(data, form)
    values, family = [], KERNELS[kernels]
    for model in (data, rewritten):
        interpreter = Interpreter(model_content=model, experimental_op_resolver_type=family)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], CASE.input())
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        values.append([interpreter.get_tensor(port["index"]) for port in outputs])
    (y, *stored), (expected, *stored_before) = values
    assert np.abs(y - expected).max() < 1e-5
    assert len(stored) == 2
    for a, b in zip(stored, stored_before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "shape", "match"),
    [
        ("bias_unpacked", [1], r"its bias is stored as \[5\] but used as \[1\]"),
        ("bias_unpacked", [], r"its bias is stored as \[5\] but used as \[\]"),
        ("bias", [1, 5], r"its bias is stored as \[1, 5\] but used as \[5\]"),
        ("weights", [5, 1, 9, 3], r"its weights are stored as \[5, 1, 9, 3\] but used as"),
    ],
)
def test_an_unpacked_constant_has_the_shape_of_the_stored_one(name, shape, match):
    def reshaped(model, graph):
        graph.tensors[_index(graph, name)].shape = np.array(shape, "<i4")

    problem = _problem(edit(deconv_model(PACKED), reshaped))
    assert problem.startswith(match.replace("\\", ""))


class TestIntegers:
    """Shape vectors, from what converters put together for an open batch."""

    def integers(self, build):
        builder = Builder()
        index = build(builder)
        return Constants(builder.model, builder.graph).integers(index)

    def vector(self, builder, *values):
        return builder.constant(f"c{len(builder.graph.tensors)}", np.array(values, "<i4"))

    def add(self, builder, name, inputs, options=None, dtype="i4"):
        index = builder.tensor(f"t{len(builder.graph.tensors)}", (4,), dtype)
        builder.operator(name, inputs, [index], options)
        return index

    def sizes(self, builder):
        x = builder.tensor("x", (1, 8, 9, 3), "f4", dynamic=True)
        return self.add(builder, "SHAPE", [x])

    def test_the_usual_chain(self):
        model = unpack(deconv_model(OPEN))
        graph = model.subgraphs[0]
        numbers = Constants(model, graph).integers(_index(graph, "chain/packed"))
        assert numbers == [None, 10, 8, 5]

    @pytest.mark.parametrize(
        ("options", "bounds", "expected"),
        [
            ({"shrinkAxisMask": 1}, (1, 2, 1), [8]),
            ({}, (1, 3, 1), [8, 9]),
            ({"beginMask": 1}, (1, 3, 1), [None, 8, 9]),
            ({"endMask": 1}, (-2, 0, 1), [9, 3]),
            ({}, (0, 4, 2), [None, 9]),
            ({"shrinkAxisMask": 1}, (7, 8, 1), None),
            ({"newAxisMask": 1}, (1, 2, 1), None),
            ({"ellipsisMask": 1}, (1, 2, 1), None),
            ({"offset": True}, (1, 2, 1), None),
            ({}, (3, 0, -1), None),
        ],
    )
    def test_slices(self, options, bounds, expected):
        def build(builder):
            parts = [self.vector(builder, n) for n in bounds]
            options_ = make("StridedSliceOptions", **options)
            return self.add(builder, "STRIDED_SLICE", [self.sizes(builder), *parts], options_)

        assert self.integers(build) == expected

    @pytest.mark.parametrize(
        ("name", "other", "expected"),
        [
            ("MUL", [2], [None, 16, 18, 6]),
            ("ADD", [1, 2, 3, 4], [None, 10, 12, 7]),
            ("SUB", [1], [None, 7, 8, 2]),
            ("SUB", [1, 2], None),
            ("FLOOR_MOD", [2], None),
            ("CONCATENATION", [5], [None, 8, 9, 3, 5]),
            ("CAST", [5], [None, 8, 9, 3]),
            ("MUL", [2**30], None),
        ],
    )
    def test_arithmetic(self, name, other, expected):
        def build(builder):
            return self.add(builder, name, [self.sizes(builder), self.vector(builder, *other)])

        assert self.integers(build) == expected

    def test_what_another_value_decides_is_not_known(self):
        def of_an_input(builder):
            return self.add(builder, "MUL", [self.sizes(builder), builder.tensor("n", (1,), "i4")])

        def activated(builder):
            options = make("SubOptions", fusedActivationFunction=1)
            return self.add(builder, "SUB", [self.sizes(builder), self.sizes(builder)], options)

        def rounded(builder):
            return self.add(builder, "CAST", [self.sizes(builder)], dtype="i1")

        for build in (of_an_input, activated, rounded):
            assert self.integers(build) is None

    def test_what_doubles_without_end_ends(self):
        def build(builder):
            index = self.vector(builder, 1)
            for _ in range(60):
                index = self.add(builder, "CONCATENATION", [index, index])
            return index

        assert self.integers(build) is None

        def loop(builder):
            index = builder.tensor("t", (4,), "i4")
            builder.operator("CAST", [index], [index])
            return index

        assert self.integers(loop) is None


def test_an_output_shape_that_a_caller_decides_is_not_built_in():
    """Its declared shape is one of many."""

    def asked(model, graph):
        change(model.buffers[graph.tensors[3].buffer], data=None)
        graph.inputs = np.array([0, 3], "<i4")

    data = edit(deconv_model(CASE), asked)
    assert _problem(data) == "its output shape depends on more than constants and shapes"
    for rows in (9, 10):
        shape = np.array([1, rows, 8, 5], "<i4")
        assert run(data, CASE.input(), shape).shape == (1, rows, 8, 5)


def test_a_batch_is_open_if_the_shape_asked_for_says_so():
    """Converters do not mark every tensor of an open batch."""

    def forgotten(model, graph):
        graph.tensors[0].shapeSignature = np.array([-1, 5, 4, 3], "<i4")
        graph.tensors[_index(graph, "picture")].shapeSignature = None

    data = edit(deconv_model(OPEN), forgotten)
    (site,) = TFLiteModel.parse(data).sites()
    assert site.batch is None
    x = OPEN.input(batch=3)
    assert np.abs(run(convert(data), x) - run(data, x)).max() < 1e-5

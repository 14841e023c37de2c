""".tflite models whose outputs prove nothing: their rewritten operators are run alone."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert.verify.compare import compare
from tests.convert.verify.test_compare import spoiled
from tests.formats.tflite.models import Builder, convert, make, operators, pack, schema, unpack

SIZE, LARGE = (1, 4, 4, 3), (1, 8, 8, 2)


def _up(builder, x, seed=0):
    """A transposed convolution of the tensor x; returns its output."""
    weights = np.random.default_rng(seed).standard_normal((2, 3, 4, 3)).astype("f4")
    wanted, y = (
        builder.constant("shape", np.array(LARGE, "<i4")),
        builder.tensor("picture", LARGE, "f4"),
    )
    options = make("TransposeConvOptions", padding=schema.Padding.SAME, strideH=2, strideW=2)
    builder.operator(
        "TRANSPOSE_CONV", [wanted, builder.constant("weights", weights), x], [y], options
    )
    return y


def noisy(operator, rename=None):
    """A model that adds noise to its input first."""
    builder = Builder()
    x, noise, both = (builder.tensor(name, SIZE, "f4") for name in ("image", "noise", "both"))
    shape = builder.constant("size", np.array(SIZE, "<i4"))
    builder.operator(operator, [shape], [noise], make("RandomOptions"))
    builder.operator("ADD", [x, noise], [both], make("AddOptions"))
    y = _up(builder, both)
    for tensor in builder.graph.tensors:
        tensor.name = tensor.name if rename is None else rename
    return builder.build([x], [y])


def branching():
    """A model with two branches, each with its own weights; the second if the mean is huge."""
    builder = Builder()
    x, y, mean = (
        builder.tensor("image", SIZE, "f4"),
        builder.tensor("result", LARGE, "f4"),
        builder.tensor("m", (), "f4"),
    )
    which = builder.tensor("which", (), "f4")
    builder.graph.tensors[which].type = schema.TensorType.BOOL
    axes, huge = (
        builder.constant("axes", np.arange(4, dtype="<i4")),
        builder.constant("huge", np.array(1e6, "<f4")),
    )
    builder.operator("MEAN", [x, axes], [mean], make("ReducerOptions"))
    builder.operator("LESS", [mean, huge], [which], make("LessOptions"))
    builder.operator(
        "IF", [which, x], [y], make("IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2)
    )
    model = unpack(builder.build([x], [y]))
    for seed in range(2):
        branch = Builder()
        x = branch.tensor("image", SIZE, "f4")
        part = unpack(branch.build([x], [_up(branch, x, seed)]))
        for tensor in part.subgraphs[0].tensors:
            tensor.buffer += len(model.buffers)
        for operator in part.subgraphs[0].operators:
            operator.opcodeIndex += len(model.operatorCodes)
        model.buffers += part.buffers
        model.operatorCodes += part.operatorCodes
        model.subgraphs += part.subgraphs
    return pack(model)


def spoiled_branch(data):
    """The file with one weight of its last branch changed."""
    model = unpack(data)
    buffers = {t.buffer for t in model.subgraphs[2].tensors}
    last = max(
        i
        for i in buffers
        if model.buffers[i].data is not None and len(model.buffers[i].data) % 96 == 0
    )
    weights = np.array(model.buffers[last].data).view("<f4")
    weights[0] += 1
    model.buffers[last].data = weights.view("u1")
    return pack(model)


@pytest.mark.parametrize("operator", ["RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"])
def test_random_operators(here, operator):
    data = noisy(operator)
    result = sd.convert(data)
    verification = result.report.verification
    assert verification
    assert (verification.method, [o.name for o in verification.outputs]) == (
        "operators",
        ["picture"],
    )
    assert "two runs of the original differ (random operators)" in verification.notes[0]
    assert "--inputs" in verification.notes[0]
    assert "TRANSPOSE_CONV" not in operators(result.model)
    assert not compare("tflite", data, spoiled(result.model))


@pytest.mark.parametrize("name", [b"tensor", b""])
def test_operators_without_names_of_their_own_are_run_alone(here, name):
    """Names may be stripped from a file, or used twice."""
    data = noisy("RANDOM_UNIFORM", name)
    result = sd.convert(data)
    verification = result.report.verification
    assert verification
    assert verification.method == "operators"
    assert not compare("tflite", data, spoiled(result.model))


def test_branches_without_names_are_run_alone():
    model = unpack(branching())
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.name = b""
    data = pack(model)
    good = convert(data)
    verification = compare("tflite", data, good)
    assert verification
    assert len(verification.outputs) == 3
    assert not compare("tflite", data, spoiled_branch(good))


def test_branches_that_no_input_may_take():
    data = branching()
    good = convert(data)
    assert operators(good).count("TRANSPOSE_CONV") == 0
    verification = compare("tflite", data, good)
    assert verification
    assert verification.method == "model and operators"
    assert [o.name for o in verification.outputs] == ["result", "picture", "picture"]
    assert "inputs may not reach 2 operator(s) in branches" in verification.notes[0]
    bad = compare("tflite", data, spoiled_branch(good))
    assert not bad
    # what the inputs reach is as it was
    assert [o.passed for o in bad.outputs] == [True, True, False]

"""Inputs that hold lengths are recognized, and get values that fit the other inputs."""

import numpy as np
import onnxruntime
import pytest

import splitdeconv as sd
from splitdeconv.convert.verify.inputs import find_recipe
from splitdeconv.convert.verify.run import load
from splitdeconv.convert.verify.tables import described
from splitdeconv.formats.registry import format_of
from tests.convert import sequence_models
from tests.convert.sequence_models import CHANNELS, ROWS, attended, longest, padded, spoken
from tests.formats.onnx.models import model, node, value
from tests.formats.tflite.models import Builder, make

MODELS = {
    "padded": (padded, {"lengths"}),
    "from int32": (lambda: padded("i4"), {"given"}),
    "padded, fixed": (lambda: padded(batch=1, steps=5), {"lengths"}),
    "longest": (longest, {"lengths"}),
    "longest, fixed": (lambda: longest(3, 11), {"lengths"}),
    "attended": (attended, set()),
    "attended, flags": (lambda: attended("?"), set()),
    "spoken": (spoken, {"input_lengths"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_is_verified(name):
    make_model, lengths = MODELS[name]
    data = make_model().SerializeToString()
    assert set(format_of("onnx").lengths(data)) == lengths
    result = sd.convert(data)
    verification = result.report.verification
    assert (verification.passed, verification.method) == (True, "model")
    assert verification.samples >= 8
    # The values reach the output: rounding shows.
    assert verification.outputs[0].max_abs > 0


@pytest.mark.parametrize("name", [name for name, (_, lengths) in MODELS.items() if lengths])
def test_lengths_reach_that_of_what_is_padded_and_no_further(name):
    data = MODELS[name][0]().SerializeToString()
    run = load(format_of("onnx"), data)[""]
    ports = described(format_of("onnx"), data, run.inputs)
    recipe, _ = find_recipe(run, ports, 5)
    (port,) = (port for port in ports if port.lengths)
    counted = set()
    for index in range(30):
        feed = recipe.draw(ports, index, 5)
        x = feed["x"] if "x" in feed else feed["input"]
        values = feed[port.name]
        assert values.dtype == port.dtype
        assert (values.min() >= 1, values.max()) == (True, x.shape[-1])
        counted |= set(values.tolist())
    assert values.size == 1 or len(counted) > 5


def test_several_lengths_of_fixed_inputs_are_tried():
    data = longest(
        1, 4 * CHANNELS
    ).SerializeToString()  # more steps than channels, and the first try counts those
    run = load(format_of("onnx"), data)[""]
    ports = described(format_of("onnx"), data, run.inputs)
    recipe, _ = find_recipe(run, ports, 0)
    assert recipe.steps == 1
    assert recipe.draw(ports, 0, 0)["lengths"].tolist() == [4 * CHANNELS]


def test_tokens_and_speakers_stay_within_their_tables():
    data = spoken().SerializeToString()
    ports = described(format_of("onnx"), data, load(format_of("onnx"), data)[""].inputs)
    assert {port.name: port.rows for port in ports} == {
        "input": ROWS,
        "input_lengths": None,
        "sid": 3,
    }
    recipe, _ = find_recipe(load(format_of("onnx"), data)[""], ports, 2)
    feeds = [recipe.draw(ports, index, 2) for index in range(20)]
    assert {int(n) for feed in feeds for n in feed["sid"]} == {0, 1, 2}
    assert {int(n) for feed in feeds for n in feed["input"].flat} == set(range(ROWS))


def compared(kind, other, constants=()):
    nodes = [*other, node(kind, ["steps", "n"], "flags"), node("Cast", ["flags"], "y", to=1)]
    return model(
        nodes, [value("n", "i8", [1])], [value("y", "f4", None)], dict(constants)
    ).SerializeToString()


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        (np.arange(9), True),
        (np.arange(1, 7)[None], True),
        (np.arange(9)[::-1].copy(), False),
        (np.array([5]), False),
        (np.array([2, 3, 4]), False),
    ],
)
@pytest.mark.parametrize("kind", ["Less", "GreaterOrEqual"])
def test_steps_may_be_stored(steps, found, kind):
    assert set(format_of("onnx").lengths(compared(kind, [], {"steps": steps}))) == (
        {"n"} if found else set()
    )


def test_what_is_compared_with_another_number_is_no_length():
    data = compared("Less", [node("Identity", ["limit"], "steps")], {"limit": np.array([50])})
    assert set(format_of("onnx").lengths(data)) == set()
    assert not list(format_of("keras").lengths(None))


def tflite(signature=False):
    """Lengths compared with a RANGE, or with stored steps behind a RESHAPE."""
    b = Builder()
    lengths, columns = b.tensor("lengths", (2,), "i4"), b.tensor("columns", (2, 1), "i4")
    steps = b.constant("steps", np.arange(6, dtype="i4")[None])
    flags = b.tensor("flags", (2, 6), "i4")
    flags_type = b.graph.tensors[flags]
    flags_type.type = sequence_models.BOOL
    axis = b.constant("axis", np.array([1], "i4"))
    b.operator("EXPAND_DIMS", [lengths, axis], [columns], make("ExpandDimsOptions"))
    b.operator("LESS", [steps, columns], [flags], make("LessOptions"))
    if signature:
        b.model.signatureDefs = [
            make(
                "SignatureDef",
                signatureKey=b"serve",
                inputs=[make("TensorMap", name=b"given", tensorIndex=lengths)],
                outputs=[make("TensorMap", name=b"flags", tensorIndex=flags)],
            )
        ]
    return b.build([lengths], [flags])


def test_lengths_of_tflite_are_told_by_the_names_of_tensors_and_signatures():
    assert set(format_of("tflite").lengths(tflite())) == {"lengths"}
    data = tflite(signature=True)
    assert set(format_of("tflite").lengths(data)) == {"lengths", "given"}
    (port,) = described(format_of("tflite"), data, load(format_of("tflite"), data)["serve"].inputs)
    assert (port.name, port.lengths) == ("given", True)


def test_a_mask_follows_the_lengths():
    data = padded(batch=2, steps=7).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    x = np.ones((2, CHANNELS, 7), "f4")
    y, full = (session.run(None, {"x": x, "lengths": np.array(n)})[0] for n in ([7, 2], [7, 7]))
    assert np.array_equal(y[0], full[0])
    assert not y[1, :, 3 * 2 + 4 :].any()
    assert full[1, :, 3 * 2 + 4 :].any()

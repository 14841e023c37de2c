"""Verification: agrees where it must, fails where a value is wrong, and says what it could not do."""

import json
from dataclasses import replace

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert import Verification
from splitdeconv.convert.verify import compare
from splitdeconv.convert.verify_inputs import find_recipe, read_inputs
from splitdeconv.convert.verify_measure import Output, Slack, measure, merge, perturb, rounding, slack
from splitdeconv.convert.verify_run import Input, RejectedError, load
from tests.convert import tflite_models
from tests.convert.sites import site
from tests.convert.test_verify_onnx import onnx_up
from tests.convert.tflite_models import Deconv, deconv_model
from tests.refusals import refused

CASE = Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6)


def spoiled(model, dtype="<f4", by=1.01):
    """A .tflite file with one weight of its largest constant changed a little."""
    unpacked = tflite_models.unpack(model)
    buffer = max((b for b in unpacked.buffers if b.data is not None), key=lambda b: len(b.data))
    values = np.array(buffer.data, np.uint8).view(dtype)
    index = int(np.argmax(np.abs(values.astype("f8"))))
    values[index] = values[index] * by if dtype == "<f4" else values[index] - np.sign(values[index])
    buffer.data = values.view(np.uint8)
    return tflite_models.pack(unpacked)


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "uint8", "int16x8"])
def test_a_converted_model_agrees_and_a_spoiled_one_does_not(kind):
    model = deconv_model(CASE.with_(kind=kind))
    good = tflite_models.convert(model)
    verification = compare("tflite", model, good)
    assert verification
    assert (verification.method, verification.samples) == ("model", 8)
    (output,) = verification.outputs
    assert (output.name, output.values) == ("picture", 8 * 12 * 10 * 6)
    floats = kind.startswith("float")
    assert output.lsb == (None if floats else {0: output.values})
    dtype = {"float32": "<f4", "float16": "<f2"}.get(kind, "i1" if kind != "uint8" else "u1")
    bad = compare("tflite", model, spoiled(good, dtype, 1.01))
    assert not bad
    assert bad.outputs[0].max_abs > bad.outputs[0].tolerance
    assert bad.outputs[0].finding != "identical"


def test_integers_give_a_histogram():
    model = deconv_model(CASE.with_(kind="int8"))
    (output,) = compare("tflite", model, spoiled(tflite_models.convert(model), "i1")).outputs
    assert sum(output.lsb.values()) == output.values
    assert set(output.lsb) > {0}
    assert f"{output.values - output.lsb[0]} of {output.values} values differ, by at most {max(output.lsb)} LSB" in (
        output.finding
    )


def test_the_tolerance_is_that_of_the_sums():
    # 5x5 stride 2: at most 3x3 taps meet in one output; 16 channels; bias and activation: 146 terms.
    delta = rounding([site(cin=16)])
    terms = 9 * 16 + 2
    assert delta == pytest.approx(2 * terms * 2**-24 / (1 - terms * 2**-24))
    assert rounding([site(), site()]) == pytest.approx(2 * delta)
    assert rounding([site(cin=16, groups=2)]) == pytest.approx(2 * 74 * 2**-24, rel=1e-4)
    assert rounding([site(dtype="int8"), site(dtype="int16x8")], "tflite") == 0
    # ONNX Runtime computes a quantized ConvTranspose on dequantized floats.
    assert rounding([site(dtype="int8")], "onnx") == pytest.approx(delta)
    assert rounding([site(dtype="float16")]) == pytest.approx(delta + 6 * 2**-11)
    assert rounding([site(dtype="float16")], "tflite") == pytest.approx(delta)
    assert rounding([site(dtype="float64")]) == pytest.approx(2 * terms * 2**-53)


def test_floats_are_measured():
    ours = np.array([1.0, -4.0, 2.0, 0.0], "f4")
    record = measure("y", ours, ours + np.array([0, 1e-3, 0, 0], "f4"), 1e-2)
    assert record.max_abs == pytest.approx(1e-3, rel=1e-3)
    assert record.max_rel == pytest.approx(2.5e-4, rel=1e-3)
    assert record.passed
    assert not measure("y", ours, ours + np.float32(0.02), 1e-2).passed
    assert measure("y", ours, ours, 0.0).finding == "identical"


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        ([1, np.nan, np.inf, -np.inf], [1, np.nan, np.inf, -np.inf], True),
        ([1, np.nan, 3, 4], [1, 2, 3, 4], False),
        ([1, 2, 3, 4], [1, np.nan, 3, 4], False),
        ([np.inf, 2, 3, 4], [-np.inf, 2, 3, 4], False),
        ([np.inf, 2, 3, 4], [1e30, 2, 3, 4], False),
        ([np.nan] * 4, [np.nan] * 4, True),
    ],
)
def test_nan_and_infinity_must_be_at_the_same_places(ours, theirs, agree):
    record = measure("y", np.array(ours, "f4"), np.array(theirs, "f4"), 1.0)
    assert record.passed is agree
    if not agree:
        assert record.max_abs == np.inf
        assert "NaN, infinity or text where the original has another" in record.finding
    elif not np.isfinite(ours).all():
        assert "values are NaN or infinite" in record.finding


def test_shapes_and_types_must_be_the_same():
    y = np.zeros((2, 3), "f4")
    assert "float32[2, 3] became float32[3, 2]" in measure("y", y, y.T, 1).finding
    assert not measure("y", y, y.astype("f8"), 1).passed


@pytest.mark.parametrize(
    ("ours", "theirs", "lsb"),
    [
        (np.array([-128, 127], "i1"), np.array([127, -128], "i1"), {255: 2}),
        (np.array([0, 2**63], "u8"), np.array([1, 2**63], "u8"), {0: 1, 1: 1}),
        (np.array([True, False]), np.array([True, True]), {0: 1, 1: 1}),
        (np.array([-(2**62)], "i8"), np.array([-(2**62)], "i8"), {0: 1}),
    ],
)
def test_integers_are_measured_without_overflow(ours, theirs, lsb):
    record = measure("y", ours, theirs, 0.0)
    assert record.lsb == lsb
    assert record.passed is (set(lsb) == {0})


def test_texts_and_complex_numbers_are_compared():
    texts = np.array(["a", "b"], object)
    assert measure("y", texts, texts.copy(), 0).passed
    assert not measure("y", texts, texts[::-1], 0).passed
    z = np.array([3 + 4j], "c8")
    assert measure("y", z, z + 1e-3j, 1e-2).max_abs == pytest.approx(1e-3, rel=1e-3)


def test_slack_allows_as_many_values_as_the_original_is_off_itself():
    ours = np.arange(8, dtype="i8")
    again = ours + np.array([5, 0, 0, 0, 5, 0, 0, 0])
    allowed = slack(ours, again, 0.0)
    assert allowed == Slack(5.0, 2)
    assert measure("y", ours, ours + np.array([0, 4, 0, 0, 0, 0, 5, 0]), 0.0, allowed).passed
    assert not measure("y", ours, ours + np.array([0, 1, 1, 1, 0, 0, 0, 0]), 0.0, allowed).passed
    assert not measure("y", ours, ours + np.array([6, 0, 0, 0, 0, 0, 0, 0]), 0.0, allowed).passed
    assert slack(ours, ours[:3], 0.0) == Slack()


def test_samples_are_merged():
    counts = [{0: 9, 1: 1}, {0: 8, 2: 2}, {0: 10}]
    records = [Output("y", "int8", 10, float(max(c)), 0.1, 0.0, c, max(c) == 0, "said; because") for c in counts]
    merged = merge(records)
    assert (merged.values, merged.lsb, merged.passed) == (30, {0: 27, 1: 1, 2: 2}, False)
    assert merged.finding == "3 of 30 values differ, by at most 2 LSB; because"


def test_records_survive_json():
    outputs = (Output("y", "int8", 3, np.inf, np.inf, 0.0, {0: 2, 5: 1}, False, "no"),)
    verification = Verification(False, outputs, "model", 1, 7, ("note",))
    text = json.dumps(verification.to_dict(), allow_nan=False)
    assert Verification.from_dict(json.loads(text)) == verification
    assert not verification


def test_perturbed_inputs_are_off_by_delta():
    feed = {"x": np.linspace(-1, 1, 100, dtype="f4"), "n": np.arange(3)}
    changed = perturb(feed, 1e-3, 0)
    ratio = changed["x"] / feed["x"]
    assert set(np.round(np.abs(ratio - 1), 5)) == {np.float32(1e-3)}
    assert set(np.sign(ratio - 1)) == {-1, 1}
    assert changed["n"] is feed["n"]
    assert perturb({"n": np.arange(3)}, 1e-3, 0) is None


# ---- inputs ---------------------------------------------------------------------------------------------------------

IMAGE = Input("image", np.dtype("f4"), (None, None, None, 3))
TOKENS = Input("tokens", np.dtype("i8"), (1, None))
PIXELS = Input("pixels", np.dtype("i1"), (1, 50), quantized=True)


def test_dynamic_lengths_become_small_ones():
    recipe, _ = find_recipe(lambda feed: None, [IMAGE, TOKENS], 0)
    feed = recipe.draw([IMAGE, TOKENS], 0, 0)
    assert {name: x.shape for name, x in feed.items()} == {"image": (2, 64, 64, 3), "tokens": (1, 64)}
    assert {name: x.dtype for name, x in feed.items()} == {"image": np.float32, "tokens": np.int64}


def test_integers_are_0_and_1_first():
    tried = []

    def run(feed):
        tried.append(int(feed["tokens"].max()))
        if tried[-1] <= 1:
            raise RejectedError("too few")

    recipe, _ = find_recipe(run, [TOKENS], 0)
    assert tried[0] == 1
    assert recipe.most == 100
    assert recipe.draw([TOKENS], 0, 0)["tokens"].max() > 1


def test_quantized_integers_take_the_full_range():
    recipe, _ = find_recipe(lambda feed: None, [PIXELS], 0)
    values = np.concatenate([recipe.draw([PIXELS], i, 0)["pixels"] for i in range(40)])
    assert (values.min(), values.max()) == (-128, 127)


def test_lengths_are_tried_until_one_suits():
    def run(feed):
        if feed["image"].shape != (1, 16, 16, 3):
            raise RejectedError("16 or nothing")

    recipe, _ = find_recipe(run, [IMAGE], 0)
    assert (recipe.length, recipe.batch) == (16, 1)


def test_what_suits_nobody_is_told():
    def run(feed):
        raise RejectedError("never")

    assert find_recipe(run, [IMAGE], 0) == (None, "never")
    recipe, said = find_recipe(run, [Input("words", None, (1,))], 0)
    assert (recipe, said) == (None, "input 'words' is no array of numbers")


def test_samples_differ_and_are_reproducible():
    recipe, _ = find_recipe(lambda feed: None, [IMAGE], 5)
    samples = [recipe.draw([IMAGE], i, 5)["image"] for i in range(3)]
    assert samples[1].min() >= 0
    assert samples[0].min() < -2
    assert np.array_equal(samples[0], recipe.draw([IMAGE], 0, 5)["image"])
    assert not np.array_equal(samples[0], recipe.draw([IMAGE], 0, 6)["image"])


def test_own_inputs_are_read(tmp_path, rng):
    x = rng.standard_normal((4, 2, 8, 8, 3))
    for given in ({"image": x}, tmp_path / "in.npz"):
        np.savez(tmp_path / "in.npz", image=x)
        feeds = read_inputs(given, [IMAGE])
        assert len(feeds) == 4
        assert feeds[1]["image"].dtype == np.float32
        np.testing.assert_array_equal(feeds[1]["image"], x[1].astype("f4"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"picture": np.zeros((1, 2, 8, 8, 3))}, "do not fit the model: names"),
        ({}, "do not fit the model: names"),
        ({"image": np.zeros((2, 8, 8, 3))}, "do not fit the model: shape of 'image'"),
        ({"image": np.zeros((1, 2, 8, 8, 4))}, "do not fit the model: shape of 'image'"),
        ({"image": np.zeros((0, 2, 8, 8, 3))}, "do not fit the model: number of samples"),
        ({"image": np.zeros((1, 2, 8, 8, 3), complex)}, "do not fit the model: type of 'image'"),
    ],
)
def test_own_inputs_that_do_not_fit_are_refused(given, message):
    with refused(message):
        read_inputs(given, [IMAGE])


def test_numbers_of_samples_must_match():
    with refused("do not fit the model: number of samples"):
        read_inputs({"image": np.zeros((2, 1, 8, 8, 3)), "tokens": np.zeros((3, 1, 5), int)}, [IMAGE, TOKENS])


@pytest.mark.parametrize("content", [b"", b"no zip", "pickle", "npy"])
def test_input_files_are_data(tmp_path, content):
    path = tmp_path / "in.npz"
    if content == "pickle":
        np.savez(path, image=np.array([{"a": 1}], object))
    elif content == "npy":
        np.save(tmp_path / "in.npy", np.zeros(3))
        (tmp_path / "in.npy").rename(path)
    else:
        path.write_bytes(content)
    with refused("the inputs cannot be read") as caught:
        read_inputs(path, [IMAGE])
    assert "numpy.savez" in caught.value.fix
    with refused("the inputs cannot be read"):
        read_inputs(tmp_path / "missing.npz", [IMAGE])


# ---- models that are hard to run ------------------------------------------------------------------------------------


def test_two_different_models_differ():
    a, b = (deconv_model(CASE.with_(cout=n)) for n in (6, 7))
    verification = compare("tflite", a, b)
    assert not verification
    assert "became" in verification.outputs[0].finding
    verification = compare("tflite", a, deconv_model(CASE.with_(kind="int8")))
    assert not verification
    assert "does not take what the original takes" in verification.outputs[0].finding


def test_signatures_are_run_one_by_one():
    model = tflite_models.unpack(deconv_model(CASE))
    schema = tflite_models.schema
    (x,), (y,) = (list(map(int, ports)) for ports in (model.subgraphs[0].inputs, model.subgraphs[0].outputs))
    model.signatureDefs = [
        schema.SignatureDefT(
            inputs=[schema.TensorMapT(name=b"in", tensorIndex=x)],
            outputs=[schema.TensorMapT(name=b"out", tensorIndex=y)],
            signatureKey=key,
            subgraphIndex=0,
        )
        for key in (b"first", b"second")
    ]
    data = tflite_models.pack(model)
    assert set(load("tflite", data)) == {"first", "second"}
    verification = compare("tflite", data, tflite_models.convert(data))
    assert verification
    assert [o.name for o in verification.outputs] == ["first/out", "second/out"]
    assert not compare("tflite", data, spoiled(tflite_models.convert(data)))
    lost = tflite_models.unpack(tflite_models.convert(data))
    lost.signatureDefs = lost.signatureDefs[:1]
    bad = compare("tflite", data, tflite_models.pack(lost))
    assert "the converted model has no such signature" in [o.finding for o in bad.outputs]


def test_repeated_names_are_numbered():
    model = tflite_models.unpack(deconv_model(CASE))
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"same"
    data = tflite_models.pack(model)
    (entry,) = load("tflite", data).values()
    assert [port.name for port in entry.inputs] == ["same"]


def test_own_inputs_may_have_any_name(here):
    model = tflite_models.unpack(deconv_model(CASE))
    model.subgraphs[0].tensors[0].name = b"file"  # which numpy.savez keeps for itself
    data = tflite_models.pack(model)
    assert sd.verify(data, data, inputs={"file": CASE.input()[None]}).samples == 1


@pytest.mark.parametrize(
    ("inputs", "got"),
    [
        ([np.zeros(3)], "list"),
        (np.zeros(3), "ndarray"),
        ({"image": [[1, 2], [3]]}, "image: setting an array element with a sequence"),
        ({"image": np.array([{"a": 1}], object)}, "image: Object arrays cannot be saved"),
    ],
)
def test_own_inputs_are_plain_arrays_by_name(here, inputs, got):
    with refused("the inputs cannot be read") as caught:
        sd.verify(deconv_model(CASE), deconv_model(CASE), inputs=inputs)
    assert caught.value.got.startswith(got)


# ---- the public function --------------------------------------------------------------------------------------------


def test_files_are_compared_in_a_child(tmp_path):
    model = deconv_model(CASE)
    for name, content in (("a", model), ("b", tflite_models.convert(model)), ("c", spoiled(model))):
        (tmp_path / name).write_bytes(content)
    assert sd.verify(tmp_path / "a", tmp_path / "b", samples=2)
    assert not sd.verify(tmp_path / "a", str(tmp_path / "c"), samples=2)


def test_formats_are_not_mixed(here):
    with refused("the two models are of different formats"):
        sd.verify(deconv_model(CASE), onnx_up().SerializeToString())


@pytest.mark.parametrize("samples", [0, -3, 1.5, True, None])
def test_samples_are_counted(samples):
    with refused("the number of samples is no positive integer"):
        sd.verify(deconv_model(CASE), deconv_model(CASE), samples)


def test_one_model_twice_is_identical(here):
    verification = sd.verify(deconv_model(CASE), deconv_model(CASE), samples=1)
    assert verification.outputs[0].finding == "identical"
    assert replace(verification.outputs[0], name="").tolerance == 0

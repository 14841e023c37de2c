"""Verification agrees where it must, fails on a wrong value, and reports what it could not do."""

import json
from dataclasses import replace

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert import Verification
from splitdeconv.convert.verify.compare import compare
from splitdeconv.convert.verify.difference import Output
from splitdeconv.convert.verify.run import load
from splitdeconv.formats.registry import format_of
from tests.convert.verify.test_onnx import onnx_up
from tests.formats.tflite import models as tflite_models
from tests.formats.tflite.models import Deconv, deconv_model
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
    differing, most = output.values - output.lsb[0], max(output.lsb)
    words = f"{differing} of {output.values} values differ, by at most {most} LSB"
    assert words in output.finding


def test_records_survive_json():
    outputs = (Output("y", "int8", 3, np.inf, np.inf, 0.0, {0: 2, 5: 1}, False, "no"),)
    verification = Verification(False, outputs, "model", 1, 7, ("note",))
    text = json.dumps(verification.to_dict(), allow_nan=False)
    assert Verification.from_dict(json.loads(text)) == verification
    assert not verification


def test_two_different_models_differ():
    a, b = (deconv_model(CASE.with_(cout=n)) for n in (6, 7))
    verification = compare("tflite", a, b)
    assert not verification
    assert "became" in verification.outputs[0].finding
    verification = compare("tflite", a, deconv_model(CASE.with_(kind="int8")))
    assert not verification
    assert "rejected an input of the original" in verification.outputs[0].finding


def test_signatures_are_run_one_by_one():
    model = tflite_models.unpack(deconv_model(CASE))
    schema = tflite_models.schema
    (x,), (y,) = (
        list(map(int, ports)) for ports in (model.subgraphs[0].inputs, model.subgraphs[0].outputs)
    )
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
    assert set(load(format_of("tflite"), data)) == {"first", "second"}
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
    (entry,) = load(format_of("tflite"), data).values()
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


# ---- the public function ----


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
    with refused("the number of samples must be a positive integer"):
        sd.verify(deconv_model(CASE), deconv_model(CASE), samples)


def test_one_model_twice_is_identical(here):
    verification = sd.verify(deconv_model(CASE), deconv_model(CASE), samples=1)
    assert verification.outputs[0].finding == "identical"
    assert replace(verification.outputs[0], name="").tolerance == 0


def test_verification_leaves_the_models_bytes_alone():
    """LiteRT writes into the bytes it was given where a constant is an input as well."""
    model = tflite_models.unpack(deconv_model(CASE))
    graph = model.subgraphs[0]
    graph.inputs = np.arange(len(graph.tensors) - 1, dtype="<i4")
    data = tflite_models.pack(model)
    before = bytes(bytearray(data))
    (run,) = load(format_of("tflite"), data).values()
    run({port.name: np.ones(port.shape, port.dtype) for port in run.inputs})
    assert data == before

"""Exported files have the Keras model's values in every form, type and format."""

import sys

import keras
import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

import splitdeconv as sd
from splitdeconv import SplitDeconvError
from splitdeconv.toolchains.models import agreement, source, tflite
from splitdeconv.toolchains.models.benchmark import FORMS

# Keras, where it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BATCH = 2


@pytest.fixture(scope="module")
def model():
    """Two inputs, two outputs, two transposed convolutions of different geometry."""
    keras.utils.set_random_seed(7)
    left, right = keras.Input((4, 5, 3), name="left"), keras.Input((12, 10, 2), name="right")
    up = keras.layers.Conv2DTranspose(
        4, (5, 4), (3, 2), "same", name="up", bias_initializer="random_normal"
    )(left)
    norm = keras.layers.BatchNormalization(
        gamma_initializer=keras.initializers.RandomUniform(0.5, 2),
        beta_initializer="random_normal",
    )(up)
    both = keras.layers.Concatenate()([keras.layers.ReLU()(norm), right])
    last = keras.layers.Conv2DTranspose(3, 3, 2, "valid", activation="tanh", name="last")(both)
    return keras.Model([left, right], [last, norm], name="asymmetric")


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(3)
    return {
        "left": rng.normal(0.4, 1.0, (6, 4, 5, 3)).astype("float32"),
        "right": rng.uniform(-0.2, 1.5, (6, 12, 10, 2)).astype("float32"),
    }


def in_litert(path, feeds):
    """Outputs and their steps, by a run of LiteRT that shares nothing with the exporter."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    for port, x in zip(interpreter.get_input_details(), feeds, strict=True):
        scale, zero = port["quantization"]
        x = np.round(x / scale + zero) if scale else x
        limits = np.iinfo(port["dtype"]) if scale else None
        x = np.clip(x, limits.min, limits.max) if scale else x
        interpreter.set_tensor(port["index"], x.astype(port["dtype"]))
    interpreter.invoke()
    found = []
    for port in interpreter.get_output_details():
        scale, zero = port["quantization"]
        y = interpreter.get_tensor(port["index"]).astype("float64")
        found.append(((y - zero) * scale if scale else y, scale))
    return found


def in_onnxruntime(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": "float32", "tensor(float16)": "float16"}
    given = {
        port.name: np.moveaxis(x, -1, 1).astype(kinds[port.type])
        for port, x in zip(session.get_inputs(), feeds, strict=True)
    }
    return [(np.moveaxis(y.astype("float64"), 1, -1), 0.0) for y in session.run(None, given)]


#: Greatest error relative to the greatest value: some thirty roundings of sums of 80 products;
#: some roundings of half precision; 8 bits and 8-bit weights, a few steps.
ERRORS = {"float32": 5e-6, "float16": 5e-3, "int8": 6e-2, "int16x8": 2e-2}


KINDS = [("tflite", dtype) for dtype in tflite.DTYPES] + [
    ("onnx", "float32"),
    ("onnx", "float16"),
]
OTHERS = [pytest.param(form, marks=pytest.mark.slow) for form in FORMS if form != "split"]


@pytest.mark.parametrize("deconv", ["split", *OTHERS])
@pytest.mark.parametrize(("suffix", "dtype"), KINDS)
def test_every_form_and_type_has_the_values_of_keras(
    model, samples, suffix, dtype, deconv, tmp_path
):
    path = tmp_path / f"model.{suffix}"
    done = sd.export(model, path, deconv, dtype, samples=samples, batch=BATCH)
    assert [form for _, form in done.layers] == [deconv] * 2
    assert (done.path, done.size) == (path, path.stat().st_size)
    feeds = [x[1 : 1 + BATCH] for x in samples.values()]
    run = in_litert if suffix == "tflite" else in_onnxruntime
    found = run(path, feeds)
    for (y, step), right in zip(found, model(feeds), strict=True):
        right = right.numpy()
        assert y.shape == right.shape
        assert np.abs(y - right).max() < ERRORS[dtype] * np.abs(right).max()
        assert bool(step) == dtype.startswith("int")
    # Each image has its own values: the batch is not one image twice.
    assert np.abs(found[0][0][0] - found[0][0][1]).max() > 0.1
    verified = done.verification
    if dtype.startswith("int"):
        assert (verified is None) == (deconv == "native")
        assert len([note for note in done.notes if "LSB from the Keras" in note]) == 2
    else:
        assert verified
        assert verified.method == "the Keras model"
    assert done.to_dict()["path"] == str(path)


def test_quantized_forms_are_equal_in_every_integer(model, samples, tmp_path):
    outputs = {}
    for deconv in FORMS:
        path = tmp_path / f"{deconv}.tflite"
        sd.export(model, path, deconv, "int8", samples=samples)
        feeds = [x[4:5] for x in samples.values()]
        outputs[deconv] = [y for y, _ in in_litert(path, feeds)]
    for deconv, found in outputs.items():
        for y, native in zip(found, outputs["native"], strict=True):
            np.testing.assert_array_equal(y, native, err_msg=deconv)


def test_float16_halves_the_weights(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((3, 3, 64)), keras.layers.Conv2DTranspose(64, 4, 2, "same")]
    )
    for suffix in ("tflite", "onnx"):
        sizes = [
            sd.export(model, tmp_path / f"{dtype}.{suffix}", "stacked", dtype).size
            for dtype in ("float32", "float16")
        ]
        assert sizes[1] < 0.55 * sizes[0]


def test_a_file_of_other_weights_is_found_out(model, samples):
    """The comparison fails for a model that differs by one part in a thousand of one layer."""
    data = tflite.export(model, batch=BATCH)
    feeds = [[x[:BATCH] for x in samples.values()]]
    agreement.check(agreement.compare(model, data, "tflite", "float32", feeds))
    other = keras.models.clone_model(model)
    weights = model.get_weights()
    weights[0] = weights[0] * 1.001
    other.set_weights(weights)
    records = agreement.compare(other, data, "tflite", "float32", feeds)
    assert not all(record.passed for record in records)
    with pytest.raises(SplitDeconvError, match="does not compute the Keras model"):
        agreement.check(records)


def test_a_channel_in_the_wrong_place_is_found_out_in_half_precision(model, samples):
    data = tflite.export(model, batch=BATCH, dtype="float16")
    feeds = [[x[:BATCH] for x in samples.values()]]
    agreement.check(agreement.compare(model, data, "tflite", "float16", feeds))
    other = keras.models.clone_model(model)
    weights = model.get_weights()
    weights[0] = weights[0][..., ::-1, :]  # the output channels in reverse
    other.set_weights(weights)
    records = agreement.compare(other, data, "tflite", "float16", feeds)
    assert not any(record.passed for record in records)


def test_quantization_that_destroys_the_model_is_refused(model, samples, tmp_path):
    narrow = {name: values * 1e-4 for name, values in samples.items()}
    data = tflite.export(model, calibration=list(narrow.values()))
    feeds = [[x[:1] for x in samples.values()]]
    with pytest.raises(SplitDeconvError, match="quantization destroys"):
        agreement.quantization(model, data, feeds)


def test_a_saved_model_and_an_npz_file(model, samples, tmp_path):
    model.save(tmp_path / "own.keras")
    np.savez(tmp_path / "images.npz", **samples)
    done = sd.export(
        tmp_path / "own.keras",
        tmp_path / "own.onnx",
        "rows",
        samples=tmp_path / "images.npz",
    )
    assert done.model == "own"
    feeds = [x[:1] for x in samples.values()]
    for (y, _), right in zip(in_onnxruntime(done.path, feeds), model(feeds), strict=True):
        np.testing.assert_allclose(y, right.numpy(), rtol=0, atol=5e-6)


def test_a_network_by_name_and_its_options(tmp_path):
    done = sd.export("fst", tmp_path / "fst.tflite", "stacked", "int8", size=16)
    assert (done.model, {form for _, form in done.layers}) == ("fst", {"stacked"})
    assert done.verification
    interpreter = Interpreter(model_path=str(done.path))
    assert list(interpreter.get_input_details()[0]["shape"]) == [1, 16, 16, 3]


def test_a_model_without_a_transposed_convolution_is_exported_natively_only(tmp_path):
    keras.utils.set_random_seed(0)
    plain = keras.Sequential([keras.Input((6, 5, 2)), keras.layers.Conv2D(3, 3)])
    assert sd.export(plain, tmp_path / "plain.tflite", "native").layers == ()
    with pytest.raises(SplitDeconvError, match="nothing to split"):
        sd.export(plain, tmp_path / "split.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["plain.tflite"]


def refused(match, *arguments, **options):
    with pytest.raises(SplitDeconvError, match=match):
        sd.export(*arguments, **options)


def test_arguments_that_are_refused_leave_no_file(model, samples, tmp_path):
    out = tmp_path / "out.tflite"
    onnx = tmp_path / "out.onnx"
    refused(r"unknown network(.|\n)*did you mean dcgan", "dcgam", out)
    refused(r"unknown network", 7, out)
    refused("unknown form", model, out, "paper")
    refused("unknown element type", model, out, "split", "int4")
    refused(r"not quantized here(.|\n)*write a .tflite file for int8", model, onnx, dtype="int8")
    refused(r"expected a .tflite or .onnx file(.|\n)*got: .pb", model, tmp_path / "out.pb")
    refused(r"expected a .tflite or .onnx file(.|\n)*no suffix", model, tmp_path / "out")
    refused("the batch must be a positive integer", model, out, batch=0)
    refused("the model cannot be read", tmp_path / "none.keras", out)
    refused("export starts from a Keras model", tmp_path / "some.onnx", out)
    refused("options are those of a benchmark network", model, out, size=3)
    refused("needs typical inputs", model, out, dtype="int8")
    (tmp_path / "bad.keras").write_bytes(b"PK no archive")
    refused("Keras cannot load the model", tmp_path / "bad.keras", out)
    (tmp_path / "bad.keras").unlink()
    out.write_bytes(b"mine")
    refused("already there", model, out)
    assert out.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out.tflite"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"left": np.zeros((6, 4, 4, 3), "float32")}, "shape of 'left'"),
        ({"extra": np.zeros((6, 1), "float32")}, "names"),
        ({"right": np.zeros((6, 12, 10, 2), "uint8")}, r"another type(.|\n)*uint8"),
        ({"right": np.zeros((6, 12, 10, 2), "complex64")}, r"another type"),
        ({"right": np.zeros((5, 12, 10, 2), "float32")}, "number of samples"),
        ({"left": np.full((6, 4, 5, 3), np.nan, "float32")}, "not finite"),
    ],
)
def test_samples_that_do_not_fit_are_refused(model, samples, change, match, tmp_path):
    refused(match, model, tmp_path / "o.tflite", samples={**samples, **change})
    assert not list(tmp_path.iterdir())


def test_missing_samples_and_damaged_files_are_refused(model, samples, tmp_path):
    refused("names", model, tmp_path / "o.tflite", samples={"left": samples["left"]})
    (tmp_path / "x.npz").write_bytes(b"no archive")
    refused("the inputs cannot be read", model, tmp_path / "o.tflite", samples=tmp_path / "x.npz")


def test_models_of_open_or_unknown_shapes_are_refused(tmp_path):
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    opened = keras.Sequential([keras.Input((None, 4, 2)), keras.layers.Conv2DTranspose(2, 3)])
    for model in (opened, Own()):
        refused("expected inputs of fixed shapes", model, tmp_path / "o.tflite")
    fixed = keras.Sequential([keras.Input(batch_shape=(3, 4, 4, 2)), keras.layers.Conv2D(2, 3)])
    refused("batch 1", fixed, tmp_path / "o.tflite", "native")
    assert sd.export(fixed, tmp_path / "o.tflite", "native", batch=3).batch == 3


def test_a_custom_layer_is_refused_from_a_file_and_by_the_onnx_exporter(tmp_path):
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2

    keras.utils.set_random_seed(0)
    up = keras.layers.Conv2DTranspose(2, 3, 2)
    own = keras.Sequential([keras.Input((4, 4, 2)), up, Doubled()])
    own.save(tmp_path / "own.keras")
    refused("Keras cannot load the model", tmp_path / "own.keras", tmp_path / "o.tflite")
    refused(r"cannot be exported to ONNX(.|\n)*Doubled", own, tmp_path / "o.onnx")
    assert sd.export(own, tmp_path / "o.tflite").verification  # TensorFlow knows what it does


def test_without_tensorflow_a_tflite_file_is_refused(model, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    refused("tensorflow is not installed", model, tmp_path / "o.tflite")
    assert not list(tmp_path.iterdir())


def test_another_backend_is_refused(model, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(SplitDeconvError, match=r"TensorFlow's converter(.|\n)*got: jax"):
        source.check(model, "tflite", 1)
    source.check(model, "onnx", 1)


def test_what_tensorflow_cannot_convert_is_one_error(tmp_path):
    class Strings(keras.layers.Layer):
        def call(self, inputs):
            import tensorflow as tf

            return tf.strings.to_number(tf.strings.as_string(inputs))

    odd = keras.Sequential([keras.Input((3,)), Strings()])
    refused("TensorFlow cannot convert the model", odd, tmp_path / "o.tflite", "native")
    assert not list(tmp_path.iterdir())

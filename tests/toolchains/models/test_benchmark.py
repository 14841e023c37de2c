"""What toolchains are given: layers with the network's weights, forms of equal integers."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from splitdeconv import SplitDeconvError, networks
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.toolchains.models import benchmark as models, tflite as litert

pytestmark = pytest.mark.filterwarnings(
    "ignore:Statistics for quantized inputs were expected:UserWarning"
)


def run(data, x):
    """The model's integers for integers, by the reference kernels."""
    resolver = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize(
    ("kernel", "strides", "padding"),
    [
        ((3, 3), (2, 2), "same"),
        ((5, 4), (2, 3), "valid"),
        ((2, 3), (3, 1), "same"),
        ((3, 3), (1, 1), "same"),
    ],
)
def test_every_form_computes_the_native_integers(kernel, strides, padding, rng):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2DTranspose(
        4, kernel, strides, padding, bias_initializer="random_normal"
    )
    model = keras.Sequential([keras.Input((5, 4, 3)), layer])
    native = litert.export(model, calibration=rng.uniform(-1, 3, (4, 5, 4, 3)))
    x = rng.integers(-128, 128, (1, 5, 4, 3), "int8")
    wanted = run(native, x)
    assert len(np.unique(wanted)) > 50
    for form in models.FORMS:
        data, kept = models.rewritten(native, form)
        assert kept == [form]
        assert (data == native) == (form == "native")
        assert (run(data, x) == wanted).all()
        left = [name for name, _ in TFLiteModel.parse(data).operators()]
        assert ("TRANSPOSE_CONV" in left) == (form == "native")


def test_labels_are_each_class_in_turn():
    network = networks.build("artgan", "native", seed=0)
    latents, labels = models.typical_inputs("artgan", network, count=12)
    assert latents.shape == (12, 100)
    assert (labels.argmax(1) == [*range(10), 0, 1]).all()
    assert (labels.sum(1) == 1).all()


@pytest.mark.slow
def test_auto_is_the_targets_choice():
    layers = dict(models.layers("sngan", count=2))
    assert list(layers) == ["deconv1", "deconv2", "deconv3"]
    data, kept = models.rewritten(layers["deconv3"], "auto", "ethos_u85")
    assert kept == ["rows"]
    assert data == models.rewritten(layers["deconv3"], "rows", "ethos_u85")[0]
    data, kept = models.rewritten(layers["deconv1"], "auto", "ethos_u85")
    assert kept == ["native"]
    assert data == layers["deconv1"]
    with pytest.raises(SplitDeconvError, match="unknown form"):
        models.rewritten(data, "paper")


@pytest.mark.slow
def test_layers_compute_what_they_do_in_the_network(rng):
    network = networks.build("sngan", "native", seed=0)
    layer = network.get_layer("deconv3")
    ((name, data),) = models.layers("sngan", count=4, only=["deconv3"])
    assert name == "deconv3"
    z = models.typical_inputs("sngan", network)[0][:1]
    x, y = (t.numpy() for t in keras.Model(network.inputs, [layer.input, layer.output])([z]))
    interpreter = Interpreter(model_content=data)
    (scale, zero), (step, offset) = (
        ports()[0]["quantization"]
        for ports in (interpreter.get_input_details, interpreter.get_output_details)
    )
    found = (
        run(data, np.clip(np.round(x / scale + zero), -128, 127).astype("int8")).astype("float32")
        - offset
    ) * step
    # int8 of inputs and weights: a few steps of the output's 255, and no shift of one pixel or
    # channel.
    assert np.abs(found - y).max() < 8 * step
    assert np.abs(found - np.roll(y, 1, axis=2)).max() > 40 * step


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("gpgan", -1, 1),
        ("mde", 0, 1),
        ("fst", np.float32(-123.68), np.float32(255 - 103.939)),
        ("artgan", -6, 6),
    ],
)
def test_typical_inputs_have_the_networks_shape_and_range(name, low, high):
    network = networks.build(name, "native", seed=None)
    inputs = models.typical_inputs(name, network, count=2)
    assert [x.shape for x in inputs] == [(2, *tensor.shape[1:]) for tensor in network.inputs]
    assert all(x.dtype == np.float32 for x in inputs)
    assert low <= inputs[0].min() < inputs[0].max() <= high
    assert np.ptp(inputs[0]) > 0.5 * (high - low) or name == "artgan"
    assert (inputs[0] == models.typical_inputs(name, network, count=2)[0]).all()
    assert all((x.sum(axis=1) == 1).all() for x in inputs[1:])


@pytest.mark.slow
def test_float_files_hold_the_same_layers():
    floats, integers = (
        dict(models.layers("sngan", dtype=dtype, count=1)) for dtype in models.DTYPES[::-1]
    )
    assert list(floats) == list(integers)
    assert len(floats["deconv3"]) > 3 * len(integers["deconv3"])
    with pytest.raises(SplitDeconvError, match="not full int8"):
        litert.full_int8(floats["deconv3"])
    with pytest.raises(SplitDeconvError, match="unknown element type"):
        models.network("sngan", dtype="bfloat16")

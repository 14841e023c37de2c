"""The same function of the same weights, in operators that the converter takes in int8."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.toolchains.models import benchmark as models, quantizable, tflite as litert

pytestmark = pytest.mark.filterwarnings(
    "ignore:Statistics for quantized inputs were expected:UserWarning"
)
SHAPE = (12, 10, 6)


def single(*layers):
    """A functional model of them, all weights drawn, so that none is neutral."""
    image = x = keras.Input(SHAPE)
    for layer in layers:
        x = layer(x)
    model, rng = keras.Model(image, x), np.random.default_rng(3)
    model.set_weights([rng.normal(0.2, 1, weight.shape) for weight in model.get_weights()])
    return model


CASES = {
    "elu": lambda: single(keras.layers.Activation("elu")),
    "elu layer": lambda: single(keras.layers.ELU(alpha=0.3)),
    "elu of a convolution": lambda: single(keras.layers.Conv2D(4, 3, activation="elu")),
    "instance": lambda: single(keras.layers.GroupNormalization(groups=-1, epsilon=0.1)),
    "instance, bare": lambda: single(
        keras.layers.GroupNormalization(groups=6, center=False, scale=False)
    ),
    "sequential": lambda: keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Conv2D(3, 3), keras.layers.ELU()]
    ),
}


def samples(count=6):
    return np.random.default_rng(0).normal(0.5, 2, (count, *SHAPE)).astype("float32")


def in_int8(data, given):
    """(what a file of one input and one output makes of floats, the step of its output)."""
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    (port,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    (scale, zero), (step, middle) = port["quantization"], result["quantization"]
    interpreter.set_tensor(
        port["index"], np.clip(np.round(given / scale + zero), -128, 127).astype("int8")
    )
    interpreter.invoke()
    return (interpreter.get_tensor(result["index"]).astype("float32") - middle) * step, step


@pytest.mark.parametrize("name", CASES)
def test_the_function_stays_and_int8_is_full(name):
    model = CASES[name]()
    before, given = [weight.copy() for weight in model.get_weights()], samples()
    wanted = model(given).numpy()
    other = quantizable.quantizable(model)
    assert other.layers[-1].name == model.layers[-1].name
    # Half a dozen operations of float32, and a variance over 120 numbers summed in another order.
    np.testing.assert_allclose(other(given).numpy(), wanted, rtol=1e-5, atol=1e-5)

    found, step = in_int8(litert.full_int8(litert.export(model, calibration=given)), given[:1])
    # Every operator rounds to a step of its own, none of them coarser than the last one's by much:
    # five steps in all.
    assert np.abs(found - wanted[:1]).max() < 5 * step
    for now, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, was)


@pytest.mark.parametrize("name", ["elu", "instance"])
def test_the_converter_leaves_keras_own_in_float(name, monkeypatch):
    # The reason for all of this: when it is gone, so may be the module.
    monkeypatch.setattr(quantizable, "quantizable", lambda model: model)
    with pytest.raises(sd.SplitDeconvError, match="not full int8"):
        litert.full_int8(litert.export(CASES[name](), calibration=samples()))


@pytest.mark.parametrize("options", [{"groups": 3}, {"groups": SHAPE[-1], "axis": 1}])
def test_groups_of_several_channels_or_other_axes_are_normalised_as_they_were(options):
    model = single(keras.layers.GroupNormalization(**options))
    given = samples()
    np.testing.assert_array_equal(quantizable.quantizable(model)(given), model(given))


def test_a_model_without_them_is_left():
    model = single(keras.layers.Conv2D(4, 3, activation="relu"))
    assert quantizable.quantizable(model) is model


def test_float32_files_are_exported_as_they_were(monkeypatch):
    monkeypatch.delattr(quantizable, "quantizable")
    assert litert.export(CASES["elu"]())


def test_many_layers_of_elu_stay_themselves_in_int8():
    model = single(*(keras.layers.Conv2D(8, 3, padding="same", activation="elu") for _ in range(6)))
    found, _ = in_int8(litert.full_int8(litert.export(model, calibration=samples())), samples()[:1])
    # Six layers of 8 bits leave most of it; what is cut off or misplaced leaves next to nothing.
    assert np.corrcoef(found.ravel(), model(samples()[:1]).numpy().ravel())[0, 1] > 0.98


@pytest.mark.slow
def test_style_transfer_stays_itself_in_int8():
    options = {"size": 64, "blocks": 1}
    model = networks.build("fst", "native", seed=0, **options)
    (given,) = models.typical_inputs("fst", model, 4)
    found, _ = in_int8(models.network("fst", **options), given[:1])
    assert np.corrcoef(found.ravel(), model(given[:1]).numpy().ravel())[0, 1] > 0.9

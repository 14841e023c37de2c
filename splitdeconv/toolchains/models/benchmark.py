"""What the toolchains are given: the benchmark networks and their transposed convolutions alone, full int8 or float32.

Calibration is by typical inputs: seeded latents for generators, photographs for the others. Only the native model is
exported; every form, and the baseline that inserts zeros, is that file rewritten in place, so that integer weights,
scales and zero points are the same in all of them.
"""

import numpy as np

from ... import networks, pretrained
from ...convert.decide import decide_all
from ...core.forms import FILE_FORMS
from ...errors import check_choice
from ...extras import require
from ...formats.site import Decision
from ...formats.tflite.model import TFLiteModel
from . import tflite

FORMS = ("native", "nzp", *FILE_FORMS)
DTYPES = ("int8", "float32")

#: Red, green and blue of the mean pixel that the VGG networks subtract (the models of Simonyan and Zisserman, arXiv
#: 1409.1556, section 2.1; FCN's code, shelhamer/fcn.berkeleyvision.org, voc_layers.py, has the values as BGR).
VGG_MEANS = np.array([123.68, 116.779, 103.939], "float32")


def _less_means(pixels):
    return (pixels + 1) * 127.5 - VGG_MEANS


# What each network that takes a photograph wants of pixels in [-1, 1]; the networks' docstrings say so.
_RANGES = {
    "gpgan": lambda pixels: pixels,
    "mde": lambda pixels: (pixels + 1) / 2,
    "fst": _less_means,
    "fcn32s": _less_means,
    "fcn16s": _less_means,
    "fcn8s": _less_means,
}


def typical_inputs(name, model, count=4, seed=0):
    """Inputs to calibrate a benchmark network with.

    Args:
        name: of the network.
        model: the network, for the shapes of its inputs.
        count: samples.
        seed: of latents and of the photographs' crops.

    Returns:
        A list of float32 arrays ``(count, ...)``, one for each input: standard normal latents and one-hot labels, or
        crops of scikit-image's photographs in the network's size and range.

    Raises:
        SplitDeconvError: scikit-image is missing where photographs are needed.
    """
    if name in _RANGES:
        resize = require("skimage.transform", "notebooks").resize
        shape = tuple(model.inputs[0].shape[1:])
        photographs = pretrained.samples("vintage_cyclegan", count, seed)
        pixels = np.stack([resize(photograph, shape, order=1, anti_aliasing=True) for photograph in photographs])
        return [_RANGES[name](pixels).astype("float32")]
    rng = np.random.default_rng(seed)
    latent, *labels = (x.shape[-1] for x in model.inputs)
    latents = rng.standard_normal((count, latent)).astype("float32")
    return [latents, *(np.eye(classes, dtype="float32")[np.arange(count) % classes] for classes in labels)]


def network(name, *, dtype="int8", count=4, seed=0, **options) -> bytes:
    """A whole benchmark network with native transposed convolutions as .tflite.

    Args:
        name: of the network.
        dtype: "int8" or "float32".
        count: calibration samples.
        seed: of weights and calibration.
        **options: the network's own.

    Raises:
        SplitDeconvError: TensorFlow is missing, or something in the network is left in float.
    """
    check_choice(dtype, DTYPES, "element type", "models.network")
    model = networks.build(name, "native", seed=seed, **options)
    if dtype == "float32":
        return tflite.export(model)
    return tflite.full_int8(tflite.export(model, calibration=typical_inputs(name, model, count, seed)))


def layers(name, *, dtype="int8", count=4, seed=0, **options):
    """Each transposed convolution of a network alone, with its own weights, calibrated by what reaches it there.

    Args:
        name, dtype, count, seed, options: as for `network`.

    Yields:
        (name of the layer, bytes of a .tflite), in order.
    """
    check_choice(dtype, DTYPES, "element type", "models.layers")
    keras = require("keras", "tensorflow")
    model = networks.build(name, "native", seed=seed, **options)
    found = alone(model)
    if dtype == "float32":
        yield from ((layer, tflite.export(single)) for layer, single in found)
        return
    inputs = [model.get_layer(layer).input for layer, _ in found]
    reaching = keras.Model(model.inputs, inputs)(typical_inputs(name, model, count, seed))
    for (layer, single), samples in zip(found, reaching if isinstance(reaching, list) else [reaching], strict=True):
        yield layer, tflite.full_int8(tflite.export(single, calibration=samples.numpy()))


def alone(model):
    """[(name, Keras model of it with its own weights)] of every native transposed convolution of a network."""
    keras = require("keras", "tensorflow")
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    singles = []
    for layer in found:
        single = keras.Sequential([keras.Input(layer.input.shape[1:]), type(layer).from_config(layer.get_config())])
        single.set_weights(layer.get_weights())
        singles.append((layer.name, single))
    return singles


def rewritten(native, form, target="generic"):
    """A native file in another form, rewritten in place and in this process: the file is this package's own.

    Args:
        native: bytes of a .tflite.
        form: one of `FORMS`, or "auto" for the target's choice, which may be to leave a layer as it is.
        target: as for `splitdeconv.convert`.

    Returns:
        (bytes, form of each transposed convolution in the file).

    Raises:
        SplitDeconvError: an unknown form or target, or a file that cannot be read or converted.
    """
    check_choice(form, ("auto", *FORMS), "form", "models.rewritten")
    model = TFLiteModel.parse(native)
    sites = model.sites()
    if form in ("native", "nzp"):
        verdict = "leave" if form == "native" else "convert"
        decisions = [Decision(site, verdict, form, None, "a baseline") for site in sites if site.problem is None]
    else:
        decisions = decide_all(sites, target, form)
    model.apply(decisions)
    kept = [decision.form if decision.verdict == "convert" else "native" for decision in decisions]
    return (model.serialize() if set(kept) != {"native"} else native), kept

"""Inputs for the toolchains: benchmark networks and their single layers, full int8 or float32.

Models are calibrated with typical inputs: seeded latents for generators, photographs for the
others. Only the native model is exported. Every form, and the baseline with zero insertion, is made
by rewriting that file, so that integer weights, scales and zero points are the same in all of them.
"""

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import networks, pretrained
from ...convert.decide import decide_all
from ...core.forms import FILE_FORMS
from ...core.typing import NumpyArray
from ...errors import check_choice
from ...extras import require
from ...formats.site import Decision
from ...formats.tflite.model import TFLiteModel
from . import tflite

if TYPE_CHECKING:
    import keras

FORMS = ("native", "nzp", *FILE_FORMS)
DTYPES = ("int8", "float32")

#: Options of networks whose full size is too large to export: 134 million weights take 10 GB. The
#: last two convolutions of VGG16 hold most of them, and neither is a transposed convolution.
REDUCED = {name: {"width": 512} for name in ("fcn32s", "fcn16s", "fcn8s")}
#: Zero insertion is not tried where it multiplies the useful operations, and the memory, by more.
MOST_ZEROS = 100

#: Mean red, green and blue that the VGG networks subtract (the models of Simonyan and Zisserman,
#: arXiv 1409.1556, section 2.1; FCN's code, shelhamer/fcn.berkeleyvision.org, voc_layers.py, has
#: the values as BGR).
VGG_MEANS = np.array([123.68, 116.779, 103.939], "float32")


def _less_means(pixels: NumpyArray) -> NumpyArray:
    return (pixels + 1) * 127.5 - VGG_MEANS


# From pixels in [-1, 1] to the input range of each network for photographs; see their docstrings.
_RANGES = {
    "gpgan": lambda pixels: pixels,
    "mde": lambda pixels: (pixels + 1) / 2,
    "fst": _less_means,
    "fcn32s": _less_means,
    "fcn16s": _less_means,
    "fcn8s": _less_means,
}


def typical_inputs(
    name: str, model: "keras.Model", count: int = 4, seed: int = 0
) -> list[NumpyArray]:
    """Inputs for calibrating a benchmark network.

    Args:
        name: name of the network.
        model: the network, for the shapes of its inputs.
        count: number of samples.
        seed: seed of the latents and of the crops of photographs.

    Returns:
        A list of float32 arrays ``(count, ...)``, one per input: standard normal latents and
        one-hot labels, or crops of scikit-image's photographs in the network's size and range.

    Raises:
        SplitDeconvError: photographs are needed but scikit-image is missing.
    """
    if name in _RANGES:
        resize = require("skimage.transform", "notebooks").resize
        shape = tuple(model.inputs[0].shape[1:])
        photographs = pretrained.samples("vintage_cyclegan", count, seed)
        resized = [resize(image, shape, order=1, anti_aliasing=True) for image in photographs]
        return [_RANGES[name](np.stack(resized)).astype("float32")]
    rng = np.random.default_rng(seed)
    latent, *labels = (x.shape[-1] for x in model.inputs)
    latents = rng.standard_normal((count, latent)).astype("float32")
    one_hot = [np.eye(n, dtype="float32")[np.arange(count) % n] for n in labels]
    return [latents, *one_hot]


def network(
    name: str, *, dtype: str = "int8", count: int = 4, seed: int = 0, **options: Any
) -> bytes:
    """Export a whole benchmark network with native transposed convolutions as .tflite.

    Args:
        name: name of the network.
        dtype: "int8" or "float32".
        count: number of calibration samples.
        seed: seed of weights and calibration.
        **options: options of the network.

    Raises:
        SplitDeconvError: TensorFlow is missing, or a part of the network remains in float.
    """
    check_choice(dtype, DTYPES, "element type", "dtype")
    model = networks.build(name, "native", seed=seed, **options)
    if dtype == "float32":
        return tflite.export(model)
    calibration = typical_inputs(name, model, count, seed)
    return tflite.full_int8(tflite.export(model, calibration=calibration))


def layers(
    name: str,
    *,
    dtype: str = "int8",
    count: int = 4,
    seed: int = 0,
    only: Container[str] | None = None,
    **options: Any,
) -> Iterator[tuple[str, bytes]]:
    """Export each transposed convolution of a network in isolation, with its own weights.

    It is calibrated with the values that reach it in the network.

    Args:
        name, dtype, count, seed, options: as for `network`.
        only: names of layers; the others are left out. None for all.

    Yields:
        (name of the layer, bytes of a .tflite), in order.
    """
    check_choice(dtype, DTYPES, "element type", "dtype")
    keras = require("keras", "tensorflow")
    model = networks.build(name, "native", seed=seed, **options)
    singles = [pair for pair in alone(model) if only is None or pair[0] in only]
    if dtype == "float32":
        yield from ((layer, tflite.export(single)) for layer, single in singles)
        return
    inputs = [model.get_layer(layer).input for layer, _ in singles]
    reaching = keras.Model(model.inputs, inputs)(typical_inputs(name, model, count, seed))
    reaching = reaching if isinstance(reaching, list) else [reaching]
    for (layer, single), samples in zip(singles, reaching, strict=True):
        yield layer, tflite.full_int8(tflite.export(single, calibration=samples.numpy()))


def alone(model: "keras.Model") -> list[tuple[str, "keras.Model"]]:
    """(name, single-layer Keras model with its weights) of each native transposed convolution."""
    keras = require("keras", "tensorflow")
    singles = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2DTranspose):
            continue
        copy = type(layer).from_config(layer.get_config())
        single = keras.Sequential([keras.Input(layer.input.shape[1:]), copy])
        single.set_weights(layer.get_weights())
        singles.append((layer.name, single))
    return singles


def rewritten(native: bytes, form: str, target: str = "generic") -> tuple[bytes, list[str]]:
    """Rewrite a native file in another form, in this process, because the file is trusted.

    Args:
        native: bytes of a .tflite.
        form: one of `FORMS`, or "auto" for the target's choice, which may be to leave a layer
            unchanged.
        target: as for `splitdeconv.convert`.

    Returns:
        (bytes, form of each transposed convolution in the file).

    Raises:
        SplitDeconvError: the form or target is unknown, or the file cannot be read or converted.
    """
    check_choice(form, ("auto", *FORMS), "form")
    model = TFLiteModel.parse(native)
    sites = model.sites()
    if form in ("native", "nzp"):
        verdict = "leave" if form == "native" else "convert"
        sites = [site for site in sites if site.problem is None]
        decisions = [Decision(site, verdict, form, None, "a baseline") for site in sites]
    else:
        decisions = decide_all(sites, target, form)
    model.apply(decisions)
    kept = [decision.form if decision.verdict == "convert" else None for decision in decisions]
    forms = [form or "native" for form in kept]
    return (model.serialize() if set(forms) != {"native"} else native), forms

"""The trained generators as Keras models, their transposed convolutions native or rewritten.

Channel counts come from the checkpoint's own tensors, and every tensor must find its place.
PyTorch's layouts to Keras: Conv2d (out, in, h, w) -> (h, w, in, out), ConvTranspose2d (in, out, h,
w) -> (h, w, out, in), neither flipped.
"""

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.approximations import METHODS
from ..core.forms import FORMS
from ..errors import SplitDeconvError, check_choice
from ..extras import require
from .builder import Builder, State, layer_name, misfit, reflect
from .checkpoint import read_checkpoint
from .download import fetch
from .registry import generator

if TYPE_CHECKING:
    import keras
else:
    keras = require("keras", "tensorflow")

DTYPES = ("float16", "bfloat16", "float32", "float64")


def load(
    name: str, deconv: str = "native", dtype: str = "float32", kernel: int | None = None
) -> keras.Model:
    """A trained generator, channels last, dynamic batch; its weights are fetched or cached.

    Args:
        name: one of `splitdeconv.pretrained.names()`.
        deconv: "native" for `keras.layers.Conv2DTranspose`, or the form in which
            `SplitConv2DTranspose` computes it: "split", "rows", "stacked", "paper", "nzp" or
            "auto". Or one of `approximations.METHODS`, to see its effect on the image: it replaces
            the layers of stride > 1, and Shi's makes smaller images.
        dtype: of weights and computation, one of `DTYPES`; the checkpoints hold float32. Two forms
            add in another order, so in float32 an 8-bit level changes with probability 127.5 x
            their difference, where a value lies next to a half step. In float64 that does not
            happen: every form gives the same 8-bit image.
        kernel: 5 writes a DCGAN's 4x4 kernels of stride 2 as 5x5, with zeros at the end. SAME crops
            both alike, so the image is the same, but 2 does not divide 5.

    Returns:
        DCGANs: (batch, latents) -> (batch, 64 or 128, 64 or 128, 3). CycleGAN: (batch, 256, 256, 3)
            -> the same. Images in [-1, 1]; see `to_uint8`. `splitdeconv.pretrained.samples` makes
            inputs.

    Raises:
        SplitDeconvError: unknown name, form, dtype or kernel, weights that cannot be fetched or do
            not fit the architecture, or float64 where Keras computes with JAX and JAX is not set to
            keep it (`splitdeconv.core.backends.double_precision`).

    Example:
        >>> import splitdeconv as sd
        >>> model = sd.pretrained.load("face_dcgan", deconv="split")
        >>> model.output_shape
        (None, 64, 64, 3)
    """
    known = generator(name)
    # Checked before anything is downloaded.
    check_choice(deconv, ("auto", *METHODS, *FORMS), "deconv")
    check_choice(dtype, DTYPES, "dtype")
    if kernel not in ((None, 5) if known.architecture == "dcgan" else (None,)):
        raise SplitDeconvError(
            "the kernels cannot be written in this size",
            where=f"kernel of {name}",
            expected="None, or 5 for a DCGAN",
            got=repr(kernel),
        )
    _refuse_rounding(dtype)
    content = read_checkpoint(fetch(name))
    state = content[known.state] if known.state else content
    options = {"kernel": kernel} if kernel else {}
    build: Any = {"dcgan": dcgan, "cyclegan": cyclegan}[str(known.architecture)]
    return build(state, deconv, dtype, name=name, **options)


def _refuse_rounding(dtype: str) -> None:
    """Refuse float64 where JAX would silently compute in float32 instead."""
    if dtype != "float64" or keras.backend.backend() != "jax":
        return
    if require("jax", "jax").config.jax_enable_x64:
        return
    raise SplitDeconvError(
        "invalid dtype: JAX would round it to float32",
        where="dtype",
        expected="float16, bfloat16 or float32, or JAX set to keep float64",
        got="float64",
        fix="with splitdeconv.core.backends.double_precision(): ...",
    )


def dcgan(
    state: State,
    deconv: str = "native",
    dtype: str = "float32",
    name: str = "dcgan",
    kernel: int | None = None,
) -> keras.Model:
    """A DCGAN generator (arXiv 1511.06434) from a `state_dict` as in PyTorch's tutorial.

    `main.N.weight` of rank 4 are its transposed convolutions, 4x4: the first of stride 1 without
    padding, the others of stride 2 and padding 1, which is SAME. All but the last are followed by
    batch normalisation N + 1 and ReLU.

    Args:
        state: NumPy arrays under PyTorch's keys.
        deconv: as in `load`.
        dtype: as in `load`.
        name: the model's name.
        kernel: as in `load`.

    Raises:
        SplitDeconvError: a tensor is missing, left over or of another shape; or no such form.
    """
    build = Builder(state, name, dtype)
    named = (re.fullmatch(r"main\.(\d+)\.weight", key) for key in state if np.ndim(state[key]) == 4)
    kernels = [int(match[1]) for match in named if match]
    if not kernels:
        raise misfit(name, "transposed convolutions' weights, rank 4", "none")
    latents = state[f"main.{kernels[0]}.weight"].shape[0]
    x = latent = keras.Input((latents,), dtype=dtype, name="latent")
    x = keras.layers.Reshape((1, 1, -1), dtype=dtype, name="pixel")(x)
    for index in kernels:
        if index == kernels[0]:
            x = build.deconv(x, f"main.{index}", deconv, use_bias=False)
        else:
            options: dict[str, Any] = {"strides": 2, "padding": "same", "kernel": kernel}
            x = build.deconv(x, f"main.{index}", deconv, use_bias=False, **options)
        if index != kernels[-1]:
            x = build.batch_norm(x, f"main.{index + 1}")
            x = keras.layers.ReLU(dtype=dtype, name=f"main_{index + 2}")(x)
    x = keras.layers.Activation("tanh", dtype=dtype, name="tanh")(x)
    return build.finish(keras.Model(latent, x, name=name))


def cyclegan(
    state: State,
    deconv: str = "native",
    dtype: str = "float32",
    name: str = "cyclegan",
    size: int = 256,
) -> keras.Model:
    """CycleGAN's residual generator (arXiv 1703.10593, section 7.2) from a PyTorch `state_dict`.

    Reflection padding, affine instance normalisation (here `GroupNormalization` with one group per
    channel), two convolutions down, residual blocks, two transposed convolutions up (3x3, stride 2,
    padding 1, output padding 1).

    Args:
        state: NumPy arrays under PyTorch's keys `model.N.*`, in the layers' order; blocks are
            `model.N.block.M.*`.
        deconv: as in `load`.
        dtype: as in `load`.
        name: the model's name.
        size: height and width of the images, a multiple of 4.

    Raises:
        SplitDeconvError: a tensor is missing, left over or of another shape; or no such form.
    """
    build = Builder(state, name, dtype)
    relu = partial(keras.layers.ReLU, dtype=dtype)
    blocks = len({key.split(".")[1] for key in state if ".block." in key})
    x = image = keras.Input((size, size, 3), dtype=dtype, name="photograph")
    x = relu(name="model_3")(build.instance_norm(build.conv(reflect(x, 3), "model.1"), "model.2"))
    for index in (4, 7):
        x = keras.layers.ZeroPadding2D(1, dtype=dtype, name=f"model_{index}_pad")(x)
        x = build.instance_norm(build.conv(x, f"model.{index}", strides=2), f"model.{index + 1}")
        x = relu(name=f"model_{index + 2}")(x)
    for index in range(10, 10 + blocks):
        block = f"model.{index}.block"
        y = build.instance_norm(build.conv(reflect(x, 1), f"{block}.1"), f"{block}.2")
        y = relu(name=layer_name(f"{block}.3"))(y)
        y = build.instance_norm(build.conv(reflect(y, 1), f"{block}.5"), f"{block}.6")
        x = keras.layers.Add(dtype=dtype, name=f"model_{index}")([x, y])
    for index in (10 + blocks, 13 + blocks):
        # PyTorch crops at the start, where Keras' padding="same" would crop at the end.
        crop = ((1, 0), (1, 0))
        x = build.deconv(x, f"model.{index}", deconv, use_bias=True, strides=2, crop=crop)
        x = relu(name=f"model_{index + 2}")(build.instance_norm(x, f"model.{index + 1}"))
    x = build.conv(reflect(x, 3), f"model.{17 + blocks}")
    x = keras.layers.Activation("tanh", dtype=dtype, name="tanh")(x)
    return build.finish(keras.Model(image, x, name=name))

"""The benchmark networks by name: where each is built, and how it relates to published counts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.forms import COMPUTED_FORMS
from ..errors import check_choice, check_count
from ..extras import require

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """One benchmark network.

    Args:
        module: the module of this package that builds it, in a function of the network's name.
        title: its name in print, as in the published tables.
        unpublished: layers that a working network needs and the published sums leave out.
        remark: how its layers relate to the published sums, beyond `unpublished`.
    """

    module: str
    title: str
    unpublished: tuple[str, ...] = ()
    remark: str = ""


DTYPES = ("float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16")
FCN = (
    "no count is published; layers and sizes are those of the authors' Caffe definition "
    "for a 500x500 image"
)

NETWORKS = {
    "dcgan": Network("dcgan", "DCGAN"),
    "sngan": Network("sngan", "SNGAN", unpublished=("project",)),
    "artgan": Network(
        "artgan",
        "ArtGAN",
        remark="the published generator's layers are not documented; this is the 64x64 generator "
        "of arXiv 1702.03410 as public reimplementations have it, the nearest documented "
        "architecture",
    ),
    "gpgan": Network("gpgan", "GP-GAN", unpublished=("project",)),
    "mde": Network(
        "mde",
        "MDE",
        remark="the published encoder and skip connections are not documented; these are the VGG "
        "variant of monodepth (arXiv 1609.03677), whose up-convolutions are the published ones",
    ),
    "fst": Network(
        "fst",
        "FST",
        remark="the published total is not reproduced: the documented 256x256 network of Johnson "
        "et al., whose deconvolutions are the published ones, needs far fewer operations; with 128 "
        "channels in and out of its last convolution it would be met to the last digit",
    ),
    "fcn32s": Network("fcn", "FCN-32s", remark=FCN),
    "fcn16s": Network("fcn", "FCN-16s", remark=FCN),
    "fcn8s": Network("fcn", "FCN-8s", remark=FCN),
}


def names() -> list[str]:
    """The names that `build` and `layer_table` know.

    Example:
        >>> import splitdeconv as sd
        >>> sd.networks.names()[:3]
        ['dcgan', 'sngan', 'artgan']
    """
    return list(NETWORKS)


def titles() -> dict[str, str]:
    """Each network's name in print, by the name that `build` knows.

    Example:
        >>> import splitdeconv as sd
        >>> sd.networks.titles()["gpgan"]
        'GP-GAN'
    """
    return {name: network.title for name, network in NETWORKS.items()}


def build(
    name: str, deconv: str = "split", seed: int | None = 0, dtype: str | None = None, **options: Any
) -> keras.Model:
    """Build a benchmark network: channels last, static spatial size, dynamic batch.

    Args:
        name: one of `names()`.
        deconv: "native" for `keras.layers.Conv2DTranspose`, or the form in which
            `SplitConv2DTranspose` computes it: "split", "rows", "stacked", "paper", "nzp" or
            "auto".
        seed: of the initial weights, which do not depend on `deconv` nor on Keras' backend. None
            leaves them zero, which is quick: enough for shapes and counts, or to load weights into.
        dtype: Keras' dtype policy for all layers, one of `DTYPES`; None for the one in force.
        **options: the network's own, such as `size`; see its function, for instance
            `splitdeconv.networks.fst.fst`.

    Returns:
        A `keras.Model`.

    Raises:
        SplitDeconvError: no such network, form, dtype or option, or an option's value that does not
            fit.

    Example:
        >>> import splitdeconv as sd
        >>> model = sd.networks.build("dcgan", deconv="split")
        >>> model.output_shape
        (None, 64, 64, 3)
        >>> [layer.name for layer in model.layers if getattr(layer, "form", None) == "split"]
        ['deconv1', 'deconv2', 'deconv3']
    """
    options = checked(name, options)
    check_choice(deconv, ("native", "auto", *COMPUTED_FORMS), "deconv")
    if dtype is not None:
        check_choice(dtype, DTYPES, "dtype")
    seed = None if seed is None else check_count(seed, "seed", "seed", least=0)
    keras = require("keras", "tensorflow")
    from .blocks import Blocks

    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype or policy)
        return _function(name)(Blocks(deconv, seed), **options)
    finally:
        keras.config.set_dtype_policy(policy)


def checked(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """A network's options, checked, as ints and tuples of ints, which compare and hash.

    Raises:
        SplitDeconvError: no such network or option, or a value that does not fit.
    """
    check_choice(name, NETWORKS, "network")
    known = dict(list(inspect.signature(_function(name)).parameters.items())[1:])
    for option in options:
        check_choice(option, known, f"option of {name}", f"network {name}")
    # Options whose default in the signature is not an int take one value per dimension.
    return {
        key: _whole(key, value, several=known[key].annotation is not int)
        for key, value in options.items()
    }


def _function(name: str) -> Callable[..., keras.Model]:
    require("keras", "tensorflow")
    return getattr(import_module(f".{NETWORKS[name].module}", __package__), name)


def _whole(name: str, value: Any, several: bool) -> int | tuple[int, ...]:
    """`value` as an int of at least 1, or a tuple of them where `several` may be; else refused."""
    if several and isinstance(value, list | tuple):
        return tuple(check_count(each, name, name) for each in value)
    return check_count(value, name, name)

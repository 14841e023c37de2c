"""The benchmark networks by name: where each is built, and how it relates to the published operation counts."""

import inspect
from dataclasses import dataclass
from importlib import import_module

from ..errors import SplitDeconvError
from ..extras import require
from ..plan import FORMS


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


FCN = "no count is published; layers and sizes are those of the authors' Caffe definition for a 500x500 image"

NETWORKS = {
    "dcgan": Network("dcgan", "DCGAN"),
    "sngan": Network("sngan", "SNGAN", unpublished=("project",)),
    "artgan": Network(
        "artgan",
        "ArtGAN",
        remark="the published generator's layers are not documented; this is the 64x64 generator of arXiv 1702.03410 "
        "as public reimplementations have it, the nearest documented architecture",
    ),
    "gpgan": Network("gpgan", "GP-GAN", unpublished=("project",)),
    "mde": Network(
        "mde",
        "MDE",
        remark="the published encoder and skip connections are not documented; these are the VGG variant of monodepth "
        "(arXiv 1609.03677), whose up-convolutions are the published ones",
    ),
    "fst": Network(
        "fst",
        "FST",
        remark="the published total is not reproduced: the documented 256x256 network of Johnson et al., whose "
        "deconvolutions are the published ones, needs far fewer operations",
    ),
    "fcn32s": Network("fcn", "FCN-32s", remark=FCN),
    "fcn16s": Network("fcn", "FCN-16s", remark=FCN),
    "fcn8s": Network("fcn", "FCN-8s", remark=FCN),
}


def names() -> list[str]:
    """The names that `build` and `layer_table` know."""
    return list(NETWORKS)


def titles() -> dict[str, str]:
    """Each network's name in print, by the name that `build` knows."""
    return {name: network.title for name, network in NETWORKS.items()}


def build(name: str, deconv: str = "split", seed: int | None = 0, dtype: str | None = None, **options):
    """Build a benchmark network: channels last, static spatial size, dynamic batch.

    Args:
        name: one of `names()`.
        deconv: "native" for `keras.layers.Conv2DTranspose`, or the form in which `SplitConv2DTranspose` computes it:
            "split", "rows", "stacked", "paper", "nzp" or "auto".
        seed: of the initial weights, which do not depend on `deconv` nor on Keras' backend. None leaves them zero,
            which is quick: enough for shapes and counts, or to load weights into.
        dtype: Keras' dtype policy for all layers, such as "float64"; None for the one in force.
        **options: the network's own, such as `size`; see its function, for instance `splitdeconv.networks.fst.fst`.

    Returns:
        A `keras.Model`.

    Raises:
        SplitDeconvError: no such network, form or option, or an option's value that does not fit.
    """
    _known("network", name, NETWORKS)
    _known("deconv", deconv, ("native", "auto", *(form for form in FORMS if form != "native")))
    keras = require("keras", "tensorflow")
    function = getattr(import_module(f".{NETWORKS[name].module}", __package__), name)
    for option, value in options.items():
        _known(f"option of {name}", option, tuple(inspect.signature(function).parameters)[1:])
        _check(option, value, least=1)
    _check("seed", 0 if seed is None else seed, least=0)
    from .blocks import Blocks

    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype or policy)
        return function(Blocks(deconv, seed), **options)
    finally:
        keras.config.set_dtype_policy(policy)


def _check(what, value, least):
    """Refuse anything but an int, or several, from `least` on."""
    values = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in values):
        raise SplitDeconvError(
            f"{what} does not fit", where="splitdeconv.networks", expected=f"int >= {least}", got=repr(value)
        )


def _known(what, value, known):
    if value not in known:
        raise SplitDeconvError(
            f"unknown {what}", where="splitdeconv.networks", expected=", ".join(known), got=repr(value)
        )

"""One name and one colour for each method, the same in every chart."""

from collections.abc import Iterable

from ...extras import require
from ...figures import COLOURS

#: Methods of the processor model, in the colours of the forms that they run.
METHOD_COLOURS = {
    **{name: COLOURS[name] for name in ("native", "nzp", "rows", "stacked", "paper", "auto")},
    "split": COLOURS["split"],
    "sd_trimmed": COLOURS["split"],
    "sd": COLOURS["paper"],
}
_NAMES = {
    "exact": "only what reaches the output",
    "native": "native operator",
    "nzp": "zero insertion",
    "split": "split",
    "sd_trimmed": "split",
    "sd": "split, filters extended",
    "paper": "split, filters extended",
    "auto": "chosen by the target's rules",
    "shi": "Shi",
    "shi_truncated": "Shi (kernel cut)",
    "shi_cropped": "Shi (as its images show)",
    "chang": "Chang",
    "wrong_side": "control (zeros on the wrong side)",
}
_RUNTIMES = {"litert": "LiteRT", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
_SKIPS = {"A": "zero activations skipped", "W": "zero weights skipped", "WA": "zeros skipped"}
# Skipping tints a method's colour: towards white, or towards black if everything is skipped.
_TINTS = {"A": ("white", 0.55), "W": ("white", 0.3), "WA": ("black", 0.4)}


def method_name(variant: str) -> str:
    """A form, method or variant of `splitdeconv.dlp.compare` in words.

    Args:
        variant: such as "sd", "sd-WA" or "split int8".
    """
    if variant.endswith(" int8"):
        return f"{method_name(variant.removesuffix(' int8'))} in int8"
    method, _, skip = variant.partition("-")
    name = _NAMES.get(method, method)
    return f"{name}, {_SKIPS.get(skip, skip)}" if skip else name


def runtime_name(configuration: str) -> str:
    """A runtime of `splitdeconv.toolchains.cpu` in words, with what follows its name.

    Args:
        configuration: such as "litert int8, 1 thread"; one thread is not mentioned.
    """
    runtime, _, rest = configuration.removesuffix(", 1 thread").partition(" ")
    return f"{_RUNTIMES.get(runtime, runtime)} {rest}".strip()


def variant_colours(variants: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """A colour for each variant of `splitdeconv.dlp.compare`.

    Args:
        variants: labels such as "sd" and "sd-WA".

    Returns:
        dict of label to colour.
    """
    mix = require("matplotlib.colors", "notebooks").to_rgb
    colours = {}
    for variant in variants:
        method, _, skip = variant.partition("-")
        towards, share = _TINTS.get(skip, ("white", 0))
        ends = zip(mix(METHOD_COLOURS[method]), mix(towards), strict=True)
        red, green, blue = (a * (1 - share) + b * share for a, b in ends)
        colours[variant] = red, green, blue
    return colours

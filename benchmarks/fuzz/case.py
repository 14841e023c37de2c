"""One file to convert: its bytes, the files beside it, and how it came to be."""

from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

FORMATS = ("tflite", "onnx", "keras")


@dataclass(frozen=True)
class Case:
    """A model file drawn by a seed.

    Args:
        kind: "tflite", "onnx" or "keras".
        data: the file's bytes.
        story: what the file holds, in a few words.
        files: what lies beside it, by name.
        injuries: what was done to a sound file; empty if it is still sound.
        options: of the conversion.
        definition: the only site, as `benchmarks.fuzz.definition` takes it, where the model is no
            more than that.
    """

    kind: str
    data: bytes
    story: str
    files: dict = field(default_factory=dict)
    injuries: tuple = ()
    options: dict = field(default_factory=dict)
    definition: object = None

    @property
    def sound(self):
        return not self.injuries


def generator(kind, number, part=0):
    """The generator of random numbers that makes the `number`-th file of a format."""
    return np.random.default_rng([2026, crc32(kind.encode()), number, part])


def pick(rng, options, weights=None):
    """One of several objects, of whatever types."""
    options = list(options)
    if weights is None:
        return options[int(rng.integers(len(options)))]
    total = np.cumsum(weights, dtype=float)
    return options[int(np.searchsorted(total, rng.random() * total[-1], side="right"))]


def chance(rng, probability):
    return bool(rng.random() < probability)


def whole(rng, low, high):
    """An int from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))


def draw_options(rng):
    """How to convert: mostly as by default, else any form and way of interleaving."""
    options = {}
    if chance(rng, 0.6):
        options["form"] = pick(rng, ("split", "rows", "stacked"))
    if chance(rng, 0.4):
        options["interleave"] = pick(rng, ("concat", "depth_to_space", "transpose"))
    return options

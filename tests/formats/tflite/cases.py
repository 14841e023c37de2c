"""Geometries for the TFLite tests: drawn once from a fixed seed, and the hard ones by name."""

import random

from tests.formats.tflite.models import Deconv

ACTIVATIONS = ("NONE", "RELU", "RELU6")
HARD = [
    Deconv(sizes=(6, 5), kernel=(1, 1), strides=(3, 2)),  # most phases empty
    Deconv(
        sizes=(5, 6), kernel=(2, 1), strides=(4, 3), padding="VALID", bias=False
    ),  # empty phases, surplus blocks
    Deconv(
        sizes=(4, 5), kernel=(5, 3), strides=(4, 2), output=(13, 9)
    ),  # windows beyond the input: slices
    Deconv(sizes=(3, 4), kernel=(7, 7), strides=(4, 4), output=(9, 14), activation="RELU"),
    Deconv(sizes=(5, 4), kernel=(5, 4), strides=(2, 2), padding="VALID", output=(14, 11)),
    Deconv(
        sizes=(1, 1), kernel=(4, 4), strides=(1, 1), padding="VALID"
    ),  # a generator's first layer
    Deconv(sizes=(4, 4), kernel=(3, 3), strides=(1, 1)),  # nothing to interleave
    Deconv(sizes=(4, 4), kernel=(1, 1), strides=(1, 1), activation="RELU6"),
    Deconv(sizes=(1, 6), kernel=(1, 7), strides=(1, 4)),  # one-dimensional
    Deconv(sizes=(6, 1), kernel=(7, 1), strides=(4, 1), bias=False),
    Deconv(sizes=(5, 5), kernel=(2, 2), strides=(2, 2), cin=1, cout=1),
    Deconv(sizes=(5, 5), kernel=(1, 2), strides=(2, 3), cin=1, cout=4, batch=2),
]


def _draw(source):
    def integers(low, high):
        return source.randint(low, high), source.randint(low, high)

    sizes, kernel, strides = integers(1, 6), integers(1, 7), integers(1, 4)
    padding = source.choice(("SAME", "VALID"))
    output = None
    if source.random() < 0.5:
        # Any of the lengths from which a strided convolution with this padding leads back to the
        # input's.
        shortest = (1, 1) if padding == "SAME" else kernel
        output = tuple(
            (n - 1) * s + least + source.randrange(s)
            for n, s, least in zip(sizes, strides, shortest, strict=True)
        )
    cin = source.choice((2, 3, 5))
    return Deconv(
        sizes=sizes,
        kernel=kernel,
        strides=strides,
        padding=padding,
        output=output,
        batch=source.choice((1, 2)),
        cin=cin,
        cout=cin + source.choice((-1, 1, 2)),
        per_channel=source.random() < 0.75,
        bias=source.random() < 0.75,
        activation=source.choice(ACTIVATIONS),
    )


def _cases(count):
    source, cases = random.Random(1907_01773), {str(case): case for case in HARD}
    while len(cases) < count:
        case = _draw(source)
        cases[str(case)] = case
    return list(cases.values())


CASES = _cases(96)

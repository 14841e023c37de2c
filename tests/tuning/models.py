"""A model of several transposed convolutions, and an oracle whose answers a test decides."""

import numpy as np
from onnx import helper

from splitdeconv.convert.variants.variant import NATIVE
from splitdeconv.tuning.oracle import Cost, Oracle, relative
from tests.formats.onnx import models

SIZE, SEED = (5, 6), 4


def branches(size=SIZE):
    """An ONNX file: "a" and "b" of one geometry with other filters, and "c" of another one."""
    rng = np.random.default_rng(SEED)
    draw = lambda *shape: rng.standard_normal(shape).astype("float32")  # noqa: E731
    weights = {"wa": draw(3, 4, 4, 4), "wb": draw(3, 4, 4, 4), "wc": draw(3, 2, 5, 3)}
    halved = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("ConvTranspose", ["x", "wa"], ["a"], name="a", **halved),
        helper.make_node("ConvTranspose", ["x", "wb"], ["b"], name="b", **halved),
        helper.make_node("ConvTranspose", ["x", "wc"], ["c"], name="c", strides=[3, 2]),
    ]
    inputs = [models.value("x", "float32", [1, 3, *size])]
    outputs = [models.value(name, "float32", [None] * 4) for name in "abc"]
    return models.model(nodes, inputs, outputs, weights).SerializeToString()


class Told(Oracle):
    """An oracle that answers what it was told.

    Args:
        amounts: dict of variant, or of (name, variant), to an amount or a reason.
        wholes: gains of the whole model, one for each time that it is asked.
    """

    name, unit, evidence, target = "told", "cycles", "told by a test", "generic"
    formats = ("onnx", "tflite")
    exact = True

    def __init__(self, amounts, wholes=()):
        self._amounts, self._wholes, self.asked, self.files = amounts, list(wholes), [], []

    def missing(self):
        return None

    def facts(self):
        return {"told": "by a test"}

    def costs(self, subject):
        name = subject.site.name
        self.asked.append(name)
        self.files.append(dict(subject.files))
        amounts = {
            variant: self._amounts.get((name, str(variant)), self._amounts.get(str(variant), 900))
            for variant in subject.variants
        }
        assert NATIVE in amounts
        return relative(amounts)

    def whole(self, original, tuned, layers, inputs=None):
        gain = self._wholes.pop(0) if self._wholes else 1.5
        return Cost(100.0, gain, gain, gain)

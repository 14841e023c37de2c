"""Models with operators behind a transposed convolution, and what they compute in float64."""

import numpy as np
import onnx
from onnx import helper

from splitdeconv.core.definition import conv_transpose
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.site import Decision
from tests.formats.onnx.models import arrays, model, node, value
from tests.formats.onnx.rewrite.cases import axes_of, definition

SIZES, KERNELS, STRIDES = (5, 4, 3), (4, 3, 2), (2, 3, 2)


class Case:
    """A transposed convolution of `groups` groups with more output than input channels, or fewer.

    Every number is signed and no two channels are alike, so that no other axis or order of groups
    gives the same values.
    """

    def __init__(self, rank=2, groups=1, per_group=(2, 3), dtype=np.float32, bias=True, seed=0):
        self.rank, self.groups, self.dtype = rank, groups, np.dtype(dtype)
        self.channels = groups * per_group[1]
        self.attributes = {"strides": list(STRIDES[:rank]), "group": groups}
        given = SIZES[:rank], KERNELS[:rank], groups, per_group, dtype
        self.x, self.w, self.b = arrays(seed, *given)
        self.rng = np.random.default_rng(seed + 1)
        self.stored = {"w": self.w} | ({"b": self.b} if bias else {})

    def vector(self, low=0.5, high=2.0):
        """One number per output channel, of random sign."""
        numbers = self.rng.uniform(low, high, self.channels)
        return (numbers * self.rng.choice((-1.0, 1.0), self.channels)).astype(self.dtype)

    def shaped(self, array):
        """A vector along the channels of the result."""
        return array.reshape(-1, *(1 for _ in range(self.rank)))

    def normalization(self, inputs="y", output="z", **attributes):
        """A BatchNormalization with values of its own, which are stored."""
        names = [f"{output}_{part}" for part in ("gamma", "beta", "mean", "variance")]
        values = [self.vector(), self.vector(), self.vector(), np.abs(self.vector())]
        self.stored |= dict(zip(names, values, strict=True))
        return node("BatchNormalization", [inputs, *names], output, **attributes)

    def normalized(self, y, output="z", epsilon=1e-5):
        """What that node computes, in float64."""
        names = [f"{output}_{part}" for part in ("gamma", "beta", "mean", "variance")]
        gamma, beta, mean, variance = (
            self.shaped(self.stored[name].astype(np.float64)) for name in names
        )
        return (y - mean) / np.sqrt(variance + epsilon) * gamma + beta

    def summed(self):
        """The result of the transposed convolution, in float64."""
        axes = axes_of(SIZES[: self.rank], KERNELS[: self.rank], self.attributes)
        wide = self.x.astype(np.float64), self.w.astype(np.float64)
        y = definition(conv_transpose, *wide, axes, self.groups)
        return y + self.shaped(self.b.astype(np.float64)) if "b" in self.stored else y

    def model(self, after, output, *, opset=17, outputs=(), **more):
        """The model with these nodes behind y; `outputs` are further outputs."""
        inputs = ["x", "w"] + ["b"] * ("b" in self.stored)
        up = helper.make_node("ConvTranspose", inputs, ["y"], name="up", **self.attributes)
        shape = [None] * (self.rank + 2)
        return model(
            [up, *after],
            [value("x", self.dtype, self.x.shape), *more.pop("inputs", ())],
            [value(name, self.dtype, shape) for name in (output, *outputs)],
            self.stored,
            opset=opset,
            **more,
        )


def foldable(source):
    """(operator, name, moved) of everything that can be folded into the only site of a model."""
    (site,) = OnnxModel.parse(source).sites()
    assert site.problem is None
    return [(one.operator, one.name, one.moved) for one in site.foldable]


def folded(source, form="split", interleave="concat", checked=True):
    """The ModelProto with everything folded that can be."""
    parsed = OnnxModel.parse(source)
    sites = parsed.sites()
    parsed.apply([Decision(s, "convert", form, interleave, "test", s.foldable) for s in sites])
    result = onnx.load_model_from_string(parsed.serialize())
    if checked:
        onnx.checker.check_model(result, full_check=True)
    return result


def close(got, expected, dtype=np.float32):
    """Whether an array is the reference up to the rounding of a few dozen products."""
    unit = float(np.finfo(dtype).eps)
    return got.shape == expected.shape and bool(
        np.abs(got - expected).max() <= 32 * unit * np.abs(expected).max()
    )

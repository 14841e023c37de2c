"""TFLite files made to measure, straight from the schema.

Each has one transposed convolution of any geometry and type, and what real files have around it.
TensorFlow is not needed, so a file takes milliseconds.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from types import SimpleNamespace
from zlib import crc32

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.fuzz.tflite_builder import Builder
from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.geometry import resolve
from splitdeconv.formats.tflite.flatbuffer.bounds import make


@dataclass(frozen=True)
class Deconv:
    """One transposed convolution as a TFLite file states it."""

    sizes: tuple = (5, 4)
    kernel: tuple = (3, 3)
    strides: tuple = (2, 2)
    padding: str = "SAME"
    output: tuple | None = None
    batch: int = 1
    cin: int = 3
    cout: int = 2
    kind: str = "float32"
    per_channel: bool = True
    bias: bool = True
    activation: str = "NONE"
    dynamic: bool = False
    open_image: bool = False

    @property
    def axes(self):
        return resolve(self.sizes, self.kernel, self.strides, self.padding, self.output)

    def __str__(self):
        sizes = ("x".join(map(str, t)) for t in (self.sizes, self.kernel, self.strides))
        geometry = "-".join(f"{letter}{text}" for letter, text in zip("nks", sizes, strict=True))
        output = "" if self.output is None else "-o" + "x".join(map(str, self.output))
        return (
            f"{geometry}-{self.padding}{output}-b{self.batch}-c{self.cin}-{self.cout}-{self.activation}"
            + ("" if self.bias else "-nobias")
        )

    def with_(self, **changes):
        return replace(self, **changes)

    def rng(self):
        return np.random.default_rng(crc32(repr(self).encode()))

    def input(self, batch=None, sizes=None):
        """Signed data of the input's type, always the same for one case."""
        shape = (batch or self.batch, *(sizes or self.sizes), self.cin)
        return _draw(np.random.default_rng(crc32(repr(self).encode()) + 1), shape, self.kind)


def _draw(rng, shape, kind):
    if kind in ("float32", "float16", "float32x8"):
        return rng.standard_normal(shape).astype("f4")
    info = np.iinfo({"int8": "i1", "uint8": "u1", "int16x8": "i2"}[kind])
    return rng.integers(info.min, info.max + 1, shape).astype(info.dtype)


@lru_cache(maxsize=512)
def deconv_model(case: Deconv) -> bytes:
    """The file of one case: TRANSPOSE_CONV between a graph's input and output."""
    builder, parts = Builder(), _parts(case)
    opened = {"dynamic": case.dynamic, "open_image": case.open_image}
    x = builder.tensor("image", (case.batch, *case.sizes, case.cin), *parts.x, **opened)
    weights = _stored(builder, "weights", parts.weights, case)
    bias = [_stored(builder, "bias", parts.bias, case)] if case.bias else []
    shape = (case.batch, *(axis.o for axis in case.axes), case.cout)
    if case.dynamic or case.open_image:
        asked = _computed_shape(builder, x, shape, case)
    else:
        asked = builder.constant("shape", np.array(shape, "<i4"))
    y = builder.tensor("picture", shape, *parts.y, **opened)
    options = make(
        "TransposeConvOptions",
        padding=getattr(schema.Padding, case.padding),
        strideH=case.strides[0],
        strideW=case.strides[1],
        fusedActivationFunction=getattr(schema.ActivationFunctionType, case.activation),
    )
    builder.operator("TRANSPOSE_CONV", [asked, weights, x, *bias], [y], options, version=4)
    return builder.build([x], [y])


def _parts(case):
    """Types and quantization of input and output; values and scales of weights and bias."""
    rng = case.rng()
    shape = (case.cout, *case.kernel, case.cin)
    if case.kind in ("float32", "float16"):
        stored = "f2" if case.kind == "float16" else "f4"
        weights = rng.standard_normal(shape).astype(stored)
        bias = rng.standard_normal(case.cout).astype(stored)
        return SimpleNamespace(x=("f4",), y=("f4",), weights=(weights,), bias=(bias,))
    if case.kind == "float32x8":
        weights = rng.integers(-127, 128, shape).astype("i1")
        bias = rng.standard_normal(case.cout).astype("f4")
        scale = rng.uniform(0.005, 0.02, case.cout if case.per_channel else 1).astype("f4")
        return SimpleNamespace(x=("f4",), y=("f4",), weights=(weights, scale, 0), bias=(bias,))
    x_type, w_type, b_type = {
        "int8": ("i1", "i1", "i4"),
        "uint8": ("u1", "u1", "i4"),
        "int16x8": ("i2", "i1", "i8"),
    }[case.kind]
    zero = {"int8": -7, "uint8": 131, "int16x8": 0}[case.kind]
    w_zero = 119 if case.kind == "uint8" else 0
    low, high = (0, 255) if case.kind == "uint8" else (-127, 127)
    weights = rng.integers(low, high + 1, shape).astype(w_type)
    x_scale = 0.0003 if case.kind == "int16x8" else 0.05
    w_scales = case.cout if case.per_channel and case.kind != "uint8" else 1
    w_scale = rng.uniform(0.005, 0.02, w_scales).astype("f4")
    # The output's range is taken from a run of the definition, so that values fill it and some are
    # clipped.
    axes = SimpleNamespace(axes=case.axes, groups=1)
    reals = (case.input().astype("f8") - zero) * x_scale
    filters = (weights.astype("f8") - w_zero) * w_scale.reshape(-1, 1, 1, 1)
    bias = np.round(rng.standard_normal(case.cout) * 20 / (x_scale * w_scale)).astype(b_type)
    y = conv_transpose(reals, np.transpose(filters, (1, 2, 0, 3)), axes)
    y += bias * (x_scale * w_scale) * case.bias
    low, high = (np.percentile(y, p) for p in (1, 99))
    info = np.iinfo(x_type)
    y_scale = np.float32(max(high - low, 1e-3) / (info.max - info.min))
    y_zero = int(np.clip(round(info.min - low / y_scale), info.min, info.max))
    y_zero = 0 if case.kind == "int16x8" else y_zero
    return SimpleNamespace(
        x=(x_type, x_scale, zero),
        y=(x_type, y_scale * (2 if case.kind == "int16x8" else 1), y_zero),
        weights=(weights, w_scale, w_zero),
        bias=(bias, np.float32(x_scale) * w_scale, 0),
    )


def _stored(builder, name, arguments, case):
    """A constant; for float16 behind a DEQUANTIZE."""
    index = builder.constant(name, *arguments)
    if case.kind != "float16":
        return index
    unpacked = builder.tensor(f"{name}_unpacked", arguments[0].shape, "f4")
    builder.operator("DEQUANTIZE", [index], [unpacked], version=3)
    return unpacked


def _computed_shape(builder, x, shape, case):
    """The chain of operators for open dimensions: SHAPE, STRIDED_SLICE, MUL, ADD, PACK."""
    vector = builder.tensor("chain/shape", (4,), "i4")
    packed = builder.tensor("chain/packed", (4,), "i4")
    builder.operator("SHAPE", [x], [vector], make("ShapeOptions", outType=schema.TensorType.INT32))
    steps = [builder.constant(f"chain/{i}", np.array([i], "<i4")) for i in range(4)]

    def measured(axis):
        length = builder.tensor(f"chain/length{axis}" if axis else "chain/batch", (), "i4")
        inputs = [vector, steps[axis], steps[axis + 1], steps[1]]
        builder.operator(
            "STRIDED_SLICE", inputs, [length], make("StridedSliceOptions", shrinkAxisMask=1)
        )
        return length

    def computed(name, length, number, axis):
        result = builder.tensor(f"chain/{name}{axis}", (), "i4")
        other = builder.constant(f"chain/by{name}{axis}", np.array(number, "<i4"))
        builder.operator(name, [length, other], [result], make(f"{name.capitalize()}Options"))
        return result

    sizes = [
        measured(0) if case.dynamic else builder.constant("chain/size", np.array(shape[0], "<i4"))
    ]
    for i, n in enumerate(shape[1:]):
        if case.open_image and i < 2:
            axis = case.axes[i]
            sizes.append(computed("ADD", computed("MUL", measured(i + 1), axis.s, i), axis.tail, i))
        else:
            sizes.append(builder.constant(f"chain/size{i}", np.array(n, "<i4")))
    builder.operator("PACK", sizes, [packed], make("PackOptions", valuesCount=4))
    return packed

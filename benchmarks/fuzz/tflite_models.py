"""TFLite files made to measure, straight from the schema: one transposed convolution of any
geometry and type, and what real files have around it. TensorFlow is not needed, so a file takes
milliseconds.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from types import SimpleNamespace
from zlib import crc32

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.geometry import resolve
from splitdeconv.formats.tflite.flatbuffer.bounds import make

TYPES = {
    "f4": "FLOAT32",
    "f2": "FLOAT16",
    "i4": "INT32",
    "i8": "INT64",
    "i2": "INT16",
    "i1": "INT8",
    "u1": "UINT8",
}


class Builder:
    """A model of one subgraph, tensor by tensor."""

    def __init__(self):
        self.model = make(
            "Model",
            version=3,
            operatorCodes=[],
            buffers=[make("Buffer")],
            description=b"made to test",
        )
        self.graph = make("SubGraph", tensors=[], operators=[], name=b"main")
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, dtype, scale=None, zero=None, dynamic=False, open_image=False):
        """An activation tensor; scale and zero may be numbers or one per channel of dimension 0.

        What is open is stated as 1, as TensorFlow's converter does.
        """
        shape = (shape[0], 1, 1, shape[3]) if open_image else shape
        tensor = make(
            "Tensor",
            name=name.encode(),
            shape=np.array(shape, "<i4"),
            type=_type(dtype),
            hasRank=True,
        )
        if dynamic or open_image:
            signature = [
                -1 if dynamic else shape[0],
                *((-1, -1) if open_image else shape[1:3]),
                *shape[3:],
            ]
            tensor.shapeSignature = np.array(signature, "<i4")
        if scale is not None:
            scale, zero = np.broadcast_arrays(np.float32(scale), np.int64(zero))
            tensor.quantization = make(
                "QuantizationParameters",
                scale=scale.reshape(-1).copy(),
                zeroPoint=zero.reshape(-1).copy(),
            )
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name, values, scale=None, zero=0):
        index = self.tensor(name, values.shape, values.dtype.str[1:], scale, zero)
        self.model.buffers.append(make("Buffer", data=np.frombuffer(values.tobytes(), np.uint8)))
        self.graph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def operator(self, name, inputs, outputs, options=None, version=1, custom=None):
        """`name` of a builtin, or of a custom operator with `custom` bytes as its options."""
        kind = (
            schema.BuiltinOperator.CUSTOM
            if custom is not None
            else getattr(schema.BuiltinOperator, name)
        )
        code = make(
            "OperatorCode",
            deprecatedBuiltinCode=min(kind, 127),
            builtinCode=kind,
            version=version,
            customCode=name.encode() if custom is not None else None,
        )
        self.model.operatorCodes.append(code)
        operator = make(
            "Operator",
            opcodeIndex=len(self.model.operatorCodes) - 1,
            inputs=np.array(inputs, "<i4"),
            outputs=np.array(outputs, "<i4"),
            builtinOptions=options,
        )
        if options is not None:
            operator.builtinOptionsType = getattr(
                schema.BuiltinOptions, type(options).__name__[:-1]
            )
        if custom is not None:
            operator.customOptions = np.frombuffer(custom, np.uint8)
        self.graph.operators.append(operator)

    def build(self, inputs, outputs):
        self.graph.inputs, self.graph.outputs = np.array(inputs, "<i4"), np.array(outputs, "<i4")
        return pack(self.model)


def pack(model):
    """Bytes of a ModelT, with aligned buffers."""

    class Aligned(flatbuffers.Builder):
        def StartVector(self, size, count, alignment):  # noqa: N802
            return super().StartVector(size, count, 16 if size == 1 else alignment)

    builder = Aligned(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def unpack(data):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))


def change(part, **fields):
    """Set fields of a part of a model."""
    for name, value in fields.items():
        setattr(part, name, value)


def _type(dtype):
    return getattr(schema.TensorType, TYPES[dtype])


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
        wanted = "" if self.output is None else "-o" + "x".join(map(str, self.output))
        return (
            f"{geometry}-{self.padding}{wanted}-b{self.batch}-c{self.cin}-{self.cout}-{self.activation}"
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
    fixed = not case.dynamic and not case.open_image
    wanted = (
        builder.constant("shape", np.array(shape, "<i4"))
        if fixed
        else _wanted(builder, x, shape, case)
    )
    y = builder.tensor("picture", shape, *parts.y, **opened)
    options = make(
        "TransposeConvOptions",
        padding=getattr(schema.Padding, case.padding),
        strideH=case.strides[0],
        strideW=case.strides[1],
        fusedActivationFunction=getattr(schema.ActivationFunctionType, case.activation),
    )
    builder.operator("TRANSPOSE_CONV", [wanted, weights, x, *bias], [y], options, version=4)
    return builder.build([x], [y])


def _parts(case):
    """Types and quantization of input and output; values and scales of weights and bias."""
    rng = case.rng()
    shape = (case.cout, *case.kernel, case.cin)
    if case.kind in ("float32", "float16"):
        stored = "f2" if case.kind == "float16" else "f4"
        weights, bias = (
            rng.standard_normal(shape).astype(stored),
            rng.standard_normal(case.cout).astype(stored),
        )
        return SimpleNamespace(x=("f4",), y=("f4",), weights=(weights,), bias=(bias,))
    if case.kind == "float32x8":
        weights, bias = (
            rng.integers(-127, 128, shape).astype("i1"),
            rng.standard_normal(case.cout).astype("f4"),
        )
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
    w_scale = rng.uniform(
        0.005, 0.02, case.cout if case.per_channel and case.kind != "uint8" else 1
    ).astype("f4")
    # The output's range is taken from a run of the definition, so that values fill it and some are
    # clipped.
    axes = SimpleNamespace(axes=case.axes, groups=1)
    reals = (case.input().astype("f8") - zero) * x_scale
    filters = (weights.astype("f8") - w_zero) * w_scale.reshape(-1, 1, 1, 1)
    bias = np.round(rng.standard_normal(case.cout) * 20 / (x_scale * w_scale)).astype(b_type)
    y = (
        conv_transpose(reals, np.transpose(filters, (1, 2, 0, 3)), axes)
        + bias * (x_scale * w_scale) * case.bias
    )
    low, high = (np.percentile(y, p) for p in (1, 99))
    info = np.iinfo(x_type)
    y_scale = np.float32(max(high - low, 1e-3) / (info.max - info.min))
    y_zero = (
        0
        if case.kind == "int16x8"
        else int(np.clip(round(info.min - low / y_scale), info.min, info.max))
    )
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


def _wanted(builder, x, shape, case):
    """The chain that a converter emits for open dimensions: SHAPE, STRIDED_SLICE, MUL, ADD, PACK."""
    vector, packed = (
        builder.tensor("chain/shape", (4,), "i4"),
        builder.tensor("chain/packed", (4,), "i4"),
    )
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

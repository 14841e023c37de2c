"""What may surround a transposed convolution in a .tflite file: changes in the object API."""

import struct

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.fuzz.case import chance, pick, whole
from benchmarks.fuzz.tflite_builder import Builder, change
from benchmarks.fuzz.tflite_models import Deconv
from splitdeconv.formats.tflite.flatbuffer.bounds import make

FLOAT = schema.TensorType.FLOAT32


class Draft(Builder):
    """A model while it is being drawn.

    Args:
        rng: of everything drawn.
        model: a ModelT whose first subgraph goes on being drawn.
        case: the `Deconv` it was made from.
    """

    def __init__(self, rng, model, case: Deconv):
        super().__init__()
        self.rng, self.case, self.told = rng, case, []
        self.model, self.graph = model, model.subgraphs[0]

    @property
    def site(self):
        """The first operator that is a transposed convolution."""
        return next(op for op in self.graph.operators if len(op.inputs) > 2)

    def of(self, index):
        return self.graph.tensors[index]

    def named(self, name):
        """Index of a tensor."""
        names = [tensor.name for tensor in self.graph.tensors]
        return names.index(name.encode())

    def like(self, index, stem):
        """A new activation tensor of the shape, type and scale of another."""
        old = self.of(index)
        new = self.tensor(f"{stem}{len(self.graph.tensors)}", old.shape, "f4")
        change(self.of(new), type=old.type, quantization=old.quantization)
        self.of(new).shapeSignature = old.shapeSignature
        return new

    def front(self, count=1):
        """Move the latest operators to the front."""
        operators = self.graph.operators
        self.graph.operators = operators[-count:] + operators[:-count]

    def is_float(self, index):
        return self.of(index).type == FLOAT


def before(draft):
    """An operator between the graph's input and the site."""
    old = int(draft.graph.inputs[0])
    new = draft.like(old, "before")
    if draft.is_float(old):
        _unary(draft, new, old)
    else:
        draft.told.append("QUANTIZE")
        change(draft.of(new), type=FLOAT, quantization=None)
        draft.operator("QUANTIZE", [new], [old], make("QuantizeOptions"), version=2)
    draft.front()
    draft.graph.inputs = np.array([new, *draft.graph.inputs[1:]], "<i4")


def after(draft):
    """An operator between the site and the graph's output."""
    old = int(draft.graph.outputs[0])
    new = draft.like(old, "after")
    if draft.is_float(old):
        _unary(draft, old, new)
    elif chance(draft.rng, 0.5):
        change(draft.of(new), type=FLOAT, quantization=None)
        draft.operator("DEQUANTIZE", [old], [new], make("DequantizeOptions"), version=2)
    else:
        draft.operator("RELU", [old], [new], version=2)
    keep = [old] if chance(draft.rng, 0.2) else []
    draft.graph.outputs = np.array([new, *keep, *draft.graph.outputs[1:]], "<i4")


def _unary(draft, x, y):
    kind = pick(draft.rng, ("RELU", "LOGISTIC", "TANH", "ADD", "MUL", "ABS", "MAX_POOL_2D"))
    if kind == "ADD":
        values = draft.rng.standard_normal(int(draft.of(x).shape[-1])).astype("f4")
        c = draft.constant(f"c{len(draft.graph.tensors)}", values)
        draft.operator(kind, [x, c], [y], make("AddOptions"))
    elif kind == "MUL":
        draft.operator(kind, [x, x], [y], make("MulOptions"))
    elif kind == "MAX_POOL_2D":
        fields = {"strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": 2}
        draft.operator(kind, [x], [y], make("Pool2DOptions", padding=0, **fields))
    else:
        options = make("AbsOptions") if kind == "ABS" else None
        draft.operator(kind, [x], [y], options)


def second(draft):
    """A second transposed convolution, float32: after the first, or beside it with its filters."""
    y = int(draft.graph.outputs[0])
    if not draft.is_float(y) or draft.case.dynamic:
        return
    rng, first = draft.rng, draft.site
    if chance(rng, 0.4):
        draft.told.append("shared filters")
        inputs = [int(n) for n in first.inputs[:3]]
        if chance(rng, 0.5):
            values = rng.standard_normal(draft.case.cout).astype("f4")
            inputs.append(draft.constant("bias2", values))
        new = draft.like(int(first.outputs[0]), "beside")
        draft.operator("TRANSPOSE_CONV", inputs, [new], first.builtinOptions, version=3)
        draft.graph.outputs = np.array([*draft.graph.outputs, new], "<i4")
        return
    draft.told.append("two sites")
    batch, *sizes, channels = (int(n) for n in draft.of(y).shape)
    case = draft_case(rng, kinds=("float32",)).with_(sizes=tuple(sizes), output=None)
    shape = (batch, *(axis.o for axis in case.axes), case.cout)
    w = rng.standard_normal((case.cout, *case.kernel, channels)).astype("f4")
    inputs = [draft.constant("shape2", np.array(shape, "<i4")), draft.constant("weights2", w), y]
    new = draft.tensor("second", shape, "f4")
    options = make("TransposeConvOptions", strideH=case.strides[0], strideW=case.strides[1])
    options.padding = getattr(schema.Padding, case.padding)
    draft.operator("TRANSPOSE_CONV", inputs, [new], options, version=1)
    draft.graph.outputs = np.array([new, *draft.graph.outputs[1:]], "<i4")


def packed(draft):
    """Filters stored as int8 or float16, unpacked by DEQUANTIZE; a chain of two at times."""
    at = int(draft.site.inputs[1])
    if not draft.is_float(at) or not draft.of(at).buffer:
        return
    rng, old = draft.rng, draft.of(at)
    values = np.array(draft.model.buffers[old.buffer].data).view("<f4").reshape(old.shape)
    scale = np.float32(rng.uniform(0.01, 0.04))
    count = values.shape[0] if chance(rng, 0.5) else 1
    scales = np.full(count, scale) * rng.uniform(0.5, 1, count).astype("f4")
    zero = whole(rng, -9, 9) if count == 1 and chance(rng, 0.5) else 0
    wide = scales.reshape(-1, 1, 1, 1)
    stored = np.clip(np.round(values / wide) + zero, -127, 127).astype("i1")
    zeros = np.full(count, zero) if count == 1 or chance(rng, 0.7) else np.zeros(1, "i8")
    draft.told.append(f"int8 behind DEQUANTIZE{', zero point' * bool(zero)}")
    index = draft.constant("packed", stored, scales, zeros if zeros.size == count else 0)
    new = draft.like(at, "unpacked")
    draft.of(new).buffer = 0
    draft.operator("DEQUANTIZE", [index], [new], make("DequantizeOptions"), version=2)
    draft.front()
    for op in draft.graph.operators:
        if op is not draft.graph.operators[0]:
            op.inputs = np.array([new if n == at else n for n in op.inputs], "<i4")


def listed(draft):
    """Constants that are inputs of the graph, too."""
    stored = [int(n) for n in draft.site.inputs if n >= 0 and draft.of(n).buffer]
    if stored:
        draft.told.append("constant as input")
        more = pick(draft.rng, stored)
        draft.graph.inputs = np.array([*draft.graph.inputs, more], "<i4")


def signature(draft):
    """A signature, whose names are others than the tensors'."""
    graph = draft.graph

    def named(stem, indices):
        names = (f"{stem}{i}".encode() for i in range(len(indices)))
        pairs = zip(names, map(int, indices), strict=True)
        return [make("TensorMap", name=name, tensorIndex=index) for name, index in pairs]

    ports = [named("in", graph.inputs), named("out", graph.outputs)]
    key = pick(draft.rng, (b"serving_default", b"main", b"f"))
    draft.told.append("signature")
    draft.model.signatureDefs = [
        make("SignatureDef", inputs=ports[0], outputs=ports[1], signatureKey=key, subgraphIndex=0)
    ]


def branched(draft):
    """The whole graph as one branch of an IF; the other gives zeros, or the same."""
    model, graph = draft.model, draft.graph
    if draft.case.dynamic or len(graph.outputs) > 1 or len(graph.inputs) > 1:
        return
    draft.told.append("IF")
    x, y = draft.of(int(graph.inputs[0])), draft.of(int(graph.outputs[0]))
    main = make("SubGraph", tensors=[], operators=[], name=b"main")
    graph.name = b"then"
    model.subgraphs = [main, graph, graph]
    draft.graph = main
    which = draft.tensor("which", (), "f4")
    draft.of(which).type = schema.TensorType.BOOL
    ends = []
    for old in (x, y):
        ends.append(draft.tensor(f"outer{len(ends)}", old.shape, "f4"))
        change(draft.of(ends[-1]), type=old.type, quantization=old.quantization)
    options = make("IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2)
    draft.operator("IF", [which, ends[0]], [ends[1]], options)
    main.inputs, main.outputs = np.array([which, ends[0]], "<i4"), np.array([ends[1]], "<i4")


def oddities(draft):
    """Fields that a reader has to leave alone."""
    rng, tensors = draft.rng, draft.graph.tensors
    tensor = pick(rng, tensors)
    how = whole(rng, 0, 4)
    if how == 0 and tensor.type == FLOAT:
        draft.told.append("scale on float")
        values = {"scale": np.array([0.1], "f4"), "zeroPoint": np.array([whole(rng, 0, 3)], "<i8")}
        tensor.quantization = make("QuantizationParameters", **values)
    elif how == 1:
        draft.model.metadata = [make("Metadata", name=b"about", buffer=0)]
    elif how == 2:
        draft.tensor("unused", (1, 2), "f4")
    elif how == 3:
        tensor.name = pick(rng, (b"", None, b"weights", tensors[0].name))
    elif tensor.quantization is not None:
        change(tensor.quantization, min=np.array([-1], "f4"), max=np.array([1], "f4"))


def draft_case(rng, kinds=("float32", "float32", "int8", "int8", "uint8", "int16x8", "float16")):
    """Any transposed convolution of TFLite's own operator."""
    kind = pick(rng, kinds)
    sizes, kernel, strides = (tuple(whole(rng, 1, n) for _ in range(2)) for n in (6, 5, 4))
    padding, output = pick(rng, ("SAME", "VALID")), None
    if chance(rng, 0.4):
        least = (1, 1) if padding == "SAME" else kernel
        output = tuple(
            (n - 1) * s + a + int(rng.integers(s))
            for n, s, a in zip(sizes, strides, least, strict=True)
        )
    activation = pick(rng, ("NONE", "NONE", "RELU", "RELU6")) if kind != "int16x8" else "NONE"
    return Deconv(
        sizes=sizes,
        kernel=kernel,
        strides=strides,
        padding=padding,
        output=output,
        batch=pick(rng, (1, 1, 2, 3)),
        cin=whole(rng, 1, 6),
        cout=whole(rng, 1, 5),
        kind=kind,
        per_channel=chance(rng, 0.7),
        bias=chance(rng, 0.7),
        activation=activation,
        dynamic=chance(rng, 0.25),
    )


def mediapipe(rng):
    """A file with MediaPipe's operator: SAME or VALID, any kernel."""
    builder = Builder()
    kernel, strides = ((whole(rng, 1, 4), whole(rng, 1, 4)) for _ in range(2))
    sizes, cin, cout = (whole(rng, 1, 5), whole(rng, 1, 5)), whole(rng, 1, 4), whole(rng, 1, 4)
    w = builder.constant("weights", rng.standard_normal((cout, *kernel, cin)).astype("f4"))
    b = builder.constant("bias", rng.standard_normal(cout).astype("f4"))
    same = chance(rng, 0.5)
    lengths = [
        n * s if same else (n - 1) * s + k for n, s, k in zip(sizes, strides, kernel, strict=True)
    ]
    x = builder.tensor("image", (1, *sizes, cin), "f4")
    y = builder.tensor("picture", (1, *lengths, cout), "f4")
    options = struct.pack("<3i", 1 if same else 2, strides[1], strides[0])
    builder.operator("Convolution2DTransposeBias", [x, w, b], [y], custom=options)
    return builder.build([x], [y])

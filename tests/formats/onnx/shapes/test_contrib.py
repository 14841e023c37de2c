"""Behind operators of ONNX Runtime, inference finds the shapes that the runtime computes."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import splitdeconv as sd
from splitdeconv.formats.onnx.graph import scopes
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.onnx.shapes.types import known_types
from tests.formats.onnx.models import model, run, value

MS = "com.microsoft"
RNG = np.random.default_rng(3)


def f4(*shape):
    return RNG.standard_normal(shape).astype("f4")


def i1(*shape, kind="u1"):
    return RNG.integers(0, 100, shape).astype(kind)


SCALE, ZERO = np.float32(0.05), np.uint8(7)
PAIR = {"s": SCALE, "z": ZERO}
CONV = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]}
IMAGE, BYTES = ("f4", (2, 3, 9, 7)), ("u1", (2, 3, 9, 7))
# Operator: (inputs of the model, by name; constants; the operator's inputs; attributes).
CASES = {
    "BiasGelu": ({"x": ("f4", (2, 5, 6))}, {"b": f4(6)}, "x b", {}),
    "FastGelu": ({"x": ("f4", (2, 5, 6))}, {"b": f4(6)}, "x b", {}),
    "Gelu": ({"x": IMAGE}, {}, "x", {}),
    "QuickGelu": ({"x": IMAGE}, {}, "x", {"alpha": 1.7}),
    "SkipLayerNormalization": (
        {"x": ("f4", (2, 5, 6))},
        {"k": f4(2, 5, 6), "g": f4(6), "b": f4(6)},
        "x k g b",
        {},
    ),
    "SkipSimplifiedLayerNormalization": (
        {"x": ("f4", (2, 5, 6))},
        {"k": f4(2, 5, 6), "g": f4(6)},
        "x k g",
        {},
    ),
    "QLinearWhere": (
        {"x": BYTES},
        PAIR | {"c": i1(7) > 50, "k": i1(3, 1, 1)},
        "c x s z k s z s z",
        {},
    ),
    "Inverse": ({"x": ("f4", (4, 3, 3))}, {}, "x", {}),
    "Trilu": ({"x": ("f4", (4, 3, 5))}, {}, "x", {}),
    "QuantizeLinear": ({"x": IMAGE}, {"s": SCALE, "z": np.int16(-3)}, "x s z", {}),
    "DequantizeLinear": ({"x": BYTES}, PAIR, "x s z", {}),
    "QLinearLeakyRelu": ({"x": BYTES}, PAIR, "x s z s z", {"alpha": 0.1}),
    "QLinearSigmoid": ({"x": BYTES}, PAIR, "x s z s z", {}),
    "QLinearSoftmax": ({"x": BYTES}, PAIR, "x s z s z", {"axis": 1, "opset": 13}),
    "QLinearAdd": ({"x": BYTES}, PAIR | {"k": i1(3, 1, 1)}, "x s z k s z s z", {}),
    "QLinearMul": ({"x": ("u1", (3, 1, 7))}, PAIR | {"k": i1(2, 3, 9, 1)}, "x s z k s z s z", {}),
    "QLinearConcat": (
        {"x": BYTES, "v": ("u1", (2, 5, 9, 7))},
        PAIR,
        "s z x s z v s z",
        {"axis": 1},
    ),
    "QLinearAveragePool": ({"x": BYTES}, PAIR, "x s z s z", CONV),
    "QLinearGlobalAveragePool": ({"x": BYTES}, PAIR, "x s z s z", {"channels_last": 0}),
    "FusedConv": (
        {"x": IMAGE},
        {"w": f4(4, 3, 3, 2), "b": f4(4)},
        "x w b",
        CONV | {"activation": "Relu"},
    ),
    "FusedGemm": (
        {"x": ("f4", (5, 3))},
        {"w": f4(5, 4)},
        "x w",
        {"transA": 1, "activation": "Relu"},
    ),
    "QLinearConv": (
        {"x": ("u1", (2, 9, 7, 3))},
        PAIR | {"w": i1(4, 3, 3, 2)},
        "x s z w s z s z",
        CONV | {"channels_last": 1},
    ),
    "NhwcMaxPool": ({"x": ("u1", (2, 9, 7, 3))}, {}, "x", CONV),
}


TYPES = {
    "QuantizeLinear": TensorProto.INT16,
    "DequantizeLinear": TensorProto.FLOAT,
    "NhwcMaxPool": TensorProto.UINT8,
}


def one(kind, opened=False, opset=13):
    """A model of one operator whose output is declared without a shape."""
    inputs, constants, names, attributes = CASES[kind]
    node = helper.make_node(kind, names.split(), ["y"], domain=MS, name="own", **attributes)
    ports = [
        value(n, t, ["n", *shape[1:]] if opened else shape) for n, (t, shape) in inputs.items()
    ]
    output = onnx.ValueInfoProto(name="y")
    output.type.tensor_type.elem_type = TYPES.get(
        kind, TensorProto.UINT8 if "z" in constants else TensorProto.FLOAT
    )
    source = model(
        [node], ports, [output], {n: np.asarray(a) for n, a in constants.items()}, opset=opset
    )
    source.opset_import.append(helper.make_opsetid(MS, 1))
    for stored in source.graph.initializer:
        if stored.name in ("s", "z"):
            stored.ClearField("dims")  # a scalar
    return source


def inferred(source, name="y"):
    (known, *_) = known_types(source, scopes(source))
    return known.get(name, (0, None))


@pytest.mark.parametrize("kind", CASES)
def test_inference_tells_what_the_runtime_computes(kind):
    source = one(kind)
    feeds = {
        n: (f4(*shape) if t == "f4" else i1(*shape, kind=t))
        for n, (t, shape) in CASES[kind][0].items()
    }
    data_type, shape = inferred(source)
    (y,) = run(source, feeds)
    assert (shape, data_type) == (y.shape, helper.np_dtype_to_tensor_dtype(y.dtype))


def test_a_convolution_may_have_a_result_of_another_type():
    source = one("QLinearConv")
    source.graph.initializer.append(helper.make_tensor("t", TensorProto.INT8, [], [-2]))
    source.graph.node[0].input[7] = "t"
    source.graph.output[0].type.tensor_type.elem_type = TensorProto.INT8
    assert inferred(source) == (TensorProto.INT8, inferred(one("QLinearConv"))[1])


@pytest.mark.parametrize(
    "kind", ["Gelu", "FusedConv", "QLinearConv", "QLinearAdd", "QuantizeLinear"]
)
def test_an_open_batch_stays_open_and_the_rest_is_known(kind):
    fixed, opened = (inferred(one(kind, opened))[1] for opened in (False, True))
    assert None not in fixed
    assert opened == (None, *fixed[1:])


@pytest.mark.parametrize("opset", [8, 11, 17, 21])
def test_every_operator_set_is_inferred(opset):
    """Where its operators are older than what stands in, inference goes on without."""
    for kind in CASES:
        source = one(kind, opset=opset)
        source.graph.node.append(helper.make_node("Relu", [next(iter(CASES[kind][0]))], ["r"]))
        shape = tuple(next(iter(CASES[kind][0].values()))[1])
        assert inferred(source, "r")[1] == shape, kind
        if (kind, opset) != ("QLinearWhere", 8):  # Where is younger
            assert inferred(source)[1] == inferred(one(kind))[1], kind


def test_what_is_not_known_stays_unknown():
    """The controls: another domain, an operator nobody listed, a zero point that is computed."""
    source = one("Gelu")
    source.graph.node[0].domain = "com.example"
    assert inferred(source)[1] is None
    source = one("Gelu")
    source.graph.node[0].op_type = "NobodyKnows"
    assert inferred(source)[1] is None
    source = one("QuantizeLinear")
    source.graph.node.insert(0, helper.make_node("Neg", ["z"], ["minus"]))
    source.graph.node[1].input[2] = "minus"
    assert inferred(source)[1] is None


def chain(rng):
    """Conv, Relu, ConvTranspose, and 16-bit quantizers around a second ConvTranspose; static."""
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], pads=[0, 1, 2, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node(
            "ConvTranspose", ["r", "w"], ["c"], name="first", strides=[2, 2], pads=[1, 0, 1, 1]
        ),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["q"], domain=MS),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], domain=MS),
        helper.make_node(
            "ConvTranspose", ["d", "u"], ["y"], name="second", strides=[2, 2], pads=[0, 1, 0, 1]
        ),
    ]
    weights = {"v": (6, 2, 3, 3), "w": (6, 5, 4, 3), "u": (5, 3, 2, 4)}
    weights = {
        name: rng.standard_normal(shape).astype("f4") * 0.3 for name, shape in weights.items()
    }
    weights |= {"s": np.float32(1e-3), "z": np.uint16(30011)}
    source = model(
        nodes, [value("x", "f4", [1, 2, 7, 5])], [value("y", "f4", [None] * 4)], weights, opset=17
    )
    source.opset_import.append(helper.make_opsetid(MS, 1))
    return source


def optimized(source, level, path):
    """What ONNX Runtime makes of a model, as a file."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(source.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return path.read_bytes()


@pytest.mark.parametrize("level", ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_a_file_that_the_runtime_optimized_is_fixed(level, rng, tmp_path, here):
    source = chain(rng)
    for dim in source.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_param = "n"
    data = optimized(source, level, tmp_path / "optimized.onnx")
    report = sd.convert(data, input_shape=(1, 2, 6, 6)).report
    geometries = [decision.site.geometry for decision in report.decisions]
    assert [text.split(" ", 1)[0] for text in geometries] == ["6", "12"]
    assert report.verification


@pytest.mark.parametrize(
    "level", [None, "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]
)
def test_a_file_that_the_runtime_optimized_keeps_its_sizes(level, rng, tmp_path, here):
    source = chain(rng)
    data = (
        source.SerializeToString()
        if level is None
        else optimized(source, level, tmp_path / "optimized.onnx")
    )
    plain, sites = (OnnxModel.parse(one).sites() for one in (source, data))
    assert [site.geometry for site in sites] == [site.geometry for site in plain]
    assert all(site.macs()["useful"] for site in sites)
    domains = {node.domain for node in onnx.load_model_from_string(data).graph.node}
    assert level in (None, "ORT_ENABLE_BASIC") or domains & {MS, "com.microsoft.nchwc"}
    result = sd.convert(data)
    assert result.report.converted == 2
    assert not {"Shape", "Gather"} & set(result.report.operators_after)
    x = {"x": rng.standard_normal((1, 2, 7, 5)).astype("f4")}
    y, z = run(source, x)[0], run(result.model, x)[0]
    assert y.shape == z.shape
    assert np.abs(y - z).max() <= 2e-3 + 1e-5 * np.abs(y).max()  # a step of the quantizer

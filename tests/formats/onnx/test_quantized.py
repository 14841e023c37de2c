"""Quantized ONNX models: integers stay integers, scales and zero points follow their channels."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import (
    convert,
    initializers,
    kinds,
    model,
    node,
    run,
    same,
    tensor,
    value,
)

FORMS = FILE_FORMS
RNG = np.random.default_rng(0)
X = RNG.integers(-9, 10, (2, 4, 5, 4)).astype("f")
W = RNG.integers(-9, 10, (4, 3, 3, 5)).astype("f")
BIAS = RNG.integers(-9, 10, 6).astype("f")
UP = {"strides": [2, 2], "pads": [1, 1, 0, 2], "group": 2}
OPEN = value("y", "f", [None] * 4)


def _up(inputs, name="up", output="y", **changes):
    return helper.make_node("ConvTranspose", list(inputs), [output], name=name, **(UP | changes))


def _model(nodes, stored, inputs=(), **how):
    return model(nodes, [value("x", "f", [None, 4, None, None]), *inputs], [OPEN], stored, **how)


def _quantized(rng, *, activation="uint8", weights="int8", axis=1, groups=1, opset=17, domain=""):
    """DequantizeLinear around a ConvTranspose, as quantizers write it, with realistic scales."""
    shape = (4, 3, 5, 4)
    channels = {None: (), 0: (4,), 1: (3,)}[axis]
    scale = rng.uniform(0.002, 0.02, channels).astype("f")
    signed = weights == "int8"
    zero = (
        np.zeros(channels, weights) if signed else rng.integers(100, 150, channels).astype(weights)
    )
    stored = {
        "w": rng.integers(-127 if signed else 0, 128 if signed else 256, shape).astype(weights),
        "w_scale": scale,
        "w_zero": np.asarray(zero, weights),
        "b": rng.integers(-300, 300, 3 * groups).astype("i4"),
        "b_scale": np.asarray(
            0.0512347 * (np.tile(scale, groups) if axis == 1 else scale.mean()), "f"
        ),
        "x_scale": np.float32(0.0512347),
        "x_zero": np.array(120 if activation == "uint8" else -7, activation),
        "y_scale": np.float32(0.1134567),
        "y_zero": np.array(101 if activation == "uint8" else 9, activation),
    }
    by_channel = {} if axis is None else {"axis": axis}
    nodes = [
        node("QuantizeLinear", ["x", "x_scale", "x_zero"], "x_q", domain=domain),
        node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], "x_d", domain=domain),
        node("DequantizeLinear", ["w", "w_scale", "w_zero"], "w_d", domain=domain, **by_channel),
        node(
            "DequantizeLinear",
            ["b", "b_scale"],
            "b_d",
            domain=domain,
            **({"axis": 0} if axis == 1 else {}),
        ),
        _up(["x_d", "w_d", "b_d"], output="y_f", group=groups),
        node("QuantizeLinear", ["y_f", "y_scale", "y_zero"], "y_q", domain=domain),
        node("DequantizeLinear", ["y_q", "y_scale", "y_zero"], "y", domain=domain),
    ]
    ports = [value("x", "f", [None, 4, 5, 4])], [value("y_q", activation, [None] * 4)]
    domains = [domain] if domain else []
    source = model(nodes, *ports, stored, opset=opset, domains=domains)
    return source, rng.uniform(-5, 5, (8, 4, 5, 4)).astype("f")


def _steps(source, converted, x):
    """How often the outputs differ by so many steps."""
    first, second = (run(m, {"x": x})[0].astype(int) for m in (source, converted))
    return dict(
        zip(
            *(part.tolist() for part in np.unique(np.abs(first - second), return_counts=True)),
            strict=True,
        )
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weights", ["int8", "uint8"])
@pytest.mark.parametrize("axis", [1, None])
@pytest.mark.parametrize("groups", [1, 2])
def test_quantized_models_keep_their_scales(form, weights, axis, groups):
    """Integer sums are exact, the original's are float32: at most one step, next to a half step."""
    rng = np.random.default_rng(5)
    for activation in ("uint8", "int8"):
        source, x = _quantized(
            rng, activation=activation, weights=weights, axis=axis, groups=groups
        )
        converted = convert(source, form)
        steps = _steps(source, converted, x)
        assert set(steps) <= {0, 1}
        assert steps.get(1, 0) <= 1e-3 * sum(steps.values())
        stored = initializers(converted)
        # Signed filters under unsigned inputs become unsigned: their sums would saturate on some
        # processors.
        kept = weights if activation == "int8" and form != "stacked" else "uint8"
        assert {a.dtype for name, a in stored.items() if name[:2] == "w_" and a.ndim == 4} == {
            np.dtype(kept)
        }
        scales = {
            s for n, a in stored.items() if n.startswith("w_scale") for s in np.unique(a).tolist()
        }
        assert scales == set(np.unique(numpy_helper.to_array(source.graph.initializer[1])).tolist())


def test_a_permuted_scale_is_noticed():
    """Negative control for the quantized comparison."""
    source, x = _quantized(np.random.default_rng(5))
    converted = convert(source)
    scale = next(t for t in converted.graph.initializer if t.name.startswith("w_scale"))
    scale.CopyFrom(tensor(scale.name, numpy_helper.to_array(scale)[::-1]))
    assert max(_steps(source, converted, x)) > 1


@pytest.mark.parametrize("form", FORMS)
def test_onnx_runtime_computes_a_quantized_model_in_integers(form, tmp_path):
    import onnxruntime as ort

    source, _ = _quantized(np.random.default_rng(5))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(
        convert(source, form).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = kinds(onnx.load(tmp_path / "optimized.onnx"))
    assert found.count("QLinearConv") == {"split": 4, "rows": 2, "stacked": 1}[form]
    assert "Conv" not in found


def test_quantizing_twice_changes_nothing():
    """Each convolution is followed by the output's QuantizeLinear and its inverse."""
    source, _ = _quantized(np.random.default_rng(5))
    converted = convert(source)
    quantizers = [n for n in converted.graph.node if n.op_type == "QuantizeLinear"]
    assert len(quantizers) == 1 + 4 + 1
    assert [list(n.input[1:]) for n in quantizers[1:]] == [["y_scale", "y_zero"]] * 5
    assert quantizers[-1].output == ["y_q"]


@pytest.mark.parametrize(
    "change", ["second reader", "output", "float input", "scale per channel", "zero points"]
)
def test_results_are_not_quantized_early_for_others(change):
    source, x = _quantized(np.random.default_rng(5))
    if change == "second reader":
        source.graph.node.append(node("Neg", ["y_f"], "negative"))
        source.graph.output.append(value("negative", "f", [None] * 4))
    elif change == "output":
        source.graph.output.append(value("y_f", "f", [None] * 4))
    elif change == "float input":
        source.graph.node[4].input[0] = "x"
    elif change == "zero points":
        source.graph.initializer[2].CopyFrom(tensor("w_zero", np.array([0, 1, 0], "i1")))
    else:
        source.graph.initializer[7].CopyFrom(tensor("y_scale", np.array([0.1, 0.2, 0.3], "f")))
        source.graph.initializer[8].CopyFrom(tensor("y_zero", np.array([100, 101, 102], "u1")))
        source.graph.node[5].attribute.append(helper.make_attribute("axis", 1))
        source.graph.node[6].attribute.append(helper.make_attribute("axis", 1))
    converted = convert(source)
    assert kinds(converted).count("QuantizeLinear") == 2
    steps = _steps(source, converted, x)
    assert set(steps) <= {0, 1}
    assert steps.get(1, 0) <= 1e-3 * sum(steps.values())


@pytest.mark.parametrize("form", FORMS)
def test_scales_per_input_channel_and_microsofts_domain(form):
    source, x = _quantized(np.random.default_rng(5), axis=0, weights="uint8")
    assert set(_steps(source, convert(source, form), x)) <= {0, 1}
    source, x = _quantized(np.random.default_rng(5), domain="com.microsoft")
    converted = convert(source, form, checked=False)
    assert set(_steps(source, converted, x)) <= {0, 1}
    assert not {"w", "w_d"} & {name for node in converted.graph.node for name in node.input}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "what", ["input channels of groups", "kernel axis", "blocks", "computed scale"]
)
def test_scales_that_cannot_follow_stay_in_front_of_the_cut(form, what):
    """Filters are then cut in the graph, dequantized."""
    rng = np.random.default_rng(5)
    w = rng.integers(-127, 128, W.shape).astype("i1")
    axis, length, more = {
        "input channels of groups": (0, 4, {}),
        "kernel axis": (3, 5, {}),
        "blocks": (0, 2, {"block_size": 2}),
        "computed scale": (1, 3, {}),
    }[what]
    scale = rng.integers(1, 5, (2, *W.shape[1:]) if more else length).astype("f")
    nodes = [
        node("DequantizeLinear", ["w", "scale"], "w_d", axis=axis, **more),
        _up(["x", "w_d", "b"]),
    ]
    inputs = [value("scale", "f", scale.shape)] if what == "computed scale" else []
    stored = {"w": w, "b": BIAS} | ({} if inputs else {"scale": scale})
    source = _model(nodes, stored, inputs, opset=21, ir_version=10)
    converted = same(source, form, {"x": X} | ({"scale": scale} if inputs else {}))
    assert kinds(converted).count("DequantizeLinear") == 1


@pytest.mark.parametrize("form", FORMS)
def test_fake_quantized_float_weights(form):
    """QuantizeLinear and DequantizeLinear behind float weights, as training leaves them."""
    scale, zero = np.array([0.5, 1, 2], "f"), np.zeros(3, "i1")
    nodes = [
        node("QuantizeLinear", ["w", "scale", "zero"], "w_q", axis=-3),
        node("DequantizeLinear", ["w_q", "scale", "zero"], "w_d", axis=-3),
        _up(["x", "w_d", "b"]),
    ]
    same(_model(nodes, {"w": W, "scale": scale, "zero": zero, "b": BIAS}), form, {"x": X})


def test_fake_quantized_weights_are_computed_in_integers_too():
    source, x = _quantized(np.random.default_rng(5))
    scale = numpy_helper.to_array(source.graph.initializer[1])
    weights = numpy_helper.to_array(source.graph.initializer[0]) * scale[:, None, None]
    source.graph.initializer[0].CopyFrom(tensor("w", weights.astype("f")))
    source.graph.node[2].input[0] = "w_q"
    source.graph.node.insert(2, node("QuantizeLinear", ["w", "w_scale", "w_zero"], "w_q", axis=1))
    converted = convert(source)
    assert kinds(converted).count("QuantizeLinear") == 4 + 1 + 4 + 1
    assert set(_steps(source, converted, x)) <= {0, 1}


def test_the_type_of_a_site():
    source, _ = _quantized(np.random.default_rng(5), weights="uint8")
    assert OnnxModel.parse(source).sites()[0].dtype == "uint8"
    nodes = [node("Cast", ["w"], "w1", to=1), _up(["x", "w1", "b"])]
    assert (
        OnnxModel.parse(_model(nodes, {"w": W.astype("f2"), "b": BIAS})).sites()[0].dtype
        == "float16"
    )

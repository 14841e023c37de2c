"""Where filters and bias come from: constants of every kind, quantized ones, shared ones, and values of the graph."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from splitdeconv.convert.onnx import OnnxModel
from tests.convert.onnx_models import convert, kinds, model, problem, run, single, tensor, value

FORMS = ("split", "rows", "stacked")
RNG = np.random.default_rng(0)
X = RNG.integers(-9, 10, (2, 4, 5, 4)).astype("f")
W = RNG.integers(-9, 10, (4, 3, 3, 5)).astype("f")
BIAS = RNG.integers(-9, 10, 6).astype("f")
UP = {"strides": [2, 2], "pads": [1, 1, 0, 2], "group": 2}
OPEN = value("y", "f", [None] * 4)


def _up(inputs, name="up", output="y", **changes):
    return helper.make_node("ConvTranspose", list(inputs), [output], name=name, **(UP | changes))


def _node(kind, inputs, output, **attributes):
    return helper.make_node(kind, list(inputs), [output], name=output, **attributes)


def _model(nodes, stored, inputs=(), **how):
    return model(nodes, [value("x", "f", [None, 4, None, None]), *inputs], [OPEN], stored, **how)


def _same(source, form="split", feeds=None, interleave="concat"):
    """Equal to the last bit; returns the converted model."""
    feeds = {"x": X} if feeds is None else feeds
    converted = convert(source, form, interleave)
    for expected, got in zip(run(source, feeds), run(converted, feeds), strict=True):
        np.testing.assert_array_equal(got, expected)
    return converted


def _stored(converted):
    return {t.name: numpy_helper.to_array(t) for t in converted.graph.initializer}


def _constant(name, array):
    return _node("Constant", [], name, value=tensor(name, array))


@pytest.mark.parametrize("form", FORMS)
def test_constant_nodes(form):
    nodes = [_constant("w", W), _constant("b", BIAS), _up(["x", "w", "b"])]
    converted = _same(_model(nodes, {}), form)
    # The filters are gone; the form split takes the bias as it is.
    assert kinds(converted).count("Constant") == (form == "split")


@pytest.mark.parametrize("form", FORMS)
def test_behind_identity_and_cast(form):
    nodes = [_node("Identity", ["w"], "w1"), _node("Cast", ["w1"], "w2", to=1), _up(["x", "w2", "b"])]
    nodes.insert(0, _node("Cast", ["half"], "b", to=1))
    converted = _same(_model(nodes, {"w": W.astype("f2"), "half": BIAS.astype("f2")}), form)
    filters = [a for name, a in _stored(converted).items() if name.startswith("w_")]
    assert {a.dtype for a in filters} == {np.dtype("f2")}
    assert kinds(converted).count("Cast") == len(filters) + 1  # and the bias, once for all
    assert not {"w", "w1", "w2"} & {name for node in converted.graph.node for name in (*node.input, *node.output)}


def test_value_info_and_annotations_of_what_is_gone():
    nodes = [_node("Identity", ["w"], "w1"), _up(["x", "w1", "b"])]
    source = _model(nodes, {"w": W, "b": BIAS})
    source.graph.value_info.extend([value("w1", "f", W.shape), value("y", "f", [None] * 4)])
    for name in ("w1", "y"):
        note = source.graph.quantization_annotation.add(tensor_name=name)
        note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="b")
    converted = _same(source)
    assert [v.name for v in converted.graph.value_info] == ["y"]
    assert [a.tensor_name for a in converted.graph.quantization_annotation] == ["y"]


@pytest.mark.parametrize("form", FORMS)
def test_two_nodes_that_share_weights(form):
    """Of equal form and geometry they share the parts as well; else each has its own."""
    nodes = [_up(["x", "w", "b"], "one", "p"), _up(["x2", "w", "b"], "two", "q"), _node("Add", ["p", "q"], "y")]
    source = _model(nodes, {"w": W, "b": BIAS}, [value("x2", "f", [None, 4, None, None])])
    converted = _same(source, form, {"x": X, "x2": -X})
    count = sum(name.startswith("w_") for name in _stored(converted))
    assert count == {"split": 4, "rows": 2, "stacked": 1}[form]
    nodes[1] = _up(["x2", "w", "b"], "two", "q", dilations=[2, 1], pads=[2, 1, 1, 2])
    source = _model(nodes, {"w": W, "b": BIAS}, [value("x2", "f", [None, 4, None, None])])
    _same(source, form, {"x": X, "x2": -X})


def test_weights_that_something_else_uses_stay():
    nodes = [
        _up(["x", "w", "b"], output="p"),
        _node("ReduceSum", ["w"], "s", keepdims=0),
        _node("Add", ["p", "s"], "y"),
    ]
    assert "w" in _stored(_same(_model(nodes, {"w": W, "b": BIAS})))


def test_weights_that_are_an_output_stay():
    source = single(X, W, BIAS, **UP)
    source.graph.output.append(value("w", "f", W.shape))
    assert "w" in _stored(_same(source))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opset", [8, 10, 13, 18])
@pytest.mark.parametrize("groups", [1, 2])
def test_weights_that_are_inputs_are_cut_in_the_graph(form, opset, groups):
    nodes = [_up(["x", "w", "b"], group=groups)]
    inputs = [value("w", "f", W.shape), value("b", "f", [3 * groups])]
    source = _model(nodes, {}, inputs, opset=opset)
    converted = _same(source, form, {"x": X, "w": W, "b": BIAS[: 3 * groups]})
    assert [v.name for v in converted.graph.input] == ["x", "w", "b"]


@pytest.mark.parametrize("form", FORMS)
def test_weights_that_are_computed_are_cut_in_the_graph(form):
    nodes = [_node("Mul", ["w", "scale"], "w2"), _node("Neg", ["b"], "b2"), _up(["x", "w2", "b2"])]
    source = _model(nodes, {"w": W, "b": BIAS}, [value("scale", "f", [])])
    _same(source, form, {"x": X, "scale": np.array(3, "f")})
    _same(source, form, {"x": X, "scale": np.array(-2, "f")})


def test_computed_weights_of_unknown_shape_are_refused():
    source = _model([_up(["x", "w", "b"])], {"b": BIAS}, [value("w", "f", [4, 3, None, 5])])
    assert "the shape of its filters cannot be told" in problem(source)


@pytest.mark.parametrize("form", FORMS)
def test_initializers_a_caller_may_override(form):
    """From IR version 4 on an initializer that is an input is a default: overriding it has to work as before."""
    source = single(X, W, BIAS, **UP)
    source.graph.input.extend([value("w", "f", W.shape), value("b", "f", BIAS.shape)])
    converted = _same(source, form)
    assert {"w", "b"} <= set(_stored(converted))
    feeds = {"x": X, "w": W[::-1].copy(), "b": BIAS + 1}
    np.testing.assert_array_equal(run(converted, feeds)[0], run(source, feeds)[0])


@pytest.mark.parametrize("form", FORMS)
def test_old_models_list_every_initializer_as_an_input(form):
    source = single(X, W, BIAS, opset=8, ir_version=3, **UP)
    converted = _same(source, form)
    stored, inputs = _stored(converted), [v.name for v in converted.graph.input]
    assert inputs[0] == "x"
    assert set(inputs[1:]) == set(stored)
    assert "w" not in stored


def test_weights_that_training_updates_are_cut_in_the_graph():
    source = single(X, W, BIAS, **UP)
    info = source.training_info.add()
    info.update_binding.add(key="w", value="w_new")
    converted = convert(source, checked=False)
    assert "w" in _stored(converted)
    assert converted.training_info == source.training_info
    del converted.training_info[:]
    np.testing.assert_array_equal(run(converted, {"x": X})[0], run(single(X, W, BIAS, **UP), {"x": X})[0])


def _quantized(rng, *, activation="uint8", weights="int8", axis=1, groups=1, opset=17, domain=""):
    """DequantizeLinear around a ConvTranspose, as quantizers write it. Scales are no round numbers, as real ones."""
    shape = (4, 3, 5, 4)
    channels = {None: (), 0: (4,), 1: (3,)}[axis]
    scale = rng.uniform(0.002, 0.02, channels).astype("f")
    signed = weights == "int8"
    zero = np.zeros(channels, weights) if signed else rng.integers(100, 150, channels).astype(weights)
    stored = {
        "w": rng.integers(-127 if signed else 0, 128 if signed else 256, shape).astype(weights),
        "w_scale": scale,
        "w_zero": np.asarray(zero, weights),
        "b": rng.integers(-300, 300, 3 * groups).astype("i4"),
        "b_scale": np.asarray(0.0512347 * (np.tile(scale, groups) if axis == 1 else scale.mean()), "f"),
        "x_scale": np.float32(0.0512347),
        "x_zero": np.array(120 if activation == "uint8" else -7, activation),
        "y_scale": np.float32(0.1134567),
        "y_zero": np.array(101 if activation == "uint8" else 9, activation),
    }
    by_channel = {} if axis is None else {"axis": axis}
    nodes = [
        _node("QuantizeLinear", ["x", "x_scale", "x_zero"], "x_q", domain=domain),
        _node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], "x_d", domain=domain),
        _node("DequantizeLinear", ["w", "w_scale", "w_zero"], "w_d", domain=domain, **by_channel),
        _node("DequantizeLinear", ["b", "b_scale"], "b_d", domain=domain, **({"axis": 0} if axis == 1 else {})),
        _up(["x_d", "w_d", "b_d"], output="y_f", group=groups),
        _node("QuantizeLinear", ["y_f", "y_scale", "y_zero"], "y_q", domain=domain),
        _node("DequantizeLinear", ["y_q", "y_scale", "y_zero"], "y", domain=domain),
    ]
    source = model(nodes, [value("x", "f", [None, 4, 5, 4])], [value("y_q", activation, [None] * 4)], stored,
                   opset=opset, domains=[domain] * bool(domain))  # fmt: skip
    return source, rng.uniform(-5, 5, (8, 4, 5, 4)).astype("f")


def _steps(source, converted, x):
    """How often the outputs differ by so many steps."""
    first, second = (run(m, {"x": x})[0].astype(int) for m in (source, converted))
    return dict(zip(*(part.tolist() for part in np.unique(np.abs(first - second), return_counts=True)), strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weights", ["int8", "uint8"])
@pytest.mark.parametrize("axis", [1, None])
@pytest.mark.parametrize("groups", [1, 2])
def test_quantized_models_keep_their_scales(form, weights, axis, groups):
    """Integer sums are exact, the original's float32 sums are not: one step at most, next to a half step only."""
    rng = np.random.default_rng(5)
    for activation in ("uint8", "int8"):
        source, x = _quantized(rng, activation=activation, weights=weights, axis=axis, groups=groups)
        converted = convert(source, form)
        steps = _steps(source, converted, x)
        assert set(steps) <= {0, 1}
        assert steps.get(1, 0) <= 1e-3 * sum(steps.values())
        stored = _stored(converted)
        assert {a.dtype for name, a in stored.items() if name[:2] == "w_" and a.ndim == 4} == {np.dtype(weights)}
        scales = {s for n, a in stored.items() if n.startswith("w_scale") for s in np.unique(a).tolist()}
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
    ort.InferenceSession(convert(source, form).SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = kinds(onnx.load(tmp_path / "optimized.onnx"))
    assert found.count("QLinearConv") == {"split": 4, "rows": 2, "stacked": 1}[form]
    assert "Conv" not in found


def test_quantizing_twice_changes_nothing():
    """Every convolution is followed by the output's QuantizeLinear and its inverse; the original pair stays."""
    source, _ = _quantized(np.random.default_rng(5))
    converted = convert(source)
    quantizers = [n for n in converted.graph.node if n.op_type == "QuantizeLinear"]
    assert len(quantizers) == 1 + 4 + 1
    assert [list(n.input[1:]) for n in quantizers[1:]] == [["y_scale", "y_zero"]] * 5
    assert quantizers[-1].output == ["y_q"]


@pytest.mark.parametrize("change", ["second reader", "output", "float input", "scale per channel", "zero points"])
def test_results_are_not_quantized_early_for_others(change):
    source, x = _quantized(np.random.default_rng(5))
    if change == "second reader":
        source.graph.node.append(_node("Neg", ["y_f"], "negative"))
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
@pytest.mark.parametrize("what", ["input channels of groups", "kernel axis", "blocks", "computed scale"])
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
    nodes = [_node("DequantizeLinear", ["w", "scale"], "w_d", axis=axis, **more), _up(["x", "w_d", "b"])]
    inputs = [value("scale", "f", scale.shape)] if what == "computed scale" else []
    stored = {"w": w, "b": BIAS} | ({} if inputs else {"scale": scale})
    source = _model(nodes, stored, inputs, opset=21, ir_version=10)
    converted = _same(source, form, {"x": X} | ({"scale": scale} if inputs else {}))
    assert kinds(converted).count("DequantizeLinear") == 1


@pytest.mark.parametrize("form", FORMS)
def test_fake_quantized_float_weights(form):
    """QuantizeLinear and DequantizeLinear behind float weights, as training with quantization leaves them."""
    scale, zero = np.array([0.5, 1, 2], "f"), np.zeros(3, "i1")
    nodes = [
        _node("QuantizeLinear", ["w", "scale", "zero"], "w_q", axis=-3),
        _node("DequantizeLinear", ["w_q", "scale", "zero"], "w_d", axis=-3),
        _up(["x", "w_d", "b"]),
    ]
    _same(_model(nodes, {"w": W, "scale": scale, "zero": zero, "b": BIAS}), form)


def test_fake_quantized_weights_are_computed_in_integers_too():
    source, x = _quantized(np.random.default_rng(5))
    scale = numpy_helper.to_array(source.graph.initializer[1])
    weights = numpy_helper.to_array(source.graph.initializer[0]) * scale[:, None, None]
    source.graph.initializer[0].CopyFrom(tensor("w", weights.astype("f")))
    source.graph.node[2].input[0] = "w_q"
    source.graph.node.insert(2, _node("QuantizeLinear", ["w", "w_scale", "w_zero"], "w_q", axis=1))
    converted = convert(source)
    assert kinds(converted).count("QuantizeLinear") == 4 + 1 + 4 + 1
    assert set(_steps(source, converted, x)) <= {0, 1}


def test_the_type_of_a_site():
    source, _ = _quantized(np.random.default_rng(5), weights="uint8")
    assert OnnxModel.parse(source).sites()[0].dtype == "uint8"
    nodes = [_node("Cast", ["w"], "w1", to=1), _up(["x", "w1", "b"])]
    assert OnnxModel.parse(_model(nodes, {"w": W.astype("f2"), "b": BIAS})).sites()[0].dtype == "float16"

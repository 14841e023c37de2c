"""Constants that are cut in their stored form: zeros, types and signs behind any operators."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.onnx.model import OnnxModel
from tests.formats.onnx.models import convert, initializers, kinds, model, node, problem, run, value

FORMS = FILE_FORMS
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 4, 5, 4)).astype("f4")
BYTES = RNG.integers(0, 256, (4, 3, 3, 5))
OPEN = value("y", "f4", [None] * 4)


def _up(nodes, stored, x="x", **how):
    up = helper.make_node(
        "ConvTranspose", [x, "w"], ["y"], name="up", strides=[2, 3], pads=[1, 1, 0, 2]
    )
    return model([*nodes, up], [value("x", "f4", X.shape)], [OPEN], stored, **how)


def _agrees(source, form, rtol=1e-5):
    (expected,), (got,) = run(source, {"x": X}), run(convert(source, form), {"x": X})
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


CHAINS = {
    "identity": (["Identity"], "u1", {}),
    "identities": (["Identity", "Identity"], "u1", {}),
    "a cast": (["Cast"], "i4", {"to": TensorProto.UINT8}),
    "a cast of floats": (["Cast"], "f4", {"to": TensorProto.UINT8}),
    "a transpose": (["Transpose"], "u1", {"perm": [1, 0, 2, 3]}),
    "a reshape": (["Reshape"], "u1", {}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_zero_point_is_found_through_any_chain(chain, form, channels):
    """Where a window is wider than its taps, zeros are stored as the zero point of the filters."""
    names, dtype, attributes = CHAINS[chain]
    stored = BYTES.transpose(1, 0, 2, 3) if chain == "a transpose" else BYTES
    stored = stored.reshape(4, 9, 5) if chain == "a reshape" else stored
    parts = {
        "w0": np.ascontiguousarray(stored).astype(dtype),
        "scale": np.linspace(0.01, 0.03, channels).astype("f4"),
        "zero": np.arange(100, 100 + 20 * channels, 20).astype("u1"),
        "shape": np.array(BYTES.shape),
    }
    nodes, last = [], "w0"
    for i, kind in enumerate(names):
        inputs = [last, "shape"] if kind == "Reshape" else [last]
        nodes.append(node(kind, inputs, f"w_{i}_chain", **attributes))
        last = f"w_{i}_chain"
    nodes.append(node("DequantizeLinear", [last, "scale", "zero"], "w", axis=1))
    _agrees(_up(nodes, parts), form)


@pytest.mark.parametrize("form", FORMS)
def test_the_zero_point_behind_two_quantizers(form):
    parts = {
        "w0": BYTES.astype("u1"),
        "s0": np.float32(0.01),
        "z0": np.uint8(90),
        "s1": np.float32(0.02),
        "z1": np.uint8(120),
    }
    nodes = [
        node("DequantizeLinear", ["w0", "s0", "z0"], "a"),
        node("QuantizeLinear", ["a", "s1", "z1"], "b"),
        node("DequantizeLinear", ["b", "s1", "z1"], "w"),
    ]
    _agrees(_up(nodes, parts), form)


def test_a_chain_in_which_nothing_stands_for_zero_stays_in_front_of_the_cut():
    parts = {
        "w0": BYTES.astype("u1"),
        "s": np.float32(0.01),
        "z0": np.uint8(90),
        "z1": np.uint8(120),
    }
    nodes = [
        node("QuantizeLinear", ["f", "s", "z0"], "b"),
        node("DequantizeLinear", ["b", "s", "z1"], "w"),
    ]
    source = _up(nodes, parts | {"f": (BYTES * 0.004).astype("f4")})
    for form in FORMS:
        assert kinds(convert(source, form)).count("DequantizeLinear") == 1
        _agrees(source, form)


def test_without_the_zero_point_the_values_differ():
    """Negative control: the filters' padding matters in these forms."""
    parts = {"w0": BYTES.astype("u1"), "s": np.float32(0.01), "z": np.uint8(128)}
    source = _up([node("DequantizeLinear", ["w0", "s", "z"], "w")], parts)
    converted = convert(source, "stacked")
    filters = next(t for t in converted.graph.initializer if t.name.startswith("w0"))
    filters.raw_data = filters.raw_data.replace(bytes([128]), bytes([0]))
    assert np.abs(run(converted, {"x": X})[0] - run(source, {"x": X})[0]).max() > 0.1


@pytest.mark.parametrize("form", FORMS)
def test_dequantize_states_its_output_type(form):
    parts = {"w0": (BYTES - 128).astype("i1"), "s": np.float32(0.01)}
    kind = TensorProto.FLOAT16
    nodes = [
        node("DequantizeLinear", ["w0", "s"], "w", output_dtype=kind),
        node("Cast", ["x"], "h", to=kind),
    ]
    source = _up(nodes, parts, x="h", opset=23, ir_version=11)
    source.graph.output[0].type.tensor_type.elem_type = kind
    source.graph.node[-1].attribute.append(helper.make_attribute("dilations", [2, 3]))
    del source.graph.node[-1].attribute[1]  # no pads: phases without taps stay
    (expected,), (got,) = run(source, {"x": X}), run(convert(source, form), {"x": X})
    assert got.dtype == np.float16
    np.testing.assert_allclose(got.astype("f4"), expected.astype("f4"), rtol=2e-2, atol=2e-2)


def _bytes(largest, activation):
    """A quantized model: filters of signed bytes up to `largest`."""
    rng = np.random.default_rng(1)
    low = 0 if activation == "u1" else -128
    parts = {
        "xs": np.float32(0.04),
        "xz": np.array(low + 120, activation),
        "w0": rng.integers(-largest, largest + 1, (4, 3, 4, 4)).astype("i1"),
        "ws": np.float32(0.02),
        "wz": np.int8(0),
        "ys": np.float32(0.5),
        "yz": np.array(low + 128, activation),
    }
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], "xq"),
        node("DequantizeLinear", ["xq", "xs", "xz"], "xd"),
        node("DequantizeLinear", ["w0", "ws", "wz"], "w"),
        helper.make_node("ConvTranspose", ["xd", "w"], ["c"], name="up", strides=[2, 2]),
        node("QuantizeLinear", ["c", "ys", "yz"], "y"),
    ]
    return model(
        nodes, [value("x", "f4", [1, 4, 9, 9])], [value("y", activation, [None] * 4)], parts
    )


@pytest.mark.parametrize(
    ("largest", "activation", "kept"), [(127, "u1", "u1"), (64, "u1", "i1"), (127, "i1", "i1")]
)
@pytest.mark.parametrize("form", FORMS)
def test_signed_filters_become_unsigned_only_where_sums_may_saturate(
    largest, activation, kept, form
):
    source = _bytes(largest, activation)
    converted = convert(source, form)
    filters = [a for name, a in initializers(converted).items() if name.startswith("w0")]
    if (largest, activation, form) == (127, "i1", "stacked"):
        kept = "u1"  # the only convolution may be computed in integers, which would saturate
    assert {a.dtype for a in filters} == {np.dtype(kept)}
    x = np.random.default_rng(2).uniform(-5, 5, (1, 4, 9, 9)).astype("f4")
    for optimized in (True, False):
        first, second = (
            run(m, {"x": x}, optimized=optimized)[0].astype(int) for m in (source, converted)
        )
        # one value in a thousand may lie on the border between two steps
        assert np.abs(first - second).max() <= 1
        assert (first != second).mean() < 1e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_filters_whose_sums_are_not_finite_are_refused(bad):
    w = RNG.standard_normal((4, 3, 3, 5)).astype("f4")
    w[1, 2, 1, :2] = bad
    assert "its filters" in problem(_up([], {"w": w}))
    halves = w.astype("f2") if bad < 3e38 or np.isnan(bad) else np.full(w.shape, 6e4, "f2")
    casts = [node("Cast", ["w0"], "w", to=10), node("Cast", ["x"], "h", to=10)]
    assert "its filters" in problem(_up(casts, {"w0": halves.astype("f4")}, x="h"))
    scale = {"w0": np.ones((4, 3, 3, 5), "i1"), "s": np.float32(np.inf)}
    assert "scales of its filters" in problem(
        _up([node("DequantizeLinear", ["w0", "s"], "w")], scale)
    )


def test_a_default_of_open_shape_is_none_to_rely_on():
    w = RNG.standard_normal((4, 3, 3, 3)).astype("f4")
    source = _up([], {"w": w})
    source.graph.input.append(value("w", "f4", [4, 3, 3, None]))
    assert "the shape of the filters is unknown" in problem(source)
    source.graph.input[1].CopyFrom(value("w", "f4", w.shape))
    other = RNG.standard_normal(w.shape).astype("f4")
    for form in FORMS:
        converted = convert(source, form)
        for feed in ({"x": X}, {"x": X, "w": other}):
            np.testing.assert_allclose(
                run(converted, feed)[0], run(source, feed)[0], rtol=1e-4, atol=1e-4
            )


def test_sites_are_told_without_reading_their_filters():
    source = _up([], {"w": RNG.standard_normal((4, 3, 3, 3)).astype("f4")})
    assert OnnxModel.parse(source).sites()[0].in_channels == 4

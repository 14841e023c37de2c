"""Transposed convolutions outside a format's own operators, and those that nobody can see."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper

import splitdeconv as sd
from splitdeconv.convert import api as front
from splitdeconv.formats.tflite.flatbuffer.bounds import make
from splitdeconv.formats.tflite.model import TFLiteModel
from splitdeconv.formats.unseen import is_note, note
from tests.formats.keras.models import sequential
from tests.formats.onnx import models as onnx_models
from tests.formats.tflite.models import Builder, change, edit
from tests.refusals import refused


def custom(name, kind=None):
    """A .tflite of one operator: a custom one, or of the schema's `kind`."""
    builder = Builder()
    x, y = builder.tensor("x", [1, 5, 7, 2], "f4"), builder.tensor("y", [1, 10, 14, 3], "f4")
    builder.operator(kind or name, [x], [y], custom=None if kind else b"\1\2\3\4", options=None)
    return builder.build([x], [y])


def strange(domain, kind, functions=()):
    """An .onnx of one node."""
    one = helper.make_node(kind, ["x"], ["y"], domain=domain, name="n")
    ports = [onnx_models.value(name, "f4", [1, 3, 5, 6]) for name in "xy"]
    domains = [domain] if domain else []
    return onnx_models.model(
        [one], ports[:1], ports[1:], domains=domains, functions=functions
    ).SerializeToString()


def direct(channels=5, filters=3, rank=2, **options):
    """A functional Keras model that calls keras.ops.conv_transpose."""
    kernel = (
        np.random.default_rng(4).standard_normal((3,) * rank + (filters, channels)).astype("f4")
    )
    x = keras.Input((6,) * rank + (channels,))
    y = keras.ops.conv_transpose(x, kernel, strides=3, **options)
    return keras.Model(x, y)


class Own(keras.layers.Layer):
    def call(self, x):
        return keras.ops.conv_transpose(x, np.ones((2, 2, 4, 3), "f4"), strides=2)


class Renamed(keras.layers.Dense):
    """A class of an author's that computes as Keras' own does."""

    def get_config(self):
        return super().get_config()


@pytest.mark.parametrize("name", ["edgetpu-custom-op", "DISPATCH_OP", "VendorDeconv"])
def test_custom_operators_of_tflite_are_named(name):
    report = sd.convert(custom(name)).report
    text, nothing = report.notes
    assert is_note(text)
    assert name in text
    assert ("compiled from" in text) == (name == "edgetpu-custom-op")
    assert nothing.startswith("the model contains no transposed convolution that can be seen")
    assert any(map(is_note, front.report(custom(name)).notes))


@pytest.mark.parametrize("name", ["MaxUnpooling2D", "TFLite_Detection_PostProcess", "FlexErf"])
def test_custom_operators_that_are_known_are_not(name):
    assert sd.convert(custom(name)).report.notes == (
        "the model contains no transposed convolution: nothing to convert",
    )


@pytest.mark.parametrize("name", ["FlexConv2DBackpropInput", "FlexConv3DBackpropInputV2"])
def test_operators_of_tensorflow_are_found_and_refused(name):
    data = custom(name)
    assert sd.inspect(data)[["operator", "verdict"]].values.tolist() == [[name, "refuse"]]
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(data)
    assert "TFLITE_BUILTINS" in caught.value.got


@pytest.mark.parametrize(("dilation", "count"), [([2, 1], 1), ([1, 1], 0), (None, 0)])
def test_dilated_convolutions_of_stablehlo_are_found(dilation, count):
    def dilate(_, graph):
        options = make("StablehloConvolutionOptions", lhsDilation=dilation)
        kind = schema.BuiltinOptions2.StablehloConvolutionOptions
        change(graph.operators[0], builtinOptions2=options, builtinOptions2Type=kind)

    model = TFLiteModel.parse(edit(custom("x", "STABLEHLO_CONVOLUTION"), dilate))
    assert [site.operator for site in model.sites()] == ["STABLEHLO_CONVOLUTION"] * count
    assert model.unseen() == []


@pytest.mark.parametrize(
    ("domain", "kind"),
    [("vendor.ops", "Deconv"), ("com.microsoft", "EPContext"), ("org.pytorch.aten", "ATen")],
)
def test_operators_of_unknown_domains_are_named(domain, kind):
    text, nothing = sd.convert(strange(domain, kind)).report.notes
    assert is_note(text)
    assert f"{domain}.{kind}" in text
    assert "that can be seen" in nothing


def test_what_the_model_or_a_runtime_defines_is_seen():
    neg = helper.make_node("Neg", ["a"], ["b"])
    own = helper.make_function("own", "Mine", ["a"], ["b"], [neg], [helper.make_opsetid("", 17)])
    plain = ("the model contains no transposed convolution: nothing to convert",)
    for data in (
        strange("own", "Mine", [own]),
        strange("com.microsoft", "Gelu"),
        strange("", "Neg"),
    ):
        assert sd.convert(data).report.notes == plain


def test_fused_transposed_convolutions_of_a_runtime_are_found_and_refused():
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(strange("com.microsoft", "ConvTransposeWithDynamicPads"))
    assert caught.value.where == "com.microsoft.ConvTransposeWithDynamicPads n"
    assert "not of ONNX" in caught.value.got


@pytest.mark.parametrize(("rank", "padding"), [(1, "valid"), (2, "same"), (3, "valid")])
def test_calls_of_keras_ops_are_found_and_refused(rank, padding):
    model = direct(rank=rank, padding=padding)
    frame = sd.inspect(model)
    assert frame["operator"].tolist() == ["keras.ops.conv_transpose"]
    assert frame["geometry"].tolist() == [
        ", ".join(map(str, sd.plan((6,) * rank, 3, 3, padding.upper()).axes))
    ]
    assert frame[["in_channels", "out_channels", "verdict"]].values.tolist() == [[5, 3, "refuse"]]
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(model)
    assert f"keras.layers.Conv{rank}DTranspose" in caught.value.got


@pytest.mark.usefixtures("here")
def test_layers_beside_a_call_of_keras_ops_are_converted():
    x = keras.Input((4, 4, 3))
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2DTranspose(2, 3, 2, name="up")]
    )(x)
    kernel = np.random.default_rng(1).standard_normal((2, 2, 4, 2)).astype("f4")
    model = keras.Model(x, keras.ops.conv_transpose(inner, kernel, strides=2, padding="same"))
    result = sd.convert(model)
    assert [decision.verdict for decision in result.report.decisions] == ["convert", "refuse"]
    assert result.report.verification.passed
    assert sd.verify(model, result.model, samples=2)


def test_layers_of_an_authors_own_code_are_named():
    x = keras.Input((4, 4, 3))
    y = keras.layers.Lambda(lambda v: v + 1, name="plus")(
        Own(name="hidden")(Renamed(3, name="like_dense")(x))
    )
    text, nothing = sd.convert(keras.Model(x, y)).report.notes
    assert "Own 'hidden', Lambda 'plus'" in text
    assert "like_dense" not in text
    assert "that can be seen" in nothing
    assert not any(map(is_note, sd.convert(sequential(), verify=False).report.notes))


def test_many_are_counted():
    (text,) = note([f"op{i % 10}" for i in range(13)])
    assert "op0 (2), op1 (2), op2 (2), op3, op4" in text
    assert text.endswith("and 2 others")
    assert note([]) == ()

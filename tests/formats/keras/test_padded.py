"""Twins whose taps are padded to accepted kernel sizes: values, gradients, files, and counts."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.core.kernels import Kernels
from splitdeconv.formats.keras.model import KerasModel, write
from splitdeconv.formats.site import Decision
from tests.refusals import refused

keras = pytest.importorskip("keras")

ODD = Kernels((1, 3, 5, 7))


def _model(rank, sizes, **more):
    layer = getattr(keras.layers, f"Conv{rank}DTranspose")
    return keras.Sequential(
        [
            keras.Input((*sizes, 3)),
            layer(2, 4, strides=2, padding="same", bias_initializer="random_normal", **more),
        ]
    )


def _converted(model, form, kernels):
    parsed = KerasModel.parse(model)
    parsed.apply(
        [Decision(site, "convert", form, "concat", "", kernels=kernels) for site in parsed.sites()]
    )
    return parsed.serialize()


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("form", FILE_FORMS)
def test_values(rank, form, tmp_path):
    sizes = (5, 4, 3)[:rank]
    model = _model(rank, sizes)
    x = np.random.default_rng(rank).standard_normal((2, *sizes, 3)).astype("f") + 0.5
    padded = _converted(model, form, ODD)
    layer = padded.layers[-1]
    assert (layer.form, layer.pad_to) == (form, [1, 3, 5, 7])
    kernel, bias = (np.asarray(w, "f8") for w in layer.get_weights())
    plan = sd.plan(sizes, 4, 2, form=form, pad_to=layer.pad_to)
    assert {one.kernel_size for one in plan.convolutions} == {(3,) * rank}
    exact = conv_transpose(x.astype("f8"), kernel, plan) + bias
    for y in (np.asarray(padded(x)), np.asarray(model(x))):
        # Sums of up to 4**3 * 3 products of single precision.
        np.testing.assert_allclose(y, exact, atol=1e-4)
    write(padded, tmp_path / "padded.keras")
    again = keras.saving.load_model(tmp_path / "padded.keras")
    assert again.layers[-1].pad_to == [1, 3, 5, 7]
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(padded(x)))


def test_a_layer_without_sizes_has_the_configuration_that_it_had():
    assert "pad_to" not in sd.layers.SplitConv2DTranspose(2, 4, strides=2).get_config()
    assert "pad_to" not in _converted(_model(2, (4, 4)), "split", None).layers[-1].get_config()
    whole = sd.layers.SplitConv2DTranspose(2, 4, strides=2, pad_to=[[3, 3]])
    assert type(whole).from_config(whole.get_config()).pad_to == [[3, 3]]


def test_sizes_that_are_none():
    with refused("kernel sizes must be a list"):
        sd.layers.SplitConv2DTranspose(2, 4, strides=2, pad_to=3)

"""The Keras models against PyTorch's definitions in NumPy, on small random checkpoints."""

import keras
import numpy as np
import pytest

from splitdeconv.core.approximations import METHODS
from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import generators, read_checkpoint
from tests.pretrained import torch_files, torch_numpy

FORMS = ["native", "split", "rows", "stacked", "paper", "nzp", "auto"]
# float64, outputs in [-1, 1]: a dozen layers, each a sum of < 200 terms of order 1, each term
# rounded to 2**-53
TOLERANCE = 12 * 200 * 2.0**-53


def _norm(random, key, channels, running):
    parts = {"weight": random.uniform(0.5, 1.5, channels), "bias": random.normal(0, 0.3, channels)}
    if running:
        parts |= {
            "running_mean": random.normal(0, 1, channels),
            "running_var": random.uniform(0.3, 3, channels),
        }
        parts |= {"num_batches_tracked": np.array(7)}
    return {f"{key}.{part}": values for part, values in parts.items()}


def _kernel(random, *shape):
    return random.normal(0, 1 / np.sqrt(shape[0] * 4), shape)


@pytest.fixture(scope="module")
def dcgan_state(tmp_path_factory):
    """100 -> 6 -> 5 -> 3 channels, as in the conditional model: a gap where dropout was."""
    random = np.random.default_rng(3)
    state = {"main.0.weight": _kernel(random, 9, 6, 4, 4)} | _norm(random, "main.1", 6, True)
    state |= {"main.4.weight": _kernel(random, 6, 5, 4, 4)} | _norm(random, "main.5", 5, True)
    state |= {"main.7.weight": _kernel(random, 5, 3, 4, 4)}
    return read_checkpoint(
        torch_files.save(tmp_path_factory.mktemp("dcgan") / "w.pth", state, "legacy")
    )


@pytest.fixture(scope="module")
def cyclegan_state(tmp_path_factory):
    """3 -> 4 -> 6 -> 5 channels, two residual blocks, 5 -> 7 -> 4 -> 3 channels."""
    random = np.random.default_rng(4)

    def layer(index, *shape, norm=True, filters_axis=0):
        state = {f"model.{index}.weight": random.normal(0, 0.2, shape)}
        state |= {f"model.{index}.bias": random.normal(0, 0.3, shape[filters_axis])}
        *before, last = str(index).split(".")
        follower = ".".join([*before, str(int(last) + 1)])
        return state | (
            _norm(random, f"model.{follower}", shape[filters_axis], False) if norm else {}
        )

    state = layer(1, 4, 3, 7, 7) | layer(4, 6, 4, 3, 3) | layer(7, 5, 6, 3, 3)
    for block in (10, 11):
        state |= layer(f"{block}.block.1", 5, 5, 3, 3) | layer(f"{block}.block.5", 5, 5, 3, 3)
    state |= layer(12, 5, 7, 3, 3, filters_axis=1) | layer(15, 7, 4, 3, 3, filters_axis=1)
    state |= layer(19, 3, 4, 7, 7, norm=False)
    return read_checkpoint(torch_files.save(tmp_path_factory.mktemp("cyclegan") / "w.pth", state))


@pytest.fixture(scope="module")
def latent():
    return np.random.default_rng(5).normal(size=(3, 9))


@pytest.fixture(scope="module")
def photographs():
    return np.random.default_rng(6).uniform(-1, 1, (2, 16, 16, 3))


@pytest.mark.parametrize("form", FORMS)
def test_dcgan_is_pytorchs(dcgan_state, latent, form):
    y = np.asarray(generators.dcgan(dcgan_state, form, "float64")(latent))
    assert y.shape == (3, 16, 16, 3)
    np.testing.assert_allclose(y, torch_numpy.dcgan(dcgan_state, latent), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("form", FORMS)
def test_cyclegan_is_pytorchs(cyclegan_state, photographs, form):
    y = np.asarray(generators.cyclegan(cyclegan_state, form, "float64", size=16)(photographs))
    assert y.shape == photographs.shape
    np.testing.assert_allclose(
        y, torch_numpy.cyclegan(cyclegan_state, photographs, 2), rtol=0, atol=TOLERANCE
    )


def test_the_comparison_sees_flipped_kernels_and_shifted_maps(
    dcgan_state, cyclegan_state, latent, photographs
):
    y = np.asarray(generators.dcgan(dcgan_state, "split", "float64")(latent))
    assert np.abs(y - torch_numpy.dcgan(dcgan_state, latent, flip=True)).max() > 0.1
    y = np.asarray(generators.cyclegan(cyclegan_state, "split", "float64", size=16)(photographs))
    assert (
        np.abs(y - torch_numpy.cyclegan(cyclegan_state, photographs, 2, crop_at_start=False)).max()
        > 0.1
    )


@pytest.mark.parametrize(
    ("kernel", "padding", "output_padding", "same"), [(4, 1, 0, True), (3, 1, 1, False)]
)
def test_which_pytorch_paddings_are_keras_same(kernel, padding, output_padding, same):
    random = np.random.default_rng(7)
    x, weight = random.normal(size=(1, 5, 6, 2)), random.normal(size=(2, 3, kernel, kernel))
    layer = keras.layers.Conv2DTranspose(
        3, kernel, 2, padding="same", use_bias=False, dtype="float64"
    )
    layer.build(x.shape)
    layer.set_weights([weight.transpose(2, 3, 1, 0)])
    wanted = torch_numpy.conv_transpose(x.transpose(0, 3, 1, 2), weight, 2, padding, output_padding)
    difference = np.abs(np.asarray(layer(x)) - wanted.transpose(0, 2, 3, 1)).max()
    assert (
        (difference < 100 * 2.0**-53) if same else (difference > 0.1)
    )  # sums of 8 products of order 1


# Keras 3.15 hands TensorFlow's variables to np.array, which NumPy 2 dislikes; it concerns only how
# saving copies them
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
def test_dynamic_batch_and_file_round_trip(
    dcgan_state, cyclegan_state, latent, photographs, tmp_path
):
    for model, x in (
        (generators.dcgan(dcgan_state, "split"), latent.astype("f4")),
        (generators.cyclegan(cyclegan_state, "split", size=16), photographs.astype("f4")),
    ):
        assert model.input_shape[0] is None
        assert model.output_shape[0] is None
        y = np.asarray(model(x))
        # one sum of < 200 float32 products a layer may be ordered otherwise in another batch size
        np.testing.assert_allclose(
            np.asarray(model(x[1:2])), y[1:2], rtol=0, atol=12 * 200 * 2.0**-24
        )
        path = tmp_path / f"{model.name}.keras"
        model.save(path)
        np.testing.assert_array_equal(np.asarray(keras.models.load_model(path)(x)), y)


def _own(images, border):
    """Images without a border."""
    return images[:, border : images.shape[1] - border, border : images.shape[2] - border]


def test_where_the_stride_divides_the_kernel_shi_loses_the_border_and_the_others_nothing(
    dcgan_state, latent
):
    exact = torch_numpy.dcgan(dcgan_state, latent)
    for method in ("chang", "wrong_side"):
        y = np.asarray(generators.dcgan(dcgan_state, method, "float64")(latent))
        np.testing.assert_allclose(y, exact, rtol=0, atol=TOLERANCE)
    for method in ("shi", "shi_truncated"):
        # 4x4 -> 6x6 -> 10x10: a pixel of each side of 8x8, and with it two of 16x16 and one more.
        y = np.asarray(generators.dcgan(dcgan_state, method, "float64")(latent))
        assert y.shape == (3, 10, 10, 3)
        np.testing.assert_allclose(y, _own(exact, 3), rtol=0, atol=TOLERANCE)


def test_the_same_kernels_written_as_5x5(dcgan_state, latent):
    exact = torch_numpy.dcgan(dcgan_state, latent)
    for form in ("native", "split", "shi_truncated"):
        y = np.asarray(generators.dcgan(dcgan_state, form, "float64", kernel=5)(latent))
        wanted = _own(exact, 3) if form == "shi_truncated" else exact
        np.testing.assert_allclose(y, wanted, rtol=0, atol=TOLERANCE)
    shifted = np.asarray(generators.dcgan(dcgan_state, "chang", "float64", kernel=5)(latent))
    assert np.abs(shifted - exact).max() > 0.1
    # One pixel late of 8x8 is two of 16x16, and one more; the column that came in from the border
    # is not the same.
    middle = np.s_[:, 5:, 5:]
    np.testing.assert_allclose(
        shifted[middle][:, 4:, 4:], exact[:, 6:13, 6:13], rtol=0, atol=TOLERANCE
    )


def test_what_the_conversions_make_of_a_kernel_of_3(cyclegan_state, photographs):
    """Of the layers alone: what normalises whole maps changes the rest of the image, too."""
    x = np.random.default_rng(8).normal(size=(1, 4, 4, 5))
    models = {
        f: generators.cyclegan(cyclegan_state, f, "float64", size=16) for f in ("native", *METHODS)
    }
    upper = {
        form: keras.Model(m.get_layer("model_11").output, m.get_layer("model_13").input)
        for form, m in models.items()
    }
    maps = {form: np.asarray(model(x)) for form, model in upper.items()}
    assert {form: y.shape[1] for form, y in maps.items()} == {
        "native": 8, "shi": 6, "shi_truncated": 8, "shi_cropped": 6, "chang": 8, "wrong_side": 8
    }  # fmt: skip
    np.testing.assert_allclose(maps["shi"], _own(maps["native"], 1), rtol=0, atol=TOLERANCE)
    cropped = maps["native"][:, 2:, 2:]
    np.testing.assert_allclose(maps["shi_cropped"], cropped, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(
        maps["chang"][:, 1:, 1:], maps["native"][:, :-1, :-1], rtol=0, atol=TOLERANCE
    )
    assert np.abs(maps["wrong_side"] - maps["native"]).max() > 0.1
    for form, model in models.items():
        assert model(photographs).shape[1] == (10 if form in ("shi", "shi_cropped") else 16)


def _without(state, key):
    return {name: array for name, array in state.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: _without(state, "main.1.running_var"),
            r"a tensor main\.1\.running_var(.|\n)*got: none",
        ),
        (lambda state: state | {"main.9.weight": np.zeros(3)}, r"got: also main\.9\.weight"),
        (lambda state: state | {"main.1.bias": np.zeros(5)}, r"where: dcgan, main\.1(.|\n)*\(5,\)"),
        (
            lambda state: state | {"main.4.weight": np.zeros((7, 5, 4, 4))},
            r"where: dcgan, main\.4(.|\n)*\(4, 4, 5, 7\)",
        ),
        (lambda state: {"main.0.weight": np.zeros(3)}, "transposed convolutions' weights, rank 4"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(dcgan_state, change, message):
    with pytest.raises(SplitDeconvError, match=f"does not fit the generator(.|\n)*{message}"):
        generators.dcgan(change(dcgan_state))


def test_a_cyclegan_checkpoint_that_does_not_fit_is_refused(cyclegan_state):
    wrong = cyclegan_state | {"model.12.weight": np.zeros((3, 3))}
    for state, message in (
        (_without(cyclegan_state, "model.12.bias"), r"a tensor model\.12\.bias"),
        (wrong, r"model\.12\.weight(.|\n)*rank 2"),
    ):
        with pytest.raises(SplitDeconvError, match=message):
            generators.cyclegan(state, size=16)


def test_an_unknown_form_is_refused(dcgan_state):
    with pytest.raises(SplitDeconvError, match=r"unknown form(.|\n)*nzp(.|\n)*got: 'winograd'"):
        generators.dcgan(dcgan_state, "winograd")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("winograd",), r"unknown deconv\n(.|\n)*expected: auto, .*native\n  got: 'winograd'"),
        (("split", "floaty"), r"unknown dtype\n(.|\n)*expected: float16, .*\n  got: 'floaty'"),
        ((["split"], "float32"), "unknown deconv"),
    ],
)
def test_a_wrong_choice_is_refused_before_anything_is_fetched(monkeypatch, arguments, message):
    monkeypatch.setattr(generators, "fetch", lambda name: pytest.fail("it was fetched"))
    with pytest.raises(SplitDeconvError, match=message):
        generators.load("face_dcgan", *arguments)


@pytest.mark.parametrize(("name", "kernel"), [("face_dcgan", 6), ("vintage_cyclegan", 5)])
def test_kernels_are_written_in_no_other_size(monkeypatch, name, kernel):
    monkeypatch.setattr(generators, "fetch", lambda name: pytest.fail("it was fetched"))
    with pytest.raises(
        SplitDeconvError, match=f"cannot be written in this size(.|\\n)*{name}(.|\\n)*got: {kernel}"
    ):
        generators.load(name, "native", kernel=kernel)

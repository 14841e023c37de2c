"""Inputs that suit a model: made, tried, or read from a file."""

import io
import zipfile
from types import MappingProxyType

import numpy as np
import pytest

from splitdeconv.convert.verify.inputs import Recipe, find_recipe, read_inputs
from splitdeconv.formats.port import Input, RejectedError
from tests.refusals import refused

IMAGE = Input("image", np.dtype("f4"), (None, None, None, 3))
TOKENS = Input("tokens", np.dtype("i8"), (1, None))
PIXELS = Input("pixels", np.dtype("i1"), (1, 50), quantized=True)


def test_dynamic_lengths_become_small_ones():
    recipe, _ = find_recipe(lambda feed: None, [IMAGE, TOKENS], 0)
    feed = recipe.draw([IMAGE, TOKENS], 0, 0)
    shapes = {name: x.shape for name, x in feed.items()}
    assert shapes == {"image": (2, 64, 64, 3), "tokens": (1, 64)}
    assert {name: x.dtype for name, x in feed.items()} == {"image": np.float32, "tokens": np.int64}


def test_integers_are_0_and_1_first():
    tried = []

    def run(feed):
        tried.append(int(feed["tokens"].max()))
        if tried[-1] <= 1:
            raise RejectedError("too few")

    recipe, _ = find_recipe(run, [TOKENS], 0)
    assert tried[0] == 1
    assert recipe.most == 100
    assert recipe.draw([TOKENS], 0, 0)["tokens"].max() > 1


def test_quantized_integers_take_the_full_range():
    recipe, _ = find_recipe(lambda feed: None, [PIXELS], 0)
    values = np.concatenate([recipe.draw([PIXELS], i, 0)["pixels"] for i in range(40)])
    assert (values.min(), values.max()) == (-128, 127)


def test_lengths_are_tried_until_one_suits():
    def run(feed):
        if feed["image"].shape != (1, 16, 16, 3):
            raise RejectedError("16 or nothing")

    recipe, _ = find_recipe(run, [IMAGE], 0)
    assert (recipe.length, recipe.batch) == (16, 1)


@pytest.mark.parametrize(
    ("shape", "growth", "longest"),
    [
        ((1, None, None, None, 4), 9, 64),  # 224 cubed would be 404 million numbers
        ((1, None, None, 3), 64, 224),
        ((None, None, 80), 300, 224),
        ((1, None, 2**27), 3, 1),  # fixed lengths are what they are
    ],
)
def test_no_open_length_makes_a_huge_tensor(shape, growth, longest):
    tried = []

    def run(feed):
        raise RejectedError("never")

    given = Input("x", np.dtype("f4"), shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recipe, "draw", lambda recipe, *_: tried.append(recipe.shape(given)))
        assert find_recipe(run, [given], 0, growth) == (None, "never")
    assert max(size[1] for size in tried) == longest


def test_what_suits_nobody_is_told():
    def run(feed):
        raise RejectedError("never")

    assert find_recipe(run, [IMAGE], 0) == (None, "never")
    recipe, said = find_recipe(run, [Input("words", None, (1,))], 0)
    assert (recipe, said) == (None, "input 'words' is not numeric")


def test_samples_differ_and_are_reproducible():
    recipe, _ = find_recipe(lambda feed: None, [IMAGE], 5)
    samples = [recipe.draw([IMAGE], i, 5)["image"] for i in range(3)]
    assert samples[1].min() >= 0
    assert samples[0].min() < -2
    assert np.array_equal(samples[0], recipe.draw([IMAGE], 0, 5)["image"])
    assert not np.array_equal(samples[0], recipe.draw([IMAGE], 0, 6)["image"])


def test_own_inputs_are_read(tmp_path, rng):
    x = rng.standard_normal((4, 2, 8, 8, 3))
    for given in ({"image": x}, tmp_path / "in.npz"):
        np.savez(tmp_path / "in.npz", image=x)
        feeds = read_inputs(given, [IMAGE])
        assert len(feeds) == 4
        assert feeds[1]["image"].dtype == np.float32
        np.testing.assert_array_equal(feeds[1]["image"], x[1].astype("f4"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"picture": np.zeros((1, 2, 8, 8, 3))}, "do not fit the model: names"),
        ({}, "do not fit the model: names"),
        ({"image": np.zeros((2, 8, 8, 3))}, "do not fit the model: shape of 'image'"),
        ({"image": np.zeros((1, 2, 8, 8, 4))}, "do not fit the model: shape of 'image'"),
        ({"image": np.zeros((0, 2, 8, 8, 3))}, "do not fit the model: number of samples"),
        ({"image": np.zeros((1, 2, 8, 8, 3), complex)}, "do not fit the model: type of 'image'"),
    ],
)
def test_own_inputs_that_do_not_fit_are_refused(given, message):
    with refused(message):
        read_inputs(given, [IMAGE])


def test_numbers_of_samples_must_match():
    with refused("do not fit the model: number of samples"):
        read_inputs(
            {"image": np.zeros((2, 1, 8, 8, 3)), "tokens": np.zeros((3, 1, 5), int)},
            [IMAGE, TOKENS],
        )


@pytest.mark.parametrize("content", [b"", b"no zip", "pickle", "npy"])
def test_input_files_are_data(tmp_path, content):
    path = tmp_path / "in.npz"
    if content == "pickle":
        np.savez(path, image=np.array([{"a": 1}], object))
    elif content == "npy":
        np.save(tmp_path / "in.npy", np.zeros(3))
        (tmp_path / "in.npy").rename(path)
    else:
        path.write_bytes(content)
    with refused("the inputs cannot be read") as caught:
        read_inputs(path, [IMAGE])
    assert "numpy.savez" in caught.value.fix
    assert "unsafely" not in caught.value.got
    with refused("the inputs cannot be read"):
        read_inputs(tmp_path / "missing.npz", [IMAGE])


def _damaged(content, kind):
    """An archive of one array, damaged in some way."""
    central = content.rfind(b"PK\1\2")
    at, value = {
        "encrypted": (central + 8, b"\1\0"),
        "unknown compression": (central + 10, b"\x4d\0"),
        "garbled": (40, b"\xff" * 20),
    }[kind]
    return content[:at] + value + content[at + len(value) :]


@pytest.mark.parametrize("kind", ["encrypted", "unknown compression", "garbled"])
def test_damaged_input_files_are_refused(tmp_path, kind):
    np.savez_compressed(tmp_path / "in.npz", image=np.arange(192.0).reshape(1, 1, 8, 8, 3))
    content = (tmp_path / "in.npz").read_bytes()
    (tmp_path / "in.npz").write_bytes(_damaged(content, kind))
    with refused("the inputs cannot be read"):
        read_inputs(tmp_path / "in.npz", [IMAGE])


def _declaring(path, name, shape):
    """An archive of one array that declares a shape and holds nothing."""
    header = io.BytesIO()
    declared = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, declared)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", header.getvalue())


def test_input_files_that_declare_more_than_there_is_room_for_are_refused(tmp_path):
    _declaring(tmp_path / "in.npz", "image", (1 << 50,))
    with refused("the inputs cannot be read") as caught:
        read_inputs(tmp_path / "in.npz", [IMAGE])
    assert caught.value.got == "arrays that do not fit into memory"


def test_arrays_of_other_names_are_not_read(tmp_path):
    _declaring(tmp_path / "in.npz", "other", (1 << 50,))
    with refused("do not fit the model: names"):
        read_inputs(tmp_path / "in.npz", [IMAGE])


def test_inputs_that_no_memory_holds_are_not_drawn():
    huge = Input("x", np.dtype("f4"), (2**31, None, 2**31))
    assert find_recipe(lambda feed: None, [huge], 0) == (
        None,
        "its inputs would have 4,611,686,018,427,387,904 elements",
    )


def test_defaults_of_types_without_numbers_stay():
    """Such an input has no values to draw; the model runs with its default."""
    label, gain = Input("label", None, (3,), default=True), Input("gain", np.dtype("f4"), (2,))
    recipe, rejection = find_recipe(lambda feed: None, [label, gain], 0)
    assert rejection is None
    assert [sorted(recipe.draw([label, gain], index, 0)) for index in range(2)] == [["gain"]] * 2


def test_arrays_may_come_in_any_mapping():
    values = np.arange(12.0, dtype="f4").reshape(2, 2, 1, 1, 3)
    samples = read_inputs(MappingProxyType({"image": values}), [IMAGE])
    np.testing.assert_array_equal([sample["image"] for sample in samples], values)


def test_arrays_without_a_sample_axis_are_refused():
    scale = Input("scale", np.dtype("f4"), ())
    (sample,) = read_inputs({"scale": np.array([2.5], "f4")}, [scale])
    assert sample["scale"] == 2.5
    with refused("shape of 'scale'"):
        read_inputs({"scale": np.array(2.5, "f4")}, [scale])

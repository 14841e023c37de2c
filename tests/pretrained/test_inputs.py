import builtins
import subprocess
import sys

import numpy as np
import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import entry, names, samples, to_uint8


@pytest.mark.parametrize("name", names())
def test_samples_are_seeded_and_a_longer_list_begins_alike(name):
    few, more = samples(name, 3, seed=7), samples(name, 5, seed=7)
    assert few.dtype == np.float32
    np.testing.assert_array_equal(few, more[:3])
    assert not np.array_equal(few, samples(name, 3, seed=8))


def test_latents_are_standard_normals_and_classes_take_turns():
    assert samples("face_dcgan", 4).shape == (4, 100)
    x = samples("eye_cdcgan", 400, seed=2)
    assert x.shape == (400, 108)
    # mean and deviation of 40,000 draws: within five standard errors
    assert abs(x[:, :100].mean()) < 5 / 200
    assert abs(x[:, :100].std() - 1) < 5 / 283
    np.testing.assert_array_equal(x[:, 100:], np.eye(8)[np.arange(400) % 8])
    assert entry("eye_cdcgan").classes[1] == "blue"


def test_photographs_are_whole_range_and_differ():
    x = samples("vintage_cyclegan", 6)
    assert x.shape == (6, 256, 256, 3)
    assert x.min() >= -1
    assert x.max() <= 1
    assert (np.ptp(x, axis=(1, 2, 3)) > 1.5).all()
    assert all(np.abs(x[i] - x[j]).mean() > 0.01 for i in range(6) for j in range(i))


def test_8_bit_levels():
    x = np.array([-2, -1, -1 + 1.01 / 255, 0.99 / 255 - 1, 0, 1, 3, 0.5], "float32")
    np.testing.assert_array_equal(to_uint8(x), [0, 0, 1, 0, 128, 255, 255, 191])
    levels = np.arange(256)
    np.testing.assert_array_equal(to_uint8(levels / 127.5 - 1), levels)
    assert to_uint8(x).dtype == np.uint8


def test_wrong_requests_are_refused():
    with pytest.raises(
        SplitDeconvError, match=r"unknown trained generator\n(.|\n)*face_dcgan(.|\n)*got: 'vgg'"
    ):
        samples("vgg")
    for name in (["face_dcgan"], None):
        with pytest.raises(SplitDeconvError, match="unknown trained generator"):
            samples(name)
    for count in (0, -1, 2.5, "2", None, True):
        with pytest.raises(SplitDeconvError, match="count must be a positive integer"):
            samples("face_dcgan", count)
    for seed in (-1, 1.5, "1"):
        with pytest.raises(SplitDeconvError, match=r"the seed does not fit\n(.|\n)*int >= 0\n"):
            samples("face_dcgan", 1, seed)


def test_photographs_without_scikit_image_name_the_extra(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("skimage"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr("importlib.import_module", missing)
    monkeypatch.setattr("splitdeconv.extras.import_module", missing)
    with pytest.raises(SplitDeconvError, match=r"pip install 'splitdeconv\[notebooks\]'"):
        samples("vintage_cyclegan", 1)


def test_no_framework_is_loaded_for_names_samples_and_the_reader():
    code = """
import sys
from splitdeconv import pretrained
pretrained.names(), pretrained.samples("face_dcgan", 1)
pretrained.cached("face_dcgan"), pretrained.read_checkpoint
import splitdeconv.pretrained.__main__
loaded = {"keras", "tensorflow", "jax", "torch", "skimage"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_file_is_no_generator():
    with pytest.raises(
        SplitDeconvError, match=r"unknown trained generator\n(.|\n)*got: 'selfie_segmentation'"
    ):
        samples("selfie_segmentation")


@pytest.mark.parametrize("name", ["face_dcgan", "eye_cdcgan", "vintage_cyclegan"])
@pytest.mark.parametrize("count", [10**6, 10**30, 10**5000], ids=["million", "large", "absurd"])
def test_more_samples_than_memory_are_refused(name, count):
    with pytest.raises(SplitDeconvError, match=r"too many samples|count must be a positive"):
        samples(name, count)

import struct

import numpy as np
import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import read_checkpoint
from tests.pretrained import torch_files as torch

RANDOM = np.random.default_rng(20)
TYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"]


def _array(kind, shape):
    values = RANDOM.normal(0, 50, shape)
    return (
        (values > 0) if kind == "?" else values.astype("i1" if kind == "u1" else kind).astype(kind)
    )


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_storage_type_comes_back_unchanged(tmp_path, kind, container):
    arrays = {
        "a.weight": _array(kind, (2, 3, 5)),
        "a.scalar": _array(kind, ()),
        "a.none": _array(kind, (0, 4)),
    }
    read = read_checkpoint(torch.save(tmp_path / "w.pth", arrays, container))
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
        assert read[name].flags.c_contiguous
        assert read[name].flags.writeable


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_bfloat16_becomes_the_same_numbers_in_float32(tmp_path, container):
    exact = np.array(
        [1.0, -2.5, 3.140625, 2.0**-126, -(2.0**127), np.inf], "f4"
    )  # 8 significant bits: bfloat16 holds them
    content = (exact.view("u4") >> 16).astype("<u2").tobytes()
    body = torch.ordered(
        torch.text("w") + torch.tensor(torch.storage("0", "BFloat16", 6), (6,), (1,))
    )
    if container == "zip":
        path = torch.zip_file(tmp_path / "w.pth", body, {"0": content})
    else:
        path = torch.legacy_file(tmp_path / "w.pth", body, {"0": (6, content)})
    read = read_checkpoint(path)["w"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, exact)


def test_strided_offset_and_overlapping_views(tmp_path):
    base = RANDOM.normal(size=24).astype("f4")
    views = {  # name: shape, strides, offset in elements
        "transposed": ((3, 2), (1, 3), 6),
        "every_second": ((4,), (2,), 1),
        "windows": ((5, 3), (1, 1), 2),
        "expanded": ((4, 3), (0, 1), 21),
        "last": ((1,), (900,), 23),
    }
    items = [
        torch.text(name) + torch.tensor(torch.storage("0", "Float", 24), shape, strides, offset)
        for name, (shape, strides, offset) in views.items()
    ]
    read = read_checkpoint(
        torch.zip_file(tmp_path / "w.pth", torch.ordered(*items), {"0": base.tobytes()})
    )
    for name, (shape, strides, offset) in views.items():
        wanted = [base[offset + np.dot(index, strides)] for index in np.ndindex(*shape)]
        np.testing.assert_array_equal(read[name].ravel(), wanted, err_msg=name)
        read[name][...] = 0  # memory of its own: writing to one leaves the next as it was


def test_nested_dictionaries_and_plain_values(tmp_path):
    inner = torch.ordered(
        torch.text("w") + torch.tensor(torch.storage("0", "Float", 2), (2,), (1,))
    )
    plain = (
        torch.text("epoch") + torch.number(7) + torch.text("loss") + b"G" + struct.pack(">d", 0.25)
    )
    plain += torch.text("more") + b"]" + b"(" + torch.number(2**40) + b"N\x88\x89" + b"e"
    path = torch.zip_file(
        tmp_path / "w.tar",
        b"}(" + torch.text("net") + inner + plain + b"u",
        {"0": np.array([1, -2], "f4").tobytes()},
    )
    read = read_checkpoint(path)
    np.testing.assert_array_equal(read.pop("net")["w"], [1, -2])
    assert read == {"epoch": 7, "loss": 0.25, "more": [2**40, None, True, False]}


def test_a_parameter_is_its_tensor(tmp_path):
    inner = torch.tensor(torch.storage("0", "Float", 1), (1,), (1,))
    parameter = (
        torch.named("torch._utils", "_rebuild_parameter")
        + torch.pack(inner, b"\x88", torch.ordered())
        + torch.REDUCE
    )
    path = torch.zip_file(
        tmp_path / "w", torch.ordered(torch.text("w") + parameter), {"0": struct.pack("<f", 1.5)}
    )
    assert read_checkpoint(path)["w"] == 1.5


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((6,), (1,), 0), ((2, 2), (4, 1), 0), ((1,), (1,), 5), ((0,), (1,), 6)],
)
def test_a_view_beyond_its_storage_is_refused(tmp_path, shape, strides, offset):
    path = torch.one(
        tmp_path / "w", torch.storage("0", "Float", 5), shape, strides, bytes(20), offset
    )
    with pytest.raises(SplitDeconvError, match="a view inside its 5 elements"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        *[((2,), (-1,), 4), ((-2,), (1,), 0), ((2,), (1,), -1), ((2, 2), (1,), 0)],
        *[
            ((1,), (1 << 62,), 0),
            ((0,), (1,), 1 << 62),
            ((0, 1 << 62), (1, 1), 0),
        ],  # beyond what an address can be
    ],
)
def test_negative_ragged_or_absurd_views_are_refused(tmp_path, shape, strides, offset):
    path = torch.one(
        tmp_path / "w", torch.storage("0", "Float", 5), shape, strides, bytes(20), offset
    )
    with pytest.raises(SplitDeconvError, match=r"a call of torch\._utils\._rebuild_tensor_v2"):
        read_checkpoint(path)


def test_the_number_of_axes_is_limited(tmp_path):
    for axes in (32, 33):
        path = torch.one(
            tmp_path / "w", torch.storage("0", "Float", 5), (1,) * axes, (7,) * axes, bytes(20)
        )
        if axes == 32:
            assert read_checkpoint(path)["w"].shape == (1,) * axes
        else:
            with pytest.raises(SplitDeconvError, match="arguments no tensor is made of"):
                read_checkpoint(path)


@pytest.mark.parametrize("shape", [(1 << 30,), (1 << 20, 1 << 20), (0, 1 << 39, 1 << 39)])
def test_views_that_multiply_beyond_the_limit_are_refused(tmp_path, shape):
    path = torch.one(
        tmp_path / "w", torch.storage("0", "Float", 5), shape, (0,) * len(shape), bytes(20)
    )
    with pytest.raises(SplitDeconvError, match="at most 1 GiB of tensors"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("kind", "numel"), [("Float", 4), ("Float", 6), ("Double", 5), ("Half", 5)]
)
def test_a_storage_of_another_size_is_refused(tmp_path, kind, numel):
    path = torch.one(tmp_path / "w", torch.storage("0", kind, numel), (1,), (1,), bytes(20))
    with pytest.raises(SplitDeconvError, match=f"{numel} elements of .* in storage '0'"):
        read_checkpoint(path)


def test_a_missing_storage_is_refused(tmp_path):
    body = torch.ordered(torch.text("w") + torch.tensor(torch.storage("1", "Float", 1), (1,), (1,)))
    with pytest.raises(SplitDeconvError, match="uncompressed member archive/data/1"):
        read_checkpoint(torch.zip_file(tmp_path / "zip", body, {"0": bytes(4)}))
    with pytest.raises(SplitDeconvError, match="a storage '0' of unknown type"):
        read_checkpoint(torch.legacy_file(tmp_path / "old", body, {"0": (1, bytes(4))}))
    with pytest.raises(SplitDeconvError, match="a storage '1'\n  got: none"):
        read_checkpoint(torch.legacy_file(tmp_path / "older", body, {}))

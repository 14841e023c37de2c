"""Pickles made to take time or memory: refused, or read in time that grows with their size."""

import io
import pickle
import random

import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import pickles
from tests.pretrained import torch_files as torch


def _parse(body):
    return pickles.parse(io.BytesIO(torch.pickled(body)), "forged.pth")


def _long(value):
    """An integer of any size, as protocol 2 writes it."""
    content = pickle.encode_long(value)
    return b"\x8a" + bytes([len(content)]) + content


@pytest.mark.parametrize("key", [2**31, -(2**31) - 1, 2**61 - 1, 2**2000])
def test_integer_keys_that_could_share_a_hash_are_refused(key):
    with pytest.raises(SplitDeconvError, match=r"a dictionary key of \d+ bits"):
        _parse(b"}" + _long(key) + b"Ns")


def test_keys_of_one_hash_are_not_compared_with_one_another():
    items = b"".join(_long((i + 1) * (2**61 - 1)) + b"N" for i in range(40_000))
    with pytest.raises(SplitDeconvError, match="a dictionary key of 61 bits"):
        _parse(b"}(" + items + b"u")


def test_integer_keys_of_32_bits_are_read():
    keys = [0, -1, -2, 2**31 - 1, -(2**31)]
    assert _parse(b"}(" + b"".join(_long(key) + b"N" for key in keys) + b"u") == dict.fromkeys(keys)


def test_a_shape_that_many_tensors_share_is_not_walked_for_each():
    shape = b"(" + torch.number(1) * 45_000 + b"tq\0"
    rebuild = (
        torch.named("torch._utils", "_rebuild_tensor_v2") + b"(" + torch.storage("0", "Float", 1)
    )
    tensor = (
        rebuild + torch.number(0) + b"h\0h\0" + torch.FALSE + torch.EMPTY_DICT + b"t" + torch.REDUCE
    )
    with pytest.raises(SplitDeconvError, match="arguments no tensor is made of"):
        _parse(shape + tensor * 3000)


@pytest.mark.parametrize("numel", [pickles.MAX_ELEMENTS, 2**63, 2**2000])
def test_storages_larger_than_any_are_refused(numel):
    parts = (
        torch.text("storage"),
        torch.named("torch", "FloatStorage"),
        torch.text("0"),
        torch.text("cpu"),
    )
    with pytest.raises(SplitDeconvError, match="no tensor storage"):
        _parse(torch.pack(*parts, _long(numel)) + torch.PERSISTENT)


@pytest.mark.parametrize(
    "body", [b"(" * 10**6, b"]" * 10**6, b")" + b"\x85" * 10**6, b"]" + b"K\0a" * 10**6]
)
def test_streams_without_end_are_cut(body):
    with pytest.raises(SplitDeconvError, match="a pickle that is too long"):
        _parse(body)


@pytest.mark.parametrize(
    "body",
    [
        torch.named("a" * 10**6, "b"),
        torch.named("torch", "b" * 10**6),
        b"L" + b"9" * 10**6 + b"L\n",
        b"S" + b"a" * 10**6 + b"\n",
        b"I" + b"a" * 10**6 + b"\n",
    ],
)
def test_a_refusal_is_short_whatever_the_stream(body):
    with pytest.raises(SplitDeconvError) as caught:
        _parse(body)
    assert len(str(caught.value)) < 600


def test_mutated_pickles_are_read_or_refused():
    items = (
        torch.text("w") + torch.tensor(torch.storage("0", "Float", 6), (2, 3), (3, 1)),
        torch.text("n") + torch.number(3),
        torch.text("l") + b"](K\1K\2e",
    )
    good, rng, errors = torch.pickled(torch.ordered(*items)), random.Random(0), []
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.randint(1, 5)):
            start, stop = sorted(rng.choices(range(len(data) + 1), k=2))
            if rng.random() < 0.5:
                data[start:start] = data[start:stop] * rng.choice([1, 1, 30])
            else:
                data[start : start + rng.randint(0, 3)] = bytes(
                    rng.choices(range(256), k=rng.randint(0, 3))
                )
        try:
            pickles.parse(io.BytesIO(bytes(data)), "mutated.pth")
        except SplitDeconvError as error:
            errors.append(str(error))
    assert 1000 < len(errors) < 3000
    assert max(map(len, errors)) < 600

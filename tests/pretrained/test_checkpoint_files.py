"""Forged, damaged and endless files are refused before they cost anything."""

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import checkpoint, read_checkpoint
from tests.pretrained import torch_files as torch

RANDOM = np.random.default_rng(20)


def test_compression_bombs_are_refused_before_they_grow(tmp_path):
    body = torch.ordered(
        torch.text("w") + torch.tensor(torch.storage("0", "Float", 1 << 24), (1,), (1,))
    )
    path = torch.zip_file(
        tmp_path / "w", body, {"0": bytes(1 << 26)}, compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 1 << 18
    with pytest.raises(SplitDeconvError, match="an uncompressed member"):
        read_checkpoint(path)


def test_compressed_members_are_refused_however_small(tmp_path):
    noise = np.arange(
        500, dtype="f4"
    ).tobytes()  # hardly compressible, and the description far smaller than the file
    body = torch.ordered(
        torch.text("w") + torch.tensor(torch.storage("0", "Float", 500), (500,), (1,))
    )
    assert read_checkpoint(torch.zip_file(tmp_path / "w", body, {"0": noise}))["w"][-1] == 499
    path = torch.zip_file(tmp_path / "w", body, {"0": noise}, compression=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("archive/data.pkl").file_size < path.stat().st_size
    with pytest.raises(SplitDeconvError, match=r"an uncompressed member archive/data\.pkl"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "forged", [slice(20, 24), slice(24, 28), slice(20, 28)]
)  # size in the file, size read, both
def test_a_stored_member_gives_no_more_than_the_file_has(tmp_path, forged):
    path = torch.one(tmp_path / "w", torch.storage("0", "Float", 1 << 27), (1,), (1,), bytes(20))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")  # of the last member, the storage
    content[entry + forged.start : entry + forged.stop] = struct.pack("<I", 1 << 29) * (
        (forged.stop - forged.start) // 4
    )
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(
            SplitDeconvError,
            match=r"storage '0'\n  got: 20 bytes|archive/data/0 unharmed\n  got: \w+",
        ):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24  # half a gigabyte was claimed
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["data.pkl", "data/0"])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_members_of_one_name_are_refused(tmp_path, name):
    stored, body = torch.storage("0", "Float", 1), torch.text("w")
    body = torch.ordered(body + torch.tensor(stored, (1,), (1,)))
    path = torch.zip_file(
        tmp_path / "w", body, {"0": bytes(4)}, extra=[(name, torch.pickled(torch.ordered()))]
    )
    with pytest.raises(SplitDeconvError, match="two members of one name"):
        read_checkpoint(path)


def test_the_number_of_members_is_limited(tmp_path, monkeypatch):
    path = torch.zip_file(tmp_path / "w", torch.ordered(), {str(key): b"" for key in range(20)})
    monkeypatch.setattr(checkpoint, "MAX_LEAVES", 21)
    assert read_checkpoint(path) == {}
    monkeypatch.setattr(checkpoint, "MAX_LEAVES", 20)
    with pytest.raises(SplitDeconvError, match="an archive of at most 20 members"):
        read_checkpoint(path)


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_every_truncation_is_refused(tmp_path, container):
    whole = torch.save(
        tmp_path / "w", {"a": RANDOM.normal(size=(3, 4)), "b": np.arange(5)}, container
    ).read_bytes()
    cut = tmp_path / "cut"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(SplitDeconvError, match=r"invalid PyTorch checkpoint|damaged"):
            read_checkpoint(cut)


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_damaged_bytes_are_read_or_refused_never_anything_else(tmp_path, container):
    whole = torch.save(
        tmp_path / "w", {"a": RANDOM.normal(size=(3, 4)), "b": np.arange(5)}, container
    ).read_bytes()
    hit, refused = tmp_path / "hit", 0
    for position in RANDOM.integers(0, len(whole), 400):
        damaged = bytearray(whole)
        damaged[position] ^= int(RANDOM.integers(1, 256))
        hit.write_bytes(damaged)
        try:
            assert isinstance(read_checkpoint(hit), dict)
        except SplitDeconvError:
            refused += 1
    assert refused > 100  # most bytes of so small a file are structure


def test_random_bytes_are_refused(tmp_path):
    path = tmp_path / "noise"
    for start in (b"", b"PK", b"PK\x03\x04", b"\x80\x02\x8a\n"):
        for _ in range(50):
            path.write_bytes(start + RANDOM.bytes(200))
            with pytest.raises(
                SplitDeconvError, match=r"invalid PyTorch checkpoint|damaged|other than tensors"
            ):
                read_checkpoint(path)


def test_a_flipped_bit_in_a_zip_storage_is_noticed(tmp_path):
    path = torch.save(tmp_path / "w", {"a": np.full(64, 1.2345, "f4")})
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<f", 1.2345)) + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SplitDeconvError, match="Bad CRC-32"):
        read_checkpoint(path)


def test_containers_that_are_not_quite(tmp_path):
    body, path = torch.ordered(), tmp_path / "w"
    for call, expected in (
        (
            lambda: torch.zip_file(path, body, {}, extra=[("byteorder", b"big")]),
            "little-endian storages",
        ),
        (
            lambda: torch.zip_file(path, body, {}, extra=[("more/data.pkl", b"")]),
            "a zip archive with one data.pkl",
        ),
        (
            lambda: torch.legacy_file(path, body, {}, magic=0x1950A86A20F9469CFC6D),
            "the legacy header",
        ),
        (lambda: torch.zip_file(path, torch.number(3), {}), "a dictionary of tensors"),
        (lambda: torch.legacy_file(path, body, {"0": (-1, b"")}), "of unknown type"),
        (
            lambda: torch.zip_file(
                path, b"}" + torch.text("s") + torch.storage("0", "Float", 1) + b"s", {}
            ),
            "plain values",
        ),
    ):
        with pytest.raises(SplitDeconvError, match=expected):
            read_checkpoint(call())


def test_a_negative_length_in_a_legacy_file_is_refused(tmp_path):
    body = torch.ordered(torch.text("w") + torch.tensor(torch.storage("0", "Float", 1), (1,), (1,)))
    with pytest.raises(SplitDeconvError, match="storage '0' with -1 elements"):
        read_checkpoint(torch.legacy_file(tmp_path / "w", body, {"0": (-1, bytes(4))}))


def test_structures_nested_without_end_are_refused(tmp_path):
    circle = b"}q\x00" + torch.text("me") + b"h\x00" + b"s"
    wide = b"}" + b"".join(torch.number(key) + b"]" + b"s" for key in range(200))
    with pytest.raises(SplitDeconvError, match="16 levels deep"):
        read_checkpoint(torch.zip_file(tmp_path / "w", circle, {}))
    assert len(read_checkpoint(torch.zip_file(tmp_path / "w", wide, {}))) == 200


def test_the_number_of_leaves_is_limited(tmp_path):
    # tuples that hold the tuple before ten times over: 10**6 leaves in under 300 bytes
    body = torch.number(1)
    for level in range(6):
        body += (
            b"q"
            + bytes([level])
            + b"("
            + b"h"
            + bytes([level])
            + (b"h" + bytes([level])) * 9
            + b"t"
        )
    items = b"](" + body + b"e"
    with pytest.raises(SplitDeconvError, match="at most 100,000 entries"):
        read_checkpoint(torch.zip_file(tmp_path / "w", b"}" + torch.text("w") + items + b"s", {}))


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path, monkeypatch):
    path = torch.save(tmp_path / "w", {"a": np.zeros(100)})
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 500)
    with pytest.raises(SplitDeconvError, match="a file of at most 1 GiB"):
        read_checkpoint(path)


@pytest.mark.parametrize("path", ["missing.pth", ".", "a\0b"])
def test_a_path_that_cannot_be_read(tmp_path, path):
    with pytest.raises(SplitDeconvError, match="the checkpoint cannot be read"):
        read_checkpoint(tmp_path / path)


def test_what_is_no_path_is_refused():
    with pytest.raises(SplitDeconvError, match=r"the checkpoint cannot be read(.|\n)*NoneType"):
        read_checkpoint(None)


def test_pipes_and_devices_are_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(
            SplitDeconvError, match=r"the checkpoint cannot be read(.|\n)*not a regular file"
        ):
            read_checkpoint(path)


def test_a_file_that_grows_is_read_as_far_as_it_was_measured(tmp_path, monkeypatch):
    path = torch.save(tmp_path / "w", {"a": np.arange(5.0)}, "legacy")
    asked, content = [], path.read_bytes()

    class Endless(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_: Endless(content * 2))
        found = read_checkpoint(path)["a"]
    np.testing.assert_array_equal(found, np.arange(5.0))
    assert asked == [len(content)]


def test_a_storage_counts_as_often_as_it_is_read(tmp_path, monkeypatch):
    kinds = {
        "Double": 8,
        "Float": 4,
        "Half": 2,
        "Long": 8,
        "Int": 4,
        "Short": 2,
        "Char": 1,
        "Byte": 1,
    }
    items = [  # one member under eight types, of which each tensor shows a single element
        torch.text(kind) + torch.tensor(torch.storage("0", kind, 80_000 // size), (1,), (1,))
        for kind, size in kinds.items()
    ]
    path = torch.zip_file(tmp_path / "w", torch.ordered(*items), {"0": bytes(80_000)})
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 640_100)
    assert len(read_checkpoint(path)) == 8
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 639_900)
    with pytest.raises(SplitDeconvError, match="at most 1 GiB of tensors"):
        read_checkpoint(path)


def test_storages_count_towards_the_limit(tmp_path, monkeypatch):
    stored = [torch.storage(str(key), "Float", 25) for key in range(4)]
    items = [
        torch.text(str(key)) + torch.tensor(item, (1,), (1,)) for key, item in enumerate(stored)
    ]
    path = torch.zip_file(
        tmp_path / "w", torch.ordered(*items), {str(key): bytes(100) for key in range(4)}
    )
    monkeypatch.setattr(checkpoint, "MAX_BYTES", path.stat().st_size)
    assert len(read_checkpoint(path)) == 4
    # the same bytes named four times in the archive's directory: overlapping members
    buffer = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        for key in range(1, 4):
            archive.getinfo(f"archive/data/{key}").header_offset = archive.getinfo(
                "archive/data/0"
            ).header_offset
        archive.comment = b"forged"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(SplitDeconvError, match="invalid PyTorch checkpoint"):
        read_checkpoint(path)

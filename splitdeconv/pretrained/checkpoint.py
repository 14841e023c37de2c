"""PyTorch checkpoints as NumPy arrays, without PyTorch and without executing any of their contents.

Two containers are in use. Since PyTorch 1.6 a checkpoint is a zip archive: `PREFIX/data.pkl`
describes the tensors, `PREFIX/data/KEY` holds each storage's bytes. Before, it was a file of
pickles (magic number, protocol, system, object, storage keys) followed by each storage's length and
bytes. See torch/serialization.py for both. `splitdeconv.pretrained.pickles` reads the pickles; this
module finds the bytes, checks their sizes and turns them into arrays.
"""

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.typing import NumpyArray
from ..errors import SplitDeconvError, shorten
from .pickles import Storage, Tensor, parse

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Of the file, and of all storages and arrays together: members and views may overlap and multiply.
MAX_BYTES = 1 << 30
MAX_LEAVES = 100_000  # tensors and values, and members of an archive
MAX_DEPTH = 16
# what zipfile raises on damaged archives; NotImplementedError (a RuntimeError) for versions and
# flags it does not know
_ZIP_ERRORS = (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, OSError, struct.error)


def read_checkpoint(path: str | Path) -> dict[Any, Any]:
    """The tensors of a PyTorch checkpoint, nested as in the file.

    Args:
        path: a file that `torch.save` wrote, zip or legacy format, up to 1 GiB.

    Returns:
        A dictionary of NumPy arrays (native byte order, C order, own memory) and nested
        dictionaries of them, in the file's order; plain numbers, texts, None, lists and tuples are
        kept. bfloat16 has no NumPy type and becomes float32, which holds every bfloat16 exactly;
        every other type is kept.

    Raises:
        SplitDeconvError: the file cannot be read, is not a checkpoint, is damaged or truncated,
            contains anything but tensors, or refers to more data than its storages have.

    Example:
        >>> import splitdeconv as sd
        >>> content = sd.pretrained.read_checkpoint(sd.pretrained.fetch("face_dcgan"))
        >>> len(content["netG_state_dict"])
        25
    """
    try:
        path = Path(path)
        size = path.stat().st_size
        if not path.is_file():
            raise OSError("not a regular file")  # a pipe or a device may never end
        if size > MAX_BYTES:
            raise _damaged(path, "a file of at most 1 GiB", f"{size} bytes")
        with path.open("rb") as file:
            # At most the size that was checked: a file may grow, and system files may never end.
            content = file.read(size)
    except SplitDeconvError:
        raise
    except (OSError, ValueError, TypeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise SplitDeconvError(
            "the checkpoint cannot be read",
            where=str(path),
            expected="a file",
            got=got,
            fix="check the path",
        ) from error
    described, storage_bytes = (_open_zip if content[:2] == b"PK" else _open_legacy)(content, path)
    if not isinstance(described, dict):
        raise _damaged(path, "a dictionary of tensors", type(described).__name__)
    return _Arrays(storage_bytes, path).of(described)


def _open_zip(content: bytes, path: Path) -> tuple[Any, Callable[[Storage], bytes]]:
    # Every entry of the directory starts with this mark. Counting them first avoids parsing a
    # million entries for ten seconds.
    if content.count(b"PK\x01\x02") > MAX_LEAVES:
        raise _damaged(path, f"an archive of at most {MAX_LEAVES:,} members", "more")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = {info.filename: info for info in archive.infolist()}
        # Readers would disagree on which of the two to use.
        if len(members) < len(archive.infolist()):
            raise ValueError("two members of one name")
        (pickle_name,) = (name for name in members if f"/{name}".endswith("/data.pkl"))
    except _ZIP_ERRORS as error:
        raise _damaged(path, "a zip archive with one data.pkl", str(error)) from error
    prefix = pickle_name.removesuffix("data.pkl")

    def read(name: str) -> bytes:
        info = members.get(prefix + name)
        # torch.save never compresses, and a stored member cannot yield more bytes than the file has
        if info is None or info.compress_type != zipfile.ZIP_STORED:
            got = "none" if info is None else "another kind"
            raise _damaged(path, f"an uncompressed member {prefix}{name}", got)
        try:
            return archive.read(info)
        except _ZIP_ERRORS as error:
            got = str(error) or type(error).__name__
            raise _damaged(path, f"the member {prefix}{name} unharmed", got) from error

    order = "little"
    if prefix + "byteorder" in members:
        order = read("byteorder").decode("ascii", "replace")
    if order != "little":
        raise _damaged(path, "little-endian storages", f"byte order {order!r}")
    described = parse(io.BytesIO(read("data.pkl")), str(path))
    return described, lambda storage: read(f"data/{storage.key}")


def _open_legacy(content: bytes, path: Path) -> tuple[Any, Callable[[Storage], bytes]]:
    # The magic number, as every binary protocol writes it.
    if not re.match(rb"\x80[\x02-\x05]\x8a\n", content):
        raise _damaged(path, "a PyTorch checkpoint, zip or legacy", "unknown file signature")
    stream, name = io.BytesIO(content), str(path)
    magic, _protocol, _system, described, keys = (parse(stream, name) for _ in range(5))
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if magic != LEGACY_MAGIC or not named:
        raise _damaged(path, "the legacy header of torch.save", "unexpected header")
    start, dtypes = stream.tell(), _storages(described)
    places: dict[str, slice] = {}
    for key in keys:
        if key not in dtypes:
            got = f"a storage {key!r} of unknown type"
            raise _damaged(path, "storages of the tensors described", got)
        count = int.from_bytes(content[start : start + 8], "little", signed=True)
        size = count * _stored(dtypes[key]).itemsize
        if count < 0 or start + 8 + size > len(content):
            raise _damaged(path, f"storage {key!r} with {count} elements", "the end of the file")
        places[key] = slice(start + 8, start + 8 + size)
        start += 8 + size

    def read(storage: Storage) -> bytes:
        if storage.key not in places:
            raise _damaged(path, f"a storage {storage.key!r}", "none")
        return content[places[storage.key]]

    return described, read


def _storages(described: Any) -> dict[str, str]:
    """Element type of every storage the tensors refer to."""
    types: dict[str, str] = {}
    waiting, seen = [described], set[int]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            types[item.storage.key] = item.storage.dtype
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return types


class _Arrays:
    """Turn descriptions into arrays, within the limits."""

    def __init__(self, storage_bytes: Callable[[Storage], bytes], path: Path) -> None:
        self._storage_bytes, self._path = storage_bytes, path
        self._storages: dict[Storage, NumpyArray] = {}
        self._leaves, self._bytes = 0, 0

    def of(self, item: Any, depth: int = 0) -> Any:
        self._leaves += 1
        if depth > MAX_DEPTH or self._leaves > MAX_LEAVES:
            most = f"at most {MAX_LEAVES:,} entries, {MAX_DEPTH} levels deep"
            raise _damaged(self._path, most, "more")
        match item:
            case Tensor():
                return self._array(item)
            case dict():
                return {key: self.of(value, depth + 1) for key, value in item.items()}
            case list() | tuple():
                return type(item)(self.of(value, depth + 1) for value in item)
            case None | bool() | int() | float() | str():
                return item
        raise _damaged(self._path, "tensors and plain values", f"a bare {type(item).__name__}")

    def _array(self, tensor: Tensor) -> NumpyArray:
        storage = self._elements(tensor.storage)
        shape, last = tensor.shape, tensor.offset
        last += sum((n - 1) * step for n, step in zip(shape, tensor.strides, strict=True))
        if tensor.offset > len(storage) if 0 in shape else last >= len(storage):
            expected = f"a view inside its {len(storage)} elements"
            raise _damaged(self._path, expected, f"shape {shape} up to {last}")
        self._spend(math.prod(max(n, 1) for n in shape) * storage.itemsize)
        steps = tuple(step * storage.itemsize for step in tensor.strides)
        start = storage[tensor.offset :]
        view = np.lib.stride_tricks.as_strided(start, shape, steps, writeable=False)
        return view.astype(storage.dtype.newbyteorder("="), order="C", copy=True)

    def _elements(self, storage: Storage) -> NumpyArray:
        if storage not in self._storages:
            content, kind = self._storage_bytes(storage), _stored(storage.dtype)
            if len(content) != storage.numel * kind.itemsize:
                expected = f"{storage.numel} elements of {storage.dtype} in storage {storage.key!r}"
                raise _damaged(self._path, expected, f"{len(content)} bytes")
            self._spend(len(content))
            elements: NumpyArray = np.frombuffer(content, kind)
            if storage.dtype == "bf16":  # the upper half of a float32
                elements = (elements.astype("<u4") << 16).view("<f4")
            elif storage.dtype == "?":
                elements = elements != 0
            self._storages[storage] = elements
        return self._storages[storage]

    def _spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > MAX_BYTES:
            raise _damaged(self._path, "at most 1 GiB of tensors", "more")


def _stored(dtype: str) -> np.dtype[Any]:
    """The NumPy type of a storage's bytes; bfloat16 and bool are read as integers first."""
    return np.dtype({"bf16": "u2", "?": "u1"}.get(dtype, dtype)).newbyteorder("<")


def _damaged(path: Path, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "invalid PyTorch checkpoint: damaged, truncated or forged",
        where=str(path),
        expected=shorten(expected, 200),
        got=shorten(got, 200),
        fix="fetch the file again, or write it with torch.save(model.state_dict(), path)",
    )

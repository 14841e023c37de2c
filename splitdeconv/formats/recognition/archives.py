"""Archives and compressed files: identify what is inside, and give the commands to extract it."""

import bz2
import io
import lzma
import shlex
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ...suggested import named
from ..registry import beginning_with
from . import recipes

_PEEK = 4096  # bytes of the contents to look at
_MOST = 1000  # members of an archive to look at
_SHOWN = 4
# Name, magic bytes, and the command that writes the contents to standard output.
_PACKED = (
    ("gzip", b"\x1f\x8b", "gunzip -c"),
    ("bzip2", b"BZh", "bunzip2 -c"),
    ("xz", b"\xfd7zXZ\x00", "xz -dc"),
    ("Zstandard", b"\x28\xb5\x2f\xfd", "zstd -dc"),
    ("LZ4", b"\x04\x22\x4d\x18", "lz4 -dc"),
)
# Archives that Python cannot open.
_CLOSED = (("7-Zip", b"7z\xbc\xaf\x27\x1c", "7z x {}"), ("RAR", b"Rar!\x1a\x07", "unrar x {}"))
_GIVE = "use the model file inside it"
_UNTAR = f"tar -xf {{}}, then {_GIVE}"
#: Exceptions that Python raises for damaged archives.
BROKEN = (
    zipfile.BadZipFile,
    ValueError,
    NotImplementedError,
    OSError,
    RuntimeError,
    EOFError,
    zlib.error,
)


def describe(data: bytes, path: str) -> tuple[str, str] | None:
    """What a packed file is, and what to do with it; None if it is not packed.

    Args:
        data: its bytes.
        path: its path, or its name in errors.
    """
    if data[:4] == b"PK\x03\x04":
        return _in_zip(data, path)
    for name, magic, command in _CLOSED:
        if data.startswith(magic):
            return f"a {name} archive", recipes.filled(f"{command}, then {_GIVE}", path)
    if data[257:262] == b"ustar":
        return "a tar archive", recipes.filled(_UNTAR, path)
    for name, magic, command in _PACKED:
        if data.startswith(magic):
            return _in_stream(data, path, name, command)
    return None


def _in_stream(data: bytes, path: str, name: str, command: str) -> tuple[str, str]:
    head = _unpacked(data, name)
    if head[257:262] == b"ustar":
        return f"a tar archive, compressed with {name}", recipes.filled(_UNTAR, path)
    inside = beginning_with(head)
    what = f"a file compressed with {name}"
    if inside is None:
        return what, recipes.filled(f"{command} {{}} > model, then splitdeconv inspect model", path)
    model = f"model.{inside.name}"
    unpack, convert = f"{command} {{}} > {model}", f"convert {model} -o split.{inside.name}"
    fix = recipes.filled(f"{unpack}, then splitdeconv {convert}", path)
    return f"{what} (a .{inside.name} model)", fix


def _unpacked(data: bytes, name: str) -> bytes:
    """The first bytes of the uncompressed contents; none where Python cannot decompress them."""
    try:
        if name == "gzip":
            return zlib.decompressobj(wbits=31).decompress(data, _PEEK)
        if name == "bzip2":
            return bz2.BZ2Decompressor().decompress(data, _PEEK)
        if name == "xz":
            return lzma.LZMADecompressor().decompress(data, _PEEK)
    except (*BROKEN, lzma.LZMAError):
        pass
    return b""


def _in_zip(data: bytes, path: str) -> tuple[str, str]:
    """A zip archive by its members: PyTorch, NumPy or Core ML files, or one that holds models."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            inside = list(_models(archive))
    except BROKEN as error:
        return f"a broken zip archive: {error}", recipes.AGAIN
    parts = [tuple(name.split("/")) for name in names]
    last = {part[-1] for part in parts}
    if {"serialized_exported_program.json", "archive_format"} & last:
        return "a torch.export program of PyTorch 2.7 or before", recipes.filled(
            recipes.EXPORTED, path
        )
    has_code = any("code" in part[:-1] for part in parts if part[-1].endswith(".py"))
    if has_code or "constants.pkl" in last:
        fix = recipes.filled(recipes.SCRIPTED, path)
        return "a TorchScript archive (its code is never run)", fix
    if "data.pkl" in last:
        return "a PyTorch checkpoint (its pickle is never opened)", recipes.TO_PT2
    if any("com.apple.CoreML" in part for part in parts):
        return "a Core ML package", recipes.CORE_ML
    folder = f"{named(path)}.files"
    unpack = recipes.filled(f"python -m zipfile -e {{}} {shlex.quote(folder)}, then ", path)
    if inside:
        shown = ", ".join([name for name, _ in inside[:_SHOWN]] + ["..."] * (len(inside) > _SHOWN))
        first, kind = inside[0]
        member = shlex.quote(f"{folder}/{first}")
        what = f"a zip archive (like a MediaPipe .task bundle) of {len(inside)} model(s): {shown}"
        return what, f"{unpack}splitdeconv convert {member} -o split.{kind}"
    if "saved_model.pb" in last:
        where = next(part[:-1] for part in parts if part[-1] == "saved_model.pb")
        inner = recipes.filled(recipes.TO_TFLITE, "/".join((folder, *where)))
        return "a zipped SavedModel folder", unpack + inner
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz), which contains only arrays", recipes.AGAIN
    return f"a zip archive of {len(names)} other file(s)", recipes.AGAIN


def _models(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """(name, format) of the members that begin like models."""
    for item in archive.infolist()[:_MOST]:
        if not item.is_dir() and item.file_size:
            with archive.open(item) as member:
                head = member.read(_PEEK)
            file_format = beginning_with(head)
            # A .keras file begins like any other zip archive.
            if file_format is None:
                continue
            if head[:4] != b"PK\x03\x04":
                yield item.filename, file_format.name
            elif Path(item.filename).suffix in (".keras", ".pt2"):
                yield item.filename, Path(item.filename).suffix[1:]

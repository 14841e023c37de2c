"""The values of a sweep in a folder: written block by block, and opened without reading them.

The format is Zarr 2 without compression: JSON that describes the arrays, and a file of raw numbers
for every block of every variable. So each process writes the blocks that it computed, without a
lock, and any library for Zarr reads the folder (`xarray.open_zarr`). None is needed here.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import output
from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, one_line
from .jobs import VARIABLES, Job
from .space import Block, Space

#: What the name of a folder ends in.
SUFFIX = ".zarr"
_NUMBERS = "<f8"
# Files are written here, then renamed: one that a lost worker left unfinished is never read.
_UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Write:
    """Compute a block and write it, where the folder can be seen; elsewhere return its values.

    Args:
        folder: that `creating` yielded.
        space: all points.
        variables: that are written.
    """

    folder: str
    space: Space
    variables: Sequence[str]

    def __call__(self, job: Job, block: Block) -> NumpyArray | None:
        """The values of the block if this machine cannot see the folder, else None."""
        values = job(block.start, block.stop, self.variables)
        if not os.path.isdir(self.folder):
            return values
        self.write(block, values)
        return None

    def write(self, block: Block, values: NumpyArray) -> None:
        """Write the values of a block.

        Raises:
            SplitDeconvError: there is no room, or no permission.
        """
        whole: NumpyArray = np.zeros((len(values), 2, *self.space.box))
        whole[tuple(map(slice, values.shape))] = values
        chunk = self.space.place(block.job) | {"part": 0}
        chunk |= {
            name: start // step
            for name, start, step in zip(self.space.inner, block.start, self.space.box, strict=True)
        }
        name = ".".join(str(chunk[dimension]) for dimension in self.space.sizes)
        try:
            for variable, numbers in zip(self.variables, whole, strict=True):
                partial = os.path.join(self.folder, _UNFINISHED, secrets.token_hex(8))
                with open(partial, "wb") as file:
                    file.write(numbers.astype(_NUMBERS, copy=False).tobytes())
                os.replace(partial, os.path.join(self.folder, variable, name))
        except OSError as error:
            raise _unwritten(self.folder, error) from None


def check(path: str | os.PathLike[str]) -> Path:
    """Refuse an output that is there already or cannot be written, before any work is spent on it.

    Raises:
        SplitDeconvError: it does not end in `SUFFIX`, exists, or its folder cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise SplitDeconvError(
            "invalid output of a sweep",
            where=str(path),
            expected=f"the name of a new folder that ends in {SUFFIX}",
            got=path.name or str(path),
        )
    if os.path.lexists(path):
        raise _there(path, "something that is already there")
    return output.check(path)


@contextmanager
def creating(
    path: Path,
    space: Space,
    labels: Mapping[str, Sequence[Any]],
    variables: Sequence[str],
    settings: Mapping[str, str],
) -> Iterator[str]:
    """A folder to write blocks to, which gets its name once all are written and is removed else.

    Args:
        path: its name, checked by `check`.
        space: all points.
        labels: of each dimension.
        variables: that are written.
        settings: what else is known of them.

    Yields:
        The folder while it is written.

    Raises:
        SplitDeconvError: it cannot be written, or something has its name meanwhile.
    """
    partial = path.absolute().with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.partial")
    try:
        (partial / _UNFINISHED).mkdir(parents=True)
        _describe(partial, space, labels, variables, settings)
        yield str(partial)
        # From here on, workers that were given up write no more.
        shutil.rmtree(partial / _UNFINISHED)
        if os.path.lexists(path):
            raise _there(path, "something that appeared meanwhile")
        partial.rename(path)
    except OSError as error:
        raise _unwritten(str(path), error) from None
    finally:
        if partial.exists():
            # Under another name first: then workers that are still writing cannot find it.
            removed = partial.with_name(f"{partial.name}.removed")
            partial.rename(removed)
            shutil.rmtree(removed)


def _describe(
    folder: Path,
    space: Space,
    labels: Mapping[str, Sequence[Any]],
    variables: Sequence[str],
    settings: Mapping[str, str],
) -> None:
    """Write everything but the values: the coordinates, and what the arrays are."""
    described: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": dict(settings)}
    chunk = dict.fromkeys(space.sizes, 1) | {"part": space.sizes["part"]}
    chunk |= dict(zip(space.inner, space.box, strict=True))
    dims = list(space.sizes)
    for name in dims:
        values = np.asarray(labels[name])
        if values.dtype.kind == "O":  # numbers that no integer type holds
            values = values.astype(float)
        described |= _array(name, values.shape, values.shape, values.dtype.str, [name])
        (folder / name).mkdir()
        (folder / name / "0").write_bytes(values.tobytes())
    for name in variables:
        shape, chunks = list(space.sizes.values()), list(chunk.values())
        described |= _array(name, shape, chunks, _NUMBERS, dims, units=VARIABLES[name])
        (folder / name).mkdir()
    for name, content in described.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    together = {"zarr_consolidated_format": 1, "metadata": described}
    (folder / ".zmetadata").write_text(json.dumps(together, indent=1), encoding="utf-8")


def _array(
    name: str,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: str,
    dims: Sequence[str],
    **attributes: str,
) -> dict[str, Any]:
    """The two records of an array, by file."""
    record = {
        "zarr_format": 2,
        "shape": list(shape),
        "chunks": list(chunks),
        "dtype": dtype,
        "order": "C",
        "compressor": None,
        "filters": None,
        "fill_value": None,
        "dimension_separator": ".",
    }
    return {
        f"{name}/.zarray": record,
        f"{name}/.zattrs": {"_ARRAY_DIMENSIONS": list(dims), **attributes},
    }


def _there(path: Path, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the output cannot be written",
        where=str(path),
        expected="the name of a new folder",
        got=got,
        fix="choose another name, or remove it first",
    )


def _unwritten(where: str, error: OSError) -> SplitDeconvError:
    return SplitDeconvError(
        "the output cannot be written",
        where=where,
        expected="room and permission to write",
        got=one_line(error),
        fix="make room or choose another folder",
    )

"""The folder of a sweep as a dataset whose values are read where they are used."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, one_line
from ...extras import require

if TYPE_CHECKING:
    import xarray


def open_sweep(path: str | os.PathLike[str]) -> "xarray.Dataset":
    """Open what `splitdeconv.dlp.sweep` wrote; values are read, block by block, when they are used.

    Args:
        path: the folder, as given to `sweep` as `to`.

    Returns:
        The dataset that `sweep` returned: of dask arrays, one chunk per block.

    Raises:
        SplitDeconvError: there is no such folder, or a sweep did not write it; while values are
            read, a block that is missing or damaged. dask or xarray is not installed.

    Example:
        >>> import tempfile
        >>> import splitdeconv as sd
        >>> folder = tempfile.TemporaryDirectory()
        >>> axes = {"rows": [8, 16], "dram_gb_s": [1.6, 12.8]}
        >>> _ = sd.dlp.sweep(["dcgan"], "pe_array_32x7", axes, to=folder.name + "/dcgan.zarr")
        >>> cube = sd.dlp.open_sweep(folder.name + "/dcgan.zarr")
        >>> cube.cycles.sel({"method": "sd", "part": "deconv", "rows": 16}).values.shape
        (1, 1, 2)
        >>> folder.cleanup()
    """
    xarray, dask = require("xarray", "sweep"), require("dask.array", "sweep")
    path = Path(path).absolute()
    try:
        described = json.loads((path / ".zmetadata").read_text(encoding="utf-8"))["metadata"]
        names = [name.partition("/")[0] for name in described if name.endswith("/.zarray")]
        records = {name: _checked(described[f"{name}/.zarray"]) for name in names}
        about = {name: dict(described[f"{name}/.zattrs"]) for name in names}
        dims = {name: about[name].pop("_ARRAY_DIMENSIONS") for name in names}
        coords = {
            name: _chunk(path / name / "0", records[name]) for name in names if dims[name] == [name]
        }
        arrays = {
            name: (dims[name], _lazy(dask, path / name, records[name]), about[name])
            for name in names
            if name not in coords
        }
        return xarray.Dataset(arrays, coords, described[".zattrs"])
    except SplitDeconvError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SplitDeconvError(
            "this is not the output of a sweep",
            where=str(path),
            expected="a folder that splitdeconv.dlp.sweep wrote",
            got=one_line(error, typed=True),
            fix="any other Zarr folder opens with xarray.open_zarr",
        ) from None


def _lazy(dask: Any, folder: Path, record: Mapping[str, Any]) -> Any:
    """A dask array of the chunks of a folder."""
    chunks = dask.core.normalize_chunks(
        tuple(record["chunks"]), tuple(record["shape"]), dtype=np.dtype(record["dtype"])
    )

    def read(block_id: tuple[int, ...]) -> NumpyArray:
        whole = _chunk(folder / ".".join(map(str, block_id)), record)
        inside = (slice(sizes[place]) for sizes, place in zip(chunks, block_id, strict=True))
        return whole[tuple(inside)]

    dtype = np.dtype(record["dtype"])
    # The name is unique: another sweep may have been under the same path before.
    name = f"{folder.name}-{uuid4().hex}"
    return dask.map_blocks(
        read, chunks=chunks, dtype=dtype, meta=np.empty([0] * len(chunks), dtype), name=name
    )


def _checked(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The description of an array, if it is one of a sweep's; not only sweeps write Zarr."""
    plain = (record["zarr_format"], record["compressor"], record["filters"], record["order"])
    if plain != (2, None, None, "C") or np.dtype(record["dtype"]).kind not in "biufU":
        raise ValueError(f"an array with {plain} of {record['dtype']}")
    return record


def _chunk(path: Path, record: Mapping[str, Any]) -> NumpyArray:
    """A whole chunk."""
    dtype, shape = np.dtype(record["dtype"]), tuple(record["chunks"])
    try:
        return np.fromfile(path, dtype).reshape(shape)
    except (OSError, ValueError) as error:
        raise SplitDeconvError(
            "a block of the sweep cannot be read",
            where=str(path),
            expected=f"a file of {int(np.prod(shape)) * dtype.itemsize:,} bytes",
            got=one_line(error),
            fix="repeat the sweep",
        ) from None

"""Simulate networks on every combination of processor values, as dask tasks."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...errors import SplitDeconvError, check_count
from ...extras import require
from ..processor import ProcessorLike, Technology, TechnologyLike, load_processor
from ..workload import NetworkLike, workload
from .axes import DIMS, Axes, Axis, distinct, read_axes
from .distribution import Progress, blocks
from .jobs import SWEPT_TOGETHER, VARIABLES, every_job

if TYPE_CHECKING:
    import distributed
    import xarray

#: Limits on rows of the result (128 bytes each), layers on processors (about 1 us each) and tasks
#: (a few ms each).
MOST_POINTS, MOST_LAYERS, MOST_TASKS = 2_000_000, 100_000_000, 10_000


def sweep(
    networks: Iterable[str] | Mapping[str, NetworkLike],
    processor: ProcessorLike,
    axes: Axes,
    *,
    methods: Iterable[str] = ("nzp", "sd"),
    skips: Iterable[str] = ("none",),
    dataflow: str | None = None,
    zeros: str = "generated",
    technology: TechnologyLike | None = None,
    scheduler: "str | distributed.Client | None" = None,
    chunk: int = 4096,
    progress: Progress | None = None,
) -> "xarray.Dataset":
    """Simulate networks on all combinations of a processor's values.

    Every point equals the result of `splitdeconv.dlp.simulate`, summed over layers.

    Args:
        networks: names, or a dict of name to what `splitdeconv.dlp.workload` takes.
        processor: a name, a path or a `Processor`, from which the points differ in the fields of
            the axes.
        axes: dict, in the order of the result's dimensions. Either a field of `Processor`, or
            "batch", and its values: ``{"dram_gb_s": [6.4, 12.8]}``; or any name and, by label,
            values of several fields:
            ``{"array": {"8x32": {"rows": 8, "cols": 32}, "16x16": {"rows": 16, "cols": 16}}}``.
        methods, skips: all pairs of which are simulated.
        dataflow, zeros, technology: as for `simulate`; None for the processor's.
        scheduler: address of a `dask.distributed` scheduler, or a client of one, whose workers have
            this package; None for threads of this process.
        chunk: points per task.
        progress: called after each task with the number of tasks done and their total.

    Returns:
        `xarray.Dataset` of the variables `VARIABLES`, float64, over the dimensions network, method,
        skip, part and the axes. Part "network" sums all layers, "deconv" the transposed
        convolutions (0 where there are none). ``sel`` already has an argument `method`, so select
        by ``sel({"method": "sd"})``.

    Raises:
        SplitDeconvError: for the reasons that `simulate` has, in any combination; all are checked
            before anything is computed. Axes that do not fit; more than `MOST_POINTS` points,
            `MOST_LAYERS` layers or `MOST_TASKS` tasks altogether; a scheduler that cannot be
            reached; dask or xarray is not installed.

    Example:
        >>> import splitdeconv as sd
        >>> cube = sd.dlp.sweep(["dcgan"], "pe_array_32x7", {"dram_gb_s": [0.1, 12.8]})
        >>> cycles = cube.cycles.sel({"part": "deconv", "skip": "none", "network": "dcgan"})
        >>> (cycles.sel({"method": "nzp"}) / cycles.sel({"method": "sd"})).round(2).values.tolist()
        [0.66, 2.73]
    """
    xarray = require("xarray", "sweep")
    machine = load_processor(processor)
    read = read_axes(axes, machine)
    chunk = check_count(chunk, "chunk", "sweep")
    tables = {name: workload(source) for name, source in _pairs(networks).items()}
    methods, skips = distinct(methods, "methods"), distinct(skips, "skips")
    outer = [axis for axis in read if axis.fields - SWEPT_TOGETHER]
    inner = [axis for axis in read if axis not in outer]
    options = {"dataflow": dataflow, "zeros": zeros}
    _check_size(read, inner, tables, len(methods) * len(skips), chunk)
    jobs = list(every_job(machine, outer, inner, tables, methods, skips, technology, options))
    values = np.empty((len(jobs), len(VARIABLES), 2, prod(len(axis.labels) for axis in inner)))
    for (index, start, stop), sums in blocks(jobs, values.shape[-1], chunk, scheduler, progress):
        values[index, ..., start:stop] = sums
    labels = {axis.name: axis.labels for axis in outer}
    labels |= {"network": list(tables), "method": methods, "skip": skips}
    labels |= {"variable": list(VARIABLES), "part": ["network", "deconv"]}
    labels |= {axis.name: axis.labels for axis in inner}
    order = (*DIMS, *(axis.name for axis in read))
    shape = [len(coordinates) for coordinates in labels.values()]
    arrays = xarray.DataArray(values.reshape(shape), dims=list(labels))
    arrays = arrays.transpose("variable", *order)
    named = technology.name if isinstance(technology, Technology) else technology
    settings = {"processor": machine.name, **options, "technology": named}
    return xarray.Dataset(
        {
            name: (order, array.data, {"units": VARIABLES[name]})
            for name, array in zip(VARIABLES, arrays, strict=True)
        },
        {name: labels[name] for name in order},
        {name: value for name, value in settings.items() if value is not None},
    )


def _check_size(
    axes: Sequence[Axis],
    inner: Sequence[Axis],
    tables: Mapping[str, pd.DataFrame],
    ways: int,
    chunk: int,
) -> None:
    """Reject sweeps that would fill the memory or run for hours, before anything is built."""
    processors, columns = (prod(len(axis.labels) for axis in some) for some in (axes, inner))
    counts = {
        "points": (processors * len(tables) * ways, MOST_POINTS),
        "layers": (processors * sum(map(len, tables.values())) * ways, MOST_LAYERS),
        "tasks": (processors // columns * len(tables) * ways * -(-columns // chunk), MOST_TASKS),
    }
    for name, (count, most) in counts.items():
        if count > most:
            raise SplitDeconvError(
                "the sweep is too large",
                where="sweep",
                expected=f"at most {most:,} {name}",
                got=f"{count:,}: {processors:,} processors, {len(tables):,} networks, "
                f"{ways:,} methods and skips",
                fix="sweep parts of the axes one after the other, "
                "or in larger chunks where the tasks are too many",
            )


def _pairs(networks: Iterable[str] | Mapping[str, NetworkLike]) -> Mapping[str, NetworkLike]:
    if isinstance(networks, dict):
        return networks
    return {name: name for name in distinct(networks, "networks")}

"""A design space: networks and methods on every processor spanned by axes of values, in blocks that
dask distributes.
"""

from concurrent.futures import CancelledError
from dataclasses import dataclass
from itertools import product
from math import prod
from types import SimpleNamespace

import numpy as np

from ..errors import SplitDeconvError, check_count
from ..extras import require
from .evaluate import evaluate
from .lowering import lower
from .processor import Processor, load_processor, load_technology
from .simulate import check_native
from .sweep_axes import DIMS, distinct, read_axes, variant
from .workload import workload

#: The quantities of every point, and their units.
VARIABLES = {
    "cycles": "1",
    "compute_cycles": "1",
    "dram_cycles": "1",
    "latency_us": "us",
    "dram_bytes": "B",
    "energy_pj": "pJ",
    "energy_low_pj": "pJ",
    "energy_high_pj": "pJ",
}
#: Fields that may differ within a block, whose points are computed together.
_ARRAYS = {
    "rows",
    "cols",
    "clock_mhz",
    "accumulator_bits",
    "input_buffer_kib",
    "weight_buffer_kib",
    "output_buffer_kib",
    "dram_gb_s",
    "burst_bytes",
    "stripe_pixels",
    "batch",
}
#: Limits on rows of the result (128 bytes each), layers on processors (about 1 us each) and tasks
#: (a few ms each).
MOST_POINTS, MOST_LAYERS, MOST_TASKS = 2_000_000, 100_000_000, 10_000
# Numbers in one array of a task; more points are computed in parts.
_MOST_CELLS = 2**22


def sweep(
    networks,
    processor,
    axes,
    *,
    methods=("nzp", "sd"),
    skips=("none",),
    dataflow=None,
    zeros="generated",
    technology=None,
    scheduler=None,
    chunk=4096,
    progress=None,
):
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
        SplitDeconvError: as `simulate`, for any of the combinations and before the first is
            computed; axes that do not fit; more than `MOST_POINTS` points, `MOST_LAYERS` layers or
            `MOST_TASKS` tasks altogether; a scheduler that cannot be reached; dask or xarray is not
            installed.

    Example:
        >>> import splitdeconv as sd
        >>> cube = sd.dlp.sweep(["dcgan"], "pe_array_32x7", {"dram_gb_s": [0.1, 12.8]})
        >>> cycles = cube.cycles.sel({"part": "deconv", "skip": "none", "network": "dcgan"})
        >>> (cycles.sel({"method": "nzp"}) / cycles.sel({"method": "sd"})).round(2).values.tolist()
        [0.66, 2.73]
    """
    xarray = require("xarray", "sweep")
    processor = load_processor(processor)
    axes = read_axes(axes, processor)
    chunk = check_count(chunk, "chunk", "sweep")
    tables = {name: workload(source) for name, source in _pairs(networks).items()}
    methods, skips = distinct(methods, "methods"), distinct(skips, "skips")
    outer = [axis for axis in axes if axis.fields - _ARRAYS]
    inner = [axis for axis in axes if axis not in outer]
    options = {"dataflow": dataflow, "zeros": zeros}
    _check_size(axes, inner, tables, len(methods) * len(skips), chunk)
    jobs = list(_jobs(processor, outer, inner, tables, methods, skips, technology, options))
    values = np.empty((len(jobs), len(VARIABLES), 2, prod(len(axis.labels) for axis in inner)))
    for (index, start, stop), found in _blocks(jobs, values.shape[-1], chunk, scheduler, progress):
        values[index, ..., start:stop] = found
    labels = {axis.name: axis.labels for axis in outer}
    labels |= {
        "network": list(tables),
        "method": methods,
        "skip": skips,
        "variable": list(VARIABLES),
    }
    labels |= {"part": ["network", "deconv"]} | {axis.name: axis.labels for axis in inner}
    order = (*DIMS, *(axis.name for axis in axes))
    shape = [len(coordinates) for coordinates in labels.values()]
    arrays = xarray.DataArray(values.reshape(shape), dims=list(labels)).transpose(
        "variable", *order
    )
    said = {
        "processor": processor.name,
        **options,
        "technology": getattr(technology, "name", technology),
    }
    return xarray.Dataset(
        {
            name: (order, array.data, {"units": VARIABLES[name]})
            for name, array in zip(VARIABLES, arrays, strict=True)
        },
        {name: labels[name] for name in order},
        {name: value for name, value in said.items() if value is not None},
    )


def _check_size(axes, inner, tables, ways, chunk):
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


def _jobs(processor, outer, inner, tables, methods, skips, technology, options):
    """All jobs, in the order of the outer axes' labels, networks, methods and skips, each of them
    checked.
    """
    work = {(name, method): lower(tables[name], method) for name in tables for method in methods}
    for chosen in product(*(axis.settings for axis in outer)):
        point, batch = variant(
            processor, {name: value for setting in chosen for name, value in setting.items()}
        )
        profile = load_technology(technology or point.technology)
        columns = [axis.columns(point, batch) for axis in inner]
        for name, method, skip in product(tables, methods, skips):
            check_native(point, method)
            how = {**options, "skip": skip, "technology": profile}
            job = _Job(work[name, method], tables[name], point, method, batch, how, columns)
            job(0, 1)  # modes that this processor does not support are rejected here
            yield job


@dataclass(frozen=True, eq=False)
class _Job:
    """One method on one network, at all points of the axes of numbers; calling it computes some of
    them.
    """

    work: object
    table: object
    processor: Processor
    method: str
    batch: int
    options: dict
    columns: list

    def __call__(self, start, stop):
        """Sums over layers: float64 of (variables, parts, points)."""
        sizes = [len(next(iter(column.values()))) for column in self.columns]
        # Without axes there is one point and nowhere to look it up.
        places = np.unravel_index(np.arange(start, stop), sizes) if sizes else ()
        fields = {
            name: values[place][:, None]
            for column, place in zip(self.columns, places, strict=True)
            for name, values in column.items()
        }
        if stop - start > 1 and self._cells(fields, stop - start) > _MOST_CELLS:
            middle = (start + stop) // 2
            return np.concatenate([self(start, middle), self(middle, stop)], axis=-1)
        batch = fields.pop("batch", self.batch)
        point = SimpleNamespace(**(vars(self.processor) | fields))
        point.peak = point.rows * point.cols
        found = evaluate(self.work, self.table, point, self.method, batch=batch, **self.options)
        shape = (stop - start, len(self.table))
        deconv = (self.table["kind"] == "deconv").to_numpy()
        layers = [np.broadcast_to(found[name], shape) for name in VARIABLES]
        return np.array(
            [[values.sum(-1), values.sum(-1, where=deconv)] for values in layers], dtype=float
        )

    def _cells(self, fields, points):
        """Size of the largest array: by point and convolution, or a table of distinct sizes by
        `steps`.
        """
        distinct = {
            name: len(np.unique(fields[name]))
            for name in ("rows", "cols", "batch")
            if name in fields
        }
        taps = int((self.work.taps_h * self.work.taps_w).max()) * max(distinct.values(), default=1)
        return max(points * len(self.work), prod(distinct.values()), taps)


def _blocks(jobs, points, chunk, scheduler, progress):
    """Yield ((job, start, stop), result) of all blocks, in any order."""
    dask = require("dask", "sweep")
    ranges = [(start, min(start + chunk, points)) for start in range(0, points, chunk)]
    # Passed unchanged: dask would traverse records to look for its own objects.
    shared = [dask.delayed(job, traverse=False) for job in jobs]
    places = [(index, *range_) for index in range(len(jobs)) for range_ in ranges]
    tasks = [dask.delayed(_call)(shared[index], *range_) for index, *range_ in places]
    done = iter(range(1, len(tasks) + 1))

    def advance():
        if progress is not None:
            progress(next(done), len(tasks))

    if scheduler is None:
        keys = {task.key for task in tasks}
        callbacks = require("dask.callbacks", "sweep")
        with callbacks.Callback(posttask=lambda key, *_: key in keys and advance()):
            yield from zip(places, dask.compute(*tasks, scheduler="threads"), strict=True)
        return
    distributed = require("distributed", "sweep")
    client = (
        scheduler if isinstance(scheduler, distributed.Client) else _connect(distributed, scheduler)
    )
    try:
        futures = client.compute(tasks)
        named = {future.key: place for future, place in zip(futures, places, strict=True)}
        for future in distributed.as_completed(futures, client.loop):
            yield named[future.key], _result(distributed, future)
            advance()
    finally:
        if client is not scheduler:
            client.close()


def _call(job, start, stop):
    return job(start, stop)


def _connect(distributed, address):
    try:
        return distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SplitDeconvError(
            "the scheduler cannot be reached",
            where="sweep",
            expected="the address of a running dask scheduler, such as tcp://host:8786",
            got=f"{address!r}: {error}",
        ) from None


def _result(distributed, future):
    """A task's result. Other workers take over from a lost one; without a scheduler or workers,
    this is an error.
    """
    try:
        return future.result()
    except (CancelledError, OSError, distributed.KilledWorker) as error:
        raise SplitDeconvError(
            "the cluster was lost",
            where="sweep",
            expected="a scheduler and workers that stay until the end",
            got=f"{type(error).__name__}: {error}",
        ) from None


def _pairs(networks):
    return (
        networks
        if isinstance(networks, dict)
        else {name: name for name in distinct(networks, "networks")}
    )

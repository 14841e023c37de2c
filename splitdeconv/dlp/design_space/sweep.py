"""Simulate networks on every combination of processor values: kept whole, written, or reduced."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import pandas as pd

from ...errors import SplitDeconvError, check_choice, check_count, shown
from ...extras import require
from ..processor import ProcessorLike, Technology, TechnologyLike, load_processor
from ..workload import NetworkLike, workload
from . import quantiles, reduction, store
from .axes import MOST_PROCESSORS, Axes, distinct, read_axes
from .distribution import Progress, Results, Step, results
from .jobs import SWEPT_TOGETHER, VARIABLES, Values, every_job
from .opened import open_sweep
from .quantiles import Quantiles
from .reduction import Front, Least
from .space import Space, box

if TYPE_CHECKING:
    import distributed
    import xarray

Reduction: TypeAlias = Front | Least | Quantiles
#: Takes a step on every block.
_Run: TypeAlias = Callable[[Step], Results]
#: Limits on rows of the result (160 bytes each), layers on processors (about 0.2 us each) and tasks
#: (a few ms each). A result that is in memory is limited by it, one that is not by an hour or so.
MOST_POINTS, MOST_LAYERS, MOST_TASKS = 2_000_000, 100_000_000, 10_000
STREAMED = {"points": 10**9, "layers": 10**10, "tasks": 10**5, "jobs": 10**4}
MOST_STREAMED = 10**9


@overload
def sweep(
    networks: Iterable[str] | Mapping[str, NetworkLike],
    processor: ProcessorLike,
    axes: Axes,
    *,
    methods: Iterable[str] = ...,
    skips: Iterable[str] = ...,
    dataflow: str | None = ...,
    zeros: str = ...,
    technology: TechnologyLike | None = ...,
    scheduler: "str | distributed.Client | None" = ...,
    chunk: int = ...,
    progress: Progress | None = ...,
    variables: Iterable[str] | None = ...,
    to: str | os.PathLike[str] | None = ...,
    reduce: None = ...,
) -> "xarray.Dataset": ...
@overload
def sweep(
    networks: Iterable[str] | Mapping[str, NetworkLike],
    processor: ProcessorLike,
    axes: Axes,
    *,
    methods: Iterable[str] = ...,
    skips: Iterable[str] = ...,
    dataflow: str | None = ...,
    zeros: str = ...,
    technology: TechnologyLike | None = ...,
    scheduler: "str | distributed.Client | None" = ...,
    chunk: int = ...,
    progress: Progress | None = ...,
    variables: Iterable[str] | None = ...,
    reduce: Reduction,
) -> pd.DataFrame: ...
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
    chunk: int = 131072,
    progress: Progress | None = None,
    variables: Iterable[str] | None = None,
    to: str | os.PathLike[str] | None = None,
    reduce: Reduction | None = None,
) -> "xarray.Dataset | pd.DataFrame":
    """Simulate networks on all combinations of a processor's values.

    Every point equals the result of `splitdeconv.dlp.simulate`, summed over layers. Points are
    computed in blocks. By default the result is in memory; with `to` or `reduce` it is not, the
    memory does not grow with the number of points, and their limits are higher.

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
        chunk: points per block, at most.
        progress: called after each block with the number of blocks done and their total; of
            quantiles, anew for each pass.
        variables: which of `VARIABLES` the result has; None for all.
        to: a new folder whose name ends in .zarr. Each process writes the blocks that it computed;
            blocks of workers that cannot see the folder are written here. The folder has its name
            once it is complete; after a failure there is none.
        reduce: a `Front`, `Least` or `Quantiles`, of which each block keeps its share where it is
            computed.

    Returns:
        `xarray.Dataset` of the variables, float64, over the dimensions network, method, skip, part
        and the axes. Part "network" sums all layers, "deconv" the transposed convolutions (0 where
        there are none); ``area_mm2`` and ``peak_power_w`` are those of `splitdeconv.dlp.area`,
        whatever runs. ``sel`` already has an argument `method`, so select by
        ``sel({"method": "sd"})``. With `to`, the same, opened by `splitdeconv.dlp.open_sweep`; with
        `reduce`, a DataFrame: for a front or a least point a row per point, its labels first, and
        for quantiles a row per group and quantile.

    Raises:
        SplitDeconvError: for the reasons that `simulate` has, in any combination; all are checked
            before anything is computed. Axes that do not fit; more than `MOST_POINTS` points,
            `MOST_LAYERS` layers or `MOST_TASKS` tasks altogether, of results that are not in memory
            more than `STREAMED`; an output that exists or cannot be written; a scheduler that
            cannot be reached; dask or xarray is not installed.

    Example:
        >>> import splitdeconv as sd
        >>> cube = sd.dlp.sweep(["dcgan"], "pe_array_32x7", {"dram_gb_s": [0.1, 12.8]})
        >>> cycles = cube.cycles.sel({"part": "deconv", "skip": "none", "network": "dcgan"})
        >>> (cycles.sel({"method": "nzp"}) / cycles.sel({"method": "sd"})).round(2).values.tolist()
        [0.73, 2.73]
    """
    require("xarray", "sweep")
    machine = load_processor(processor)
    streamed = to is not None or reduce is not None
    read = read_axes(axes, machine, MOST_STREAMED if streamed else MOST_PROCESSORS)
    chunk = check_count(chunk, "chunk", "sweep")
    folder = None if to is None else store.check(to)
    kept = _variables(variables)
    tables = {name: workload(source) for name, source in _pairs(networks).items()}
    methods, skips = distinct(methods, "methods"), distinct(skips, "skips")
    outer = [axis for axis in read if axis.fields - SWEPT_TOGETHER]
    inner = [axis for axis in read if axis not in outer]
    options = {"dataflow": dataflow, "zeros": zeros}
    labels = {"network": list(tables), "method": methods, "skip": skips}
    labels |= {"part": ["network", "deconv"], **{axis.name: axis.labels for axis in read}}
    space = Space(
        {name: len(values) for name, values in labels.items()},
        tuple(axis.name for axis in outer),
        tuple(axis.name for axis in inner),
        box([len(axis.labels) for axis in inner], chunk),
    )
    _check_reduction(reduce, to, space)
    _check_size(space, tables, STREAMED if streamed else _in_memory())
    asked = kept if reduce is None else reduce.needs
    made = every_job(machine, outer, inner, tables, methods, skips, technology, options, asked)
    jobs = list(made)
    named = technology.name if isinstance(technology, Technology) else technology
    settings = {"processor": machine.name, **options, "technology": named}
    about = {name: str(value) for name, value in settings.items() if value is not None}

    def run(step: Step) -> Results:
        return results(jobs, space, step, scheduler, progress)

    if reduce is not None:
        return _reduced(reduce, run, space, labels, kept)
    if folder is not None:
        with store.creating(folder, space, labels, kept, about) as partial:
            write = store.Write(partial, space, kept)
            with closing(run(write)) as stream:
                for block, values in stream:
                    if values is not None:
                        write.write(block, values)
        return open_sweep(folder)
    return _in_whole(run, space, labels, kept, about)


def _in_whole(
    run: _Run,
    space: Space,
    labels: Mapping[str, Sequence[Any]],
    variables: Sequence[str],
    about: Mapping[str, str],
) -> "xarray.Dataset":
    """All values in memory, each block written to where it stays."""
    values = np.empty((len(variables), *space.sizes.values()))
    with closing(run(Values(variables))) as stream:
        for block, sums in stream:
            at: dict[str, int | slice] = {**space.place(block.job), "part": slice(None)}
            at |= dict(zip(space.inner, map(slice, block.start, block.stop), strict=True))
            values[(slice(None), *(at[name] for name in space.sizes))] = sums
    dims = tuple(space.sizes)
    arrays = {
        name: (dims, array, {"units": VARIABLES[name]})
        for name, array in zip(variables, values, strict=True)
    }
    return require("xarray", "sweep").Dataset(arrays, dict(labels), dict(about))


def _reduced(
    reduce: Reduction,
    run: _Run,
    space: Space,
    labels: Mapping[str, Sequence[Any]],
    variables: Sequence[str],
) -> pd.DataFrame:
    def passes(step: Callable[..., pd.DataFrame]) -> Iterator[pd.DataFrame]:
        with closing(run(step)) as stream:
            for _, table in stream:
                yield table

    if isinstance(reduce, Quantiles):
        return quantiles.quantiles(reduce, passes, space, labels)
    return reduction.points(reduce, passes, space, labels, variables)


def _variables(names: Iterable[str] | None) -> tuple[str, ...]:
    """The variables of the result, without duplicates."""
    if names is None:
        return tuple(VARIABLES)
    if isinstance(names, str):
        raise SplitDeconvError(
            "invalid variables", where="sweep", expected="a list of names", got=shown(names)
        )
    chosen = distinct(names, "variables")
    for name in chosen:
        check_choice(name, tuple(VARIABLES), "variable", "sweep")
    return tuple(chosen)


def _check_reduction(reduce: object, to: object, space: Space) -> None:
    """Reject an invalid reduction, and one that would have to be written."""
    if reduce is None:
        return
    if not isinstance(reduce, Front | Least | Quantiles):
        raise SplitDeconvError(
            "invalid reduction",
            where="sweep, reduce",
            expected="splitdeconv.dlp.Front, Least or Quantiles",
            got=shown(reduce),
        )
    if to is not None:
        raise SplitDeconvError(
            "a reduced sweep is not written",
            where="sweep",
            expected="to or reduce",
            got="both",
            fix="write the table that is returned",
        )
    reduction.check(reduce.needs, reduce.by, space)
    if isinstance(reduce, Quantiles):
        quantiles.check(reduce.at)


def _in_memory() -> dict[str, int]:
    return {"points": MOST_POINTS, "layers": MOST_LAYERS, "tasks": MOST_TASKS}


def _check_size(
    space: Space, tables: Mapping[str, pd.DataFrame], limits: Mapping[str, int]
) -> None:
    """Reject sweeps that would fill the memory or run for hours, before anything is built."""
    points = prod(space.sizes.values()) // space.sizes["part"]
    counts = {
        "points": points,
        "layers": points // len(tables) * sum(map(len, tables.values())),
        "tasks": space.blocks,
        "jobs": space.jobs,
    }
    ways = space.sizes["method"] * space.sizes["skip"]
    for name, most in limits.items():
        if counts[name] > most:
            raise SplitDeconvError(
                "the sweep is too large",
                where="sweep",
                expected=f"at most {most:,} {name}",
                got=f"{counts[name]:,}: {points // ways // len(tables):,} processors, "
                f"{len(tables):,} networks, {ways:,} methods and skips",
                fix="write it with to=, or keep less of it with reduce=; else sweep parts of the "
                "axes one after the other, or in larger chunks where the tasks are too many",
            )


def _pairs(networks: Iterable[str] | Mapping[str, NetworkLike]) -> Mapping[str, NetworkLike]:
    if isinstance(networks, dict):
        return networks
    return {name: name for name in distinct(networks, "networks")}

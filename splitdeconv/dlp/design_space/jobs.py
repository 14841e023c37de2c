"""The tasks of a sweep: one method on one network, at many points at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ..chip.area import area_of
from ..evaluate import evaluate
from ..lowering import Work, lower
from ..processor import Processor, TechnologyLike, load_technology
from ..simulate import check_native
from .axes import Axis, variant
from .space import Block

#: What a processor is, of a technology that says so: the same for all layers, methods and parts.
OF_CHIP = {"area_mm2": "mm2", "peak_power_w": "W"}
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
    **OF_CHIP,
}
#: Fields that may differ within a block, whose points are computed together.
SWEPT_TOGETHER = {
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
# Numbers in one array of a task; larger blocks are computed in parts.
_MOST_CELLS = 2**21
# NumPy adds along short rows one call at a time: up to this length, adding columns is faster.
_SHORT = 8


def every_job(
    processor: Processor,
    outer: Sequence[Axis],
    inner: Sequence[Axis],
    tables: Mapping[str, pd.DataFrame],
    methods: Sequence[str],
    skips: Sequence[str],
    technology: TechnologyLike | None,
    options: Mapping[str, Any],
    variables: Sequence[str],
) -> Iterator["Job"]:
    """All jobs, in the order of the outer axes' labels, networks, methods and skips.

    Args:
        processor: from which the points differ in the fields of the axes.
        outer: axes with fields other than `SWEPT_TOGETHER`: a job for each of their labels.
        inner: the other axes, whose points are computed together.
        tables: of layers, by network.
        methods, skips: all pairs of which are simulated.
        technology: of all points; None for the processor's.
        options: further arguments of `evaluate`.
        variables: names of `VARIABLES` that the jobs will be asked for.

    Raises:
        SplitDeconvError: a combination that the processor or its technology does not support.
    """
    work = {(name, method): lower(tables[name], method) for name in tables for method in methods}
    for chosen in product(*(axis.settings for axis in outer)):
        fields = {name: value for setting in chosen for name, value in setting.items()}
        point, batch = variant(processor, fields)
        profile = load_technology(technology or point.technology)
        columns = [axis.columns(point, batch) for axis in inner]
        for name, method, skip in product(tables, methods, skips):
            check_native(point, method)
            how = {**options, "skip": skip, "technology": profile}
            job = Job(work[name, method], tables[name], point, method, batch, how, columns)
            job.check(variables)
            yield job


@dataclass(frozen=True, eq=False)
class Job:
    """One method on one network, at all points of the axes of numbers; calling it computes some.

    Args:
        work: what the network's layers become under the method.
        table: the layers.
        processor: of all points, but for the fields in `columns`.
        method: of `splitdeconv.dlp.METHODS`.
        batch: of all points, if it is not in `columns`.
        options: further arguments of `evaluate`.
        columns: for each axis the values of its fields, by label.
    """

    work: Work
    table: pd.DataFrame
    processor: Processor
    method: str
    batch: int
    options: Mapping[str, Any]
    columns: Sequence[Mapping[str, NumpyArray]]

    def check(self, variables: Sequence[str]) -> None:
        """Compute one point: a mode that the processor does not support is refused here."""
        ends = [1] * len(self.columns)
        self([0] * len(ends), ends, variables)

    def __call__(
        self, start: Sequence[int], stop: Sequence[int], variables: Sequence[str] = tuple(VARIABLES)
    ) -> NumpyArray:
        """Sums over layers of a box of points; what a chip is, as it is.

        Args:
            start, stop: the first label along each axis, and the last, exclusive.
            variables: names of `VARIABLES`.

        Returns:
            float64 of (variables, parts, labels along each axis).
        """
        fields = self._fields(start, stop)
        lengths = [last - first for first, last in zip(start, stop, strict=True)]
        if prod(lengths) > 1 and self._cells(fields, prod(lengths)) > _MOST_CELLS:
            axis = next(axis for axis, length in enumerate(lengths) if length > 1)
            middle = (start[axis] + stop[axis]) // 2
            parts = (
                self(start, [*stop[:axis], middle, *stop[axis + 1 :]], variables),
                self([*start[:axis], middle, *start[axis + 1 :]], stop, variables),
            )
            return np.concatenate(parts, axis=2 + axis)
        batch = fields.pop("batch", self.batch)
        # Many processors at once: some fields are arrays.
        point: Any = SimpleNamespace(**(vars(self.processor) | fields))
        point.peak = point.rows * point.cols
        values = evaluate(self.work, self.table, point, self.method, batch=batch, **self.options)
        chip = {} if OF_CHIP.keys().isdisjoint(variables) else self._chip(point)
        deconv = np.flatnonzero(self.table["kind"] == "deconv")
        sums = np.empty((len(variables), 2, *lengths))
        for place, name in enumerate(variables):
            if name in OF_CHIP:
                sums[place] = chip[name]
                continue
            # Summed before they are repeated along the axes on which they do not depend.
            sums[place, 0] = _sum(values[name])
            sums[place, 1] = _sum(values[name][..., deconv])
        return sums

    def _chip(self, point: Any) -> dict[str, NumpyArray]:
        """Area and peak power, without the dimension of the layers."""
        technology = load_technology(self.options["technology"] or point.technology)
        chip = area_of(point, technology)
        arrays = {name: np.asarray(chip[name]) for name in OF_CHIP}
        return {name: value[..., 0] if value.ndim else value for name, value in arrays.items()}

    def _fields(self, start: Sequence[int], stop: Sequence[int]) -> dict[str, NumpyArray]:
        """The fields along each axis, each axis a dimension and one more for the layers.

        What depends on some of the axes only is then computed for their labels, not for all points.
        """
        fields = dict[str, NumpyArray]()
        for axis, column in enumerate(self.columns):
            shape = [1] * (len(self.columns) + 1)
            shape[axis] = -1
            for name, values in column.items():
                fields[name] = values[start[axis] : stop[axis]].reshape(shape)
        return fields

    def _cells(self, fields: Mapping[str, NumpyArray], points: int) -> int:
        """Size of the largest array: by point and convolution, or a table of distinct sizes."""
        sizes = [fields[name] for name in ("rows", "cols", "batch") if name in fields]
        distinct = [len(np.unique(values)) for values in sizes]
        taps = int((self.work.taps_h * self.work.taps_w).max()) * max(distinct, default=1)
        return max(points * len(self.work), prod(distinct), taps)


def _sum(values: NumpyArray) -> NumpyArray:
    """Sums along the last axis, in an order that depends on its length alone."""
    if values.shape[-1] > _SHORT:
        return np.ascontiguousarray(values).sum(-1)
    total: NumpyArray = np.zeros(values.shape[:-1], dtype=values.dtype)
    for layer in range(values.shape[-1]):
        total += values[..., layer]
    return total


@dataclass(frozen=True)
class Values:
    """A step of a sweep: the values of a block, of some variables."""

    variables: Sequence[str]

    def __call__(self, job: Job, block: Block) -> NumpyArray:
        """As the job returns them."""
        return job(block.start, block.stop, self.variables)

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
from ..evaluate import evaluate
from ..lowering import Work, lower
from ..processor import Processor, TechnologyLike, load_technology
from ..simulate import check_native
from .axes import Axis, variant

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
# Numbers in one array of a task; more points are computed in parts.
_MOST_CELLS = 2**22


def every_job(
    processor: Processor,
    outer: Sequence[Axis],
    inner: Sequence[Axis],
    tables: Mapping[str, pd.DataFrame],
    methods: Sequence[str],
    skips: Sequence[str],
    technology: TechnologyLike | None,
    options: Mapping[str, Any],
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

    Raises:
        SplitDeconvError: a combination that the processor does not support.
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
            job(0, 1)  # modes that this processor does not support are rejected here
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

    def __call__(self, start: int, stop: int) -> NumpyArray:
        """Sums over layers: float64 of (variables, parts, points)."""
        sizes = [len(next(iter(column.values()))) for column in self.columns]
        # Without axes there is one point and nowhere to look it up.
        places: tuple[NumpyArray, ...] = ()
        if sizes:
            places = np.unravel_index(np.arange(start, stop), sizes)
        fields = {
            name: values[place][:, None]
            for column, place in zip(self.columns, places, strict=True)
            for name, values in column.items()
        }
        if stop - start > 1 and self._cells(fields, stop - start) > _MOST_CELLS:
            middle = (start + stop) // 2
            return np.concatenate([self(start, middle), self(middle, stop)], axis=-1)
        batch = fields.pop("batch", self.batch)
        # Many processors at once: some fields are arrays.
        point: Any = SimpleNamespace(**(vars(self.processor) | fields))
        point.peak = point.rows * point.cols
        values = evaluate(self.work, self.table, point, self.method, batch=batch, **self.options)
        shape = (stop - start, len(self.table))
        deconv = (self.table["kind"] == "deconv").to_numpy()
        layers = [np.broadcast_to(values[name], shape) for name in VARIABLES]
        return np.array([[x.sum(-1), x.sum(-1, where=deconv)] for x in layers], dtype=float)

    def _cells(self, fields: Mapping[str, NumpyArray], points: int) -> int:
        """Size of the largest array: by point and convolution, or a table of distinct sizes."""
        sizes = [fields[name] for name in ("rows", "cols", "batch") if name in fields]
        distinct = [len(np.unique(values)) for values in sizes]
        taps = int((self.work.taps_h * self.work.taps_w).max()) * max(distinct, default=1)
        return max(points * len(self.work), prod(distinct), taps)

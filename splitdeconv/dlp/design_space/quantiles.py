"""Exact quantiles of more values than fit into the memory, by counting.

Floats are ordered like the integers that their bits make, so values are counted in bins of equal
leading bits. A pass over all blocks finds the bin of each rank that is asked for; the next
one counts inside that bin alone, until every such bin holds one value. The first bins are 2^-12
of a value wide, which leaves so few values that there are two passes as a rule, three at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, shown
from .axes import DIMS
from .jobs import Job
from .reduction import Pass, grouped, merged
from .space import Block, Space

# Leading bits of a float that the first pass leaves out, and the bins that a later one may make.
_FIRST, _MOST_BINS = 40, 2**20
_SIGN = np.uint64(1 << 63)
#: A variable and a group.
_Kind: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Quantiles:
    """Quantiles over the points of a sweep, exact: those of `numpy.quantile` of all values.

    Args:
        variables: one or more.
        at: the quantiles, from 0 to 1.
        by: dimensions of the sweep, axes included: each combination of their labels has quantiles
            of its own.

    Example:
        >>> import splitdeconv as sd
        >>> axes = {"rows": [8, 16, 32], "cols": [8, 16], "dram_gb_s": [0.8, 12.8]}
        >>> median = sd.dlp.Quantiles("compute_cycles", [0.5], by=["method", "part"])
        >>> table = sd.dlp.sweep(["dcgan"], "pe_array_16x16", axes, reduce=median)
        >>> table[table.part == "deconv"].values.tolist()
        [['nzp', 'deconv', 0.5, 2888061.0], ['sd', 'deconv', 0.5, 1053044.0]]
    """

    variables: str | Sequence[str]
    at: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)
    _: KW_ONLY
    by: Sequence[str] = DIMS

    @property
    def needs(self) -> tuple[str, ...]:
        """The variables that the reduction reads."""
        return (self.variables,) if isinstance(self.variables, str) else tuple(self.variables)


@dataclass(frozen=True)
class _Range:
    """Where to count: keys from `low` to `high`, in bins that leave out so many bits.

    `before` is the number of smaller values, and `ranks` those to find within.
    """

    low: int
    high: int
    shift: int
    before: int = 0
    ranks: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Counted:
    """A step: how many values of a block are in each bin, with the bin's first and last key."""

    reduction: Quantiles
    space: Space
    #: None in the first pass, which counts all values.
    ranges: Mapping[_Kind, Sequence[_Range]] | None = None
    everything: Sequence[_Range] = field(default=(_Range(0, 2**64 - 1, _FIRST),))

    def __call__(self, job: Job, block: Block) -> pd.DataFrame:
        """A row per bin that is not empty."""
        values = job(block.start, block.stop, self.reduction.needs)
        groups = self.space.index(block, self.reduction.by).ravel()
        tables = [
            self._bins(variable, groups, _keys(row.ravel())) for variable, row in enumerate(values)
        ]
        return pd.concat([table for some in tables for table in some], ignore_index=True)

    def _bins(self, variable: int, groups: NumpyArray, keys: NumpyArray) -> Sequence[pd.DataFrame]:
        order = np.lexsort((keys, groups))
        groups, keys = groups[order], keys[order]
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        tables = [_table(variable, 0, keys[:0], 0)]
        for start, stop in zip(starts, [*starts[1:], len(groups)], strict=True):
            group, within = int(groups[start]), keys[start:stop]
            ranges = self.everything
            if self.ranges is not None:
                ranges = self.ranges.get((variable, group), ())
            for one in ranges:
                first = np.searchsorted(within, np.uint64(one.low), "left")
                last = np.searchsorted(within, np.uint64(one.high), "right")
                tables.append(_table(variable, group, within[first:last], one.shift))
        return tables


def quantiles(
    reduction: Quantiles, run: Pass, space: Space, labels: Mapping[str, Sequence[Any]]
) -> pd.DataFrame:
    """The quantiles of a sweep.

    Args:
        reduction: which.
        run: a pass over all blocks.
        space: all points.
        labels: of each dimension.

    Returns:
        A row per group and quantile: the group's labels, the quantile, and the variables.
    """
    counted = merged(run(_Counted(reduction, space)), _added)
    sizes = {
        kind: int(bins["count"].sum()) for kind, bins in counted.groupby(["variable", "group"])
    }
    targets = {kind: _ranks(reduction.at, size) for kind, size in sizes.items()}
    open_ = {kind: [_Range(0, 2**64 - 1, _FIRST, 0, ranks)] for kind, ranks in targets.items()}
    resolved: dict[_Kind, dict[int, int]] = {kind: {} for kind in targets}
    while True:
        narrowed: dict[_Kind, list[_Range]] = {}
        for kind, bins in counted.groupby(["variable", "group"]):
            for one in open_[kind]:
                narrowed.setdefault(kind, []).extend(_narrowed(one, bins, resolved[kind]))
        open_ = {kind: ranges for kind, ranges in narrowed.items() if ranges}
        if not open_:
            break
        counted = merged(run(_Counted(reduction, space, open_)), _added)
    groups = sorted({group for _, group in sizes})
    table = pd.DataFrame(
        grouped(space, labels, reduction.by, np.repeat(groups, len(reduction.at)))
        | {"quantile": list(map(float, reduction.at)) * len(groups)}
    )
    for place, name in enumerate(reduction.needs):
        table[name] = [
            _between(at, sizes[place, group], resolved[place, group])
            for group in groups
            for at in reduction.at
        ]
    return table


def check(at: object) -> None:
    """Refuse invalid quantiles.

    Raises:
        SplitDeconvError: they are not numbers from 0 to 1, or there are none.
    """
    fits = isinstance(at, Sequence | np.ndarray) and not isinstance(at, str) and len(at) > 0
    if not fits or not all(_is_share(value) for value in at):  # type: ignore[attr-defined]
        raise SplitDeconvError(
            "invalid quantiles",
            where="sweep, reduce",
            expected="one or more numbers from 0 to 1",
            got=shown(at),
        )


def _is_share(value: object) -> bool:
    return isinstance(value, float | int | np.floating) and 0 <= float(value) <= 1


def _keys(values: NumpyArray) -> NumpyArray:
    """Integers in the order of the floats."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _value(key: int) -> float:
    """The float of a key."""
    bits = key & ~int(_SIGN) if key & int(_SIGN) else key ^ (2**64 - 1)
    return float(np.array(bits, dtype=np.uint64).view(np.float64))


def _table(variable: int, group: int, keys: NumpyArray, shift: int) -> pd.DataFrame:
    """The bins of sorted keys."""
    bins = keys >> np.uint64(shift)
    starts = np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1]))[: len(bins)])
    ends = np.append(starts[1:], len(keys))[: len(starts)]
    return pd.DataFrame(
        {
            "variable": variable,
            "group": group,
            # The shift, too: ranges of one group may be counted in bins of different widths.
            "shift": shift,
            "bin": bins[starts],
            "first": keys[starts],
            "last": keys[ends - 1],
            "count": (ends - starts).astype(np.int64),
        }
    )


def _added(table: pd.DataFrame) -> pd.DataFrame:
    """Bins that several blocks have, as one; in ascending order."""
    by = ["variable", "group", "shift", "bin"]
    return (
        table.groupby(by, sort=True)
        .agg({"first": "min", "last": "max", "count": "sum"})
        .reset_index()
    )


def _ranks(at: Sequence[float], size: int) -> tuple[int, ...]:
    """Ranks of the values that the quantiles lie between."""
    places = [(size - 1) * float(share) for share in at]
    return tuple(sorted({int(f(place)) for place in places for f in (np.floor, np.ceil)}))


def _narrowed(one: _Range, bins: pd.DataFrame, resolved: dict[int, int]) -> list[_Range]:
    """The bins of a range that hold its ranks; the ranks of bins of one value are `resolved`."""
    inside = bins[(bins["first"] >= one.low) & (bins["last"] <= one.high)]
    ends = one.before + inside["count"].to_numpy().cumsum()
    places = np.searchsorted(ends, one.ranks, "right")
    narrowed = []
    for place in np.unique(places):
        ranks = tuple(rank for rank, at in zip(one.ranks, places, strict=True) if at == place)
        # By column: a row of integers of two types would be one of floats.
        first, last, count = (int(inside[name].iloc[place]) for name in ("first", "last", "count"))
        if first == last:
            resolved.update(dict.fromkeys(ranks, first))
            continue
        shift = max((last - first).bit_length() - _MOST_BINS.bit_length() + 1, 0)
        shift = 0 if count <= _MOST_BINS else shift
        narrowed.append(_Range(first, last, shift, int(ends[place]) - count, ranks))
    return narrowed


def _between(at: float, size: int, resolved: Mapping[int, int]) -> float:
    """The quantile between two ranks, as `numpy.quantile` interpolates."""
    place = (size - 1) * float(at)
    ends = [_value(resolved[int(rank)]) for rank in (np.floor(place), np.ceil(place))]
    return float(np.quantile(ends, place - np.floor(place)))

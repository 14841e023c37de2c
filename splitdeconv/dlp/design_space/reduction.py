"""What is kept of a sweep that is not kept whole: a front, the least points, or quantiles.

Each block is reduced where it is computed, and what is left of all blocks is reduced again. The
result does not depend on the blocks or their order: points are chosen by value and index, and
values are counted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ...errors import SplitDeconvError, check_choice, shown
from ..pareto import pareto
from .axes import DIMS
from .jobs import VARIABLES, Job
from .space import Block, Space

# Rows of partial results that are put together before they are reduced again.
_MOST_ROWS = 2**16
#: Partial results, in any order, of one pass over all blocks.
Partial: TypeAlias = Iterable[pd.DataFrame]
#: Makes a pass: takes a step on every block.
Pass: TypeAlias = Callable[[Callable[[Job, Block], pd.DataFrame]], Partial]


@dataclass(frozen=True)
class Front:
    """The Pareto front of a sweep: the points that `splitdeconv.dlp.pareto` finds in all of it.

    Args:
        first, second, third: two variables or three, less of which is better: "area_mm2" as the
            third gives the front of a result over what it takes.
        by: dimensions of the sweep, axes included: each combination of their labels has a front of
            its own.

    Example:
        >>> import splitdeconv as sd
        >>> axes = {"rows": [8, 16, 32], "cols": [8, 16], "dram_gb_s": [0.8, 12.8]}
        >>> front = sd.dlp.Front("latency_us", "energy_pj", by=["network", "part"])
        >>> chosen = sd.dlp.sweep(["dcgan"], "pe_array_16x16", axes, reduce=front)
        >>> chosen[chosen.part == "deconv"][["method", "rows", "cols", "dram_gb_s"]].values.tolist()
        [['sd', 32, 16, 12.8]]
        >>> front = sd.dlp.Front("latency_us", "energy_pj", "area_mm2", by=["part"])
        >>> chosen = sd.dlp.sweep(["dcgan"], "pe_array_16x16", axes, methods=["sd"], reduce=front)
        >>> sorted(set(chosen.rows * chosen.cols))
        [64, 128, 256, 512]
    """

    first: str
    second: str
    third: str | None = None
    _: KW_ONLY
    by: Sequence[str] = DIMS

    @property
    def needs(self) -> tuple[str, ...]:
        """The variables that the reduction reads."""
        pair = (self.first, self.second)
        return pair if self.third is None else (*pair, self.third)

    def choose(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of the fronts of a table in the order of the index."""
        return pareto(table, self.needs, by=["group"])


@dataclass(frozen=True)
class Least:
    """The point of a sweep at which a variable is least; of equal points the first.

    Args:
        variable: less of which is better.
        by: dimensions of the sweep, axes included: each combination of their labels has a point of
            its own.

    Example:
        >>> import splitdeconv as sd
        >>> axes = {"rows": [8, 16, 32], "cols": [8, 16]}
        >>> least = sd.dlp.Least("latency_us", by=["method", "part"])
        >>> chosen = sd.dlp.sweep(["dcgan"], "pe_array_16x16", axes, reduce=least)
        >>> chosen[chosen.part == "deconv"][["method", "rows", "cols"]].values.tolist()
        [['nzp', 32, 16], ['sd', 32, 16]]
    """

    variable: str
    _: KW_ONLY
    by: Sequence[str] = DIMS

    @property
    def needs(self) -> tuple[str, ...]:
        """The variables that the reduction reads."""
        return (self.variable,)

    def choose(self, table: pd.DataFrame) -> pd.DataFrame:
        """The first least row of each group of a table in the order of the index."""
        return table.loc[table.groupby("group")[self.variable].idxmin()]


@dataclass(frozen=True)
class Chosen:
    """A step: the points of a block that a reduction keeps, with their group and index."""

    reduction: Front | Least
    space: Space
    variables: Sequence[str]

    def __call__(self, job: Job, block: Block) -> pd.DataFrame:
        """A row per point."""
        values = job(block.start, block.stop, self.variables)
        columns = {
            "group": self.space.index(block, self.reduction.by).ravel(),
            "index": self.space.index(block).ravel(),
        }
        columns |= dict(zip(self.variables, values.reshape(len(self.variables), -1), strict=True))
        return self.reduction.choose(pd.DataFrame(columns))


def points(
    reduction: Front | Least,
    run: Pass,
    space: Space,
    labels: Mapping[str, Sequence[Any]],
    variables: Sequence[str],
) -> pd.DataFrame:
    """The points of a sweep that a front or a least point consists of.

    Args:
        reduction: which.
        run: a pass over all blocks.
        space: all points.
        labels: of each dimension.
        variables: columns of the result.

    Returns:
        A row per point: its labels and values, group by group in the order of the dimensions.
    """
    read = list(dict.fromkeys((*variables, *reduction.needs)))

    def choose(table: pd.DataFrame) -> pd.DataFrame:
        return reduction.choose(table.sort_values("index", ignore_index=True))

    chosen = merged(run(Chosen(reduction, space, read)), choose)
    places = np.unravel_index(chosen["index"].to_numpy(), list(space.sizes.values()))
    columns = {
        name: _taken(labels[name], place) for name, place in zip(labels, places, strict=True)
    }
    columns |= {name: chosen[name].to_numpy() for name in variables}
    return pd.DataFrame(columns)


def merged(parts: Partial, reduce: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """All parts put together and reduced, in memory of the order of the result."""
    kept, rows, most = list[pd.DataFrame](), 0, _MOST_ROWS
    for part in parts:
        kept.append(part)
        rows += len(part)
        if rows > most:
            kept = [reduce(pd.concat(kept, ignore_index=True))]
            rows = len(kept[0])
            most = max(_MOST_ROWS, 2 * rows)
    return reduce(pd.concat(kept, ignore_index=True))


def grouped(
    space: Space, labels: Mapping[str, Sequence[Any]], by: Sequence[str], groups: Any
) -> dict[str, Any]:
    """The labels of groups, by dimension."""
    names = [name for name in space.sizes if name in by]
    places = np.unravel_index(np.asarray(groups), [space.sizes[name] for name in names] or [1])
    return {name: _taken(labels[name], place) for name, place in zip(names, places, strict=False)}


def check(needs: Iterable[str], by: Iterable[str], space: Space) -> None:
    """Refuse variables and dimensions that a sweep does not have.

    Raises:
        SplitDeconvError: there are such.
    """
    for name in needs:
        check_choice(name, tuple(VARIABLES), "variable", "sweep, reduce")
    if isinstance(by, str):
        raise SplitDeconvError(
            "invalid dimensions", where="sweep, reduce", expected="a list of names", got=shown(by)
        )
    for name in by:
        check_choice(name, tuple(space.sizes), "dimension", "sweep, reduce")


def _taken(labels: Sequence[Any], places: Any) -> Any:
    return np.asarray(labels)[places]

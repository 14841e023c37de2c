"""The points of a design space that no other point beats."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..core.typing import NumpyArray
from ..errors import check_choice


def pareto(table: pd.DataFrame, columns: Sequence[str], by: Sequence[str] = ()) -> pd.DataFrame:
    """The Pareto front: rows that no other row beats in one column and equals in the others.

    Args:
        table: a DataFrame.
        columns: two columns of numbers or more, less of which is better.
        by: columns whose every combination of values has a front of its own.

    Returns:
        The rows of the front, in ascending order of the first column; of equal rows the first.

    Raises:
        SplitDeconvError: a column that the table does not have.

    Example:
        >>> import pandas as pd
        >>> import splitdeconv as sd
        >>> table = pd.DataFrame({"us": [1, 2, 3], "uj": [9, 4, 5]})
        >>> sd.dlp.pareto(table, ["us", "uj"]).values.tolist()
        [[1, 9], [2, 4]]
    """
    for name in (*by, *columns):
        check_choice(name, tuple(table.columns), "column", "pareto")
    ordered = table.sort_values([*by, *columns], kind="stable")
    keys = [ordered[name] for name in by] or (lambda _: 0)
    # What beats a row comes before it, and is no greater in the first column.
    others = ordered[list(columns[1:])]
    groups = others.groupby(keys, sort=False, observed=True)
    if len(columns) == 2:
        least = groups.cummin()
        before = least.groupby(keys, sort=False, observed=True).shift()
        kept = (before.isna() | (others < before)).iloc[:, 0].to_numpy()
    else:
        kept = np.zeros(len(ordered), bool)
        for places in groups.indices.values():
            kept[places] = _unbeaten(others.to_numpy(dtype=float)[places])
    return ordered[kept]


def _unbeaten(rows: NumpyArray) -> NumpyArray:
    """Which rows are in some column less than each one before them."""
    if rows.shape[1] == 2:
        return _above_no_stair(*rows.T.tolist())
    kept = np.zeros(len(rows), bool)
    for index, row in enumerate(rows):
        kept[index] = (rows[:index][kept[:index]] > row).any(1).all()
    return kept


def _above_no_stair(first: Sequence[float], second: Sequence[float]) -> NumpyArray:
    """`_unbeaten` of two columns, in a time that grows with the rows, however many are kept."""
    kept = np.zeros(len(first), bool)
    # What is unbeaten so far is a stair: it ascends in the first column, descends in the second.
    steps, heights = list[float](), list[float]()
    for index, (x, y) in enumerate(zip(first, second, strict=True)):
        place = bisect_right(steps, x)
        if place and heights[place - 1] <= y:
            continue
        kept[index] = True
        begin = place - 1 if place and steps[place - 1] == x else place
        end = begin
        while end < len(steps) and heights[end] >= y:
            end += 1
        steps[begin:end], heights[begin:end] = [x], [y]
    return kept

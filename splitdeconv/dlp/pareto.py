"""The points of a design space that no other point beats."""

from collections.abc import Sequence

import pandas as pd

from ..errors import check_choice


def pareto(table: pd.DataFrame, columns: Sequence[str], by: Sequence[str] = ()) -> pd.DataFrame:
    """The Pareto front: rows that no other row beats in one column and equals in the other.

    Args:
        table: a DataFrame.
        columns: two columns of numbers, less of which is better.
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
    first, second = columns
    for name in (*by, first, second):
        check_choice(name, tuple(table.columns), "column", "pareto")
    ordered = table.sort_values([*by, first, second], kind="stable")
    keys = [ordered[name] for name in by] or (lambda _: 0)
    least = ordered[second].groupby(keys, sort=False, observed=True).cummin()
    # A row is on the front if it lowers the minimum so far.
    before = least.groupby(keys, sort=False, observed=True).shift()
    return ordered[before.isna() | (ordered[second] < before)]

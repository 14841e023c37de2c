"""The mean of ratios: geometric, so that inverted ratios have the inverse mean."""

from typing import Any

import numpy as np


def geometric_mean(ratios: Any) -> Any:
    """The geometric mean of positive numbers.

    Args:
        ratios: a pandas Series, or a DataFrame to take each column of. Missing values do not count.

    Returns:
        A float, NaN if there are no numbers; of a DataFrame, a Series of them by column.

    Example:
        >>> import pandas as pd
        >>> round(float(geometric_mean(pd.Series([1.0, 4.0, None]))), 6)
        2.0
    """
    return np.exp(np.log(ratios).mean())

"""The uncertainty of a statistic of few measurements: the interval of the percentile bootstrap."""

from typing import Protocol

import numpy as np

from .core.typing import NumpyArray


class Statistic(Protocol):
    """What summarizes an array along an axis, such as `numpy.median`."""

    def __call__(self, values: NumpyArray, /, *, axis: int) -> NumpyArray:
        """The statistic of `values` along `axis`."""


def interval(
    values: NumpyArray,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> NumpyArray:
    """The percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13) of a statistic.

    Args:
        values: array, one row per measurement; rows are drawn whole.
        statistic: of the rows, such as `numpy.median` or `numpy.mean`.
        confidence: of the interval.
        resamples: how many samples are drawn.
        seed: of the draws.

    Returns:
        Array (2, ...): the lower and the upper end.

    Example:
        >>> import numpy as np
        >>> interval(np.array([1.0, 2.0, 3.0, 10.0]), np.median).tolist()
        [1.0, 10.0]
    """
    draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    tail = 50 * (1 - confidence)
    return np.percentile(statistic(values[draws], axis=1), [tail, 100 - tail], axis=0)

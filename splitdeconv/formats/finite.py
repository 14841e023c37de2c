"""Check whether sums over filters stay finite; if not, rewritten filters could give other values.

A transposed convolution and its rewritten form add the same products, but in a different order and
with zeros added. As long as all numbers and sums are finite, this changes only rounding. Otherwise
even the runtimes disagree about the original: zero times infinity is NaN, so a padded border or a
zero tap produces NaN where the definition has no product at all, and a sum close to the largest
number may or may not overflow, depending on the order of summation.

Which outputs NaN or infinity in the input reach depends on the form. They spread as in the original
where no zeros are added to the filters: in "nzp", and in "split" if the kernel is at least as long
as the stride on every axis. The forms "rows" and "stacked" pad filters with zeros, and a phase
without taps is computed by a zero filter: there NaN or infinity may reach further than in the
original. Nothing is guaranteed on XNNPACK, whose kernels multiply values next to a pixel by their
own zeros.
"""

import numpy as np

from ..core.typing import ArrayLike, NumpyArray

_LARGEST = float(np.finfo(np.float32).max)


def describe(
    filters: ArrayLike,
    bias: NumpyArray | None = None,
    channels: int = 0,
    largest: float = _LARGEST,
) -> str | None:
    """Explain why sums over these filters may not be finite for inputs between -1 and 1.

    Args:
        filters: the filter values, of a floating-point type.
        bias: one value per output channel, or None.
        channels: the axis of the filters that holds the output channels.
        largest: the largest finite number of the type that the sums are computed in.

    Returns:
        The reason, as part of a sentence, such as "its filters contain NaN or infinity"; None if
        all sums are finite.
    """
    filters = np.moveaxis(np.asarray(filters), channels, 0)
    for values, name in ((filters, "filters contain"), (bias, "bias contains")):
        if values is not None and not np.isfinite(values).all():
            return f"its {name} NaN or infinity, which may spread differently once rewritten"
    sums = np.abs(filters).sum(axis=tuple(range(1, filters.ndim)), dtype=np.float64)
    offset = 0 if bias is None else np.abs(np.asarray(bias, np.float64)).max(initial=0)
    total = sums.max(initial=0) + offset
    if total > largest:
        return f"its filters are so large that sums of up to {total:.1e} may overflow"
    return None

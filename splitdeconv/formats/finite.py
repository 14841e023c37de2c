"""Whether sums over filters stay finite; if not, rewritten filters could give other values.

A transposed convolution and its rewritten form add the same products, but in another order and
among zeros. For finite numbers whose sums stay finite this changes nothing beyond rounding. Other
filters are a different matter, and the runtimes do not even agree on the original: zero times
infinity is NaN, so a padded border or a tap of zero brings NaN where the definition has no product
at all; and a sum near the largest number overflows, or not, by its order.

Where NaN or infinity in the input end up depends on the form. They spread as in the original where
zeros only meet real taps: in "nzp", and in "split" if the kernel is at least as long as the stride
on every axis. The forms "rows" and "stacked" pad filters with zeros, and a phase without taps is
computed by a filter of zeros: there NaN or infinity may reach further than in the original. On
XNNPACK nothing is promised: its kernels multiply what lies beside a pixel by zeros of their own.
"""

import numpy as np

_LARGEST = float(np.finfo(np.float32).max)


def describe(filters, bias=None, channels=0, largest=_LARGEST) -> str | None:
    """Say why sums over these filters may not be finite for inputs between -1 and 1.

    Args:
        filters: the filters' values, of a floating-point type.
        bias: one value per output channel, or None.
        channels: the filters' axis of output channels.
        largest: the largest finite number of the type that the sums are kept in.

    Returns:
        The reason as part of a sentence, such as "its filters contain NaN or infinity"; None if all
        sums are finite.
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

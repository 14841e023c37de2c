"""Conditions on a transposed convolution, as the rules of targets state them, and the facts they are about."""

from dataclasses import dataclass
from math import prod
from typing import Any

from ..formats.site import Site

Range = tuple[int | float | None, int | float | None]


@dataclass(frozen=True)
class When:
    """The sites a rule holds for: every range, ends included, must contain the site's value; null is an open end.

    Args:
        dtypes: element types, as `Site.dtype` names them.
        rank, groups, batch, in_channels, out_channels: of the site.
        images: the batch, where an open one counts as the one image that a program runs which does not resize.
        stride, kernel: the greatest over the axes.
        pixels: product of the input lengths.
        weights: number of filter weights.
        waste: multiply-accumulates of the form "rows" over the useful ones.
        whole: kernel equal to stride, nothing cropped.
        uniform: one stride and one kernel for all axes, not dilated.
    """

    dtypes: tuple[str, ...] | None = None
    rank: Range | None = None
    groups: Range | None = None
    batch: Range | None = None
    images: Range | None = None
    in_channels: Range | None = None
    out_channels: Range | None = None
    stride: Range | None = None
    kernel: Range | None = None
    pixels: Range | None = None
    weights: Range | None = None
    waste: Range | None = None
    whole: bool | None = None
    uniform: bool | None = None

    def holds(self, site) -> bool:
        """Whether `site` is known to be of this kind; what is not known about it is no match."""
        if self.dtypes is not None and site.dtype not in self.dtypes:
            return False
        return all(self.accepts(name, value) for name, value in facts(site).items())

    def accepts(self, name, value) -> bool:
        """Whether a fact about a site, of `facts`, is within the bounds."""
        bounds = getattr(self, name)
        if bounds is None or isinstance(bounds, bool):
            return bounds is None or value is bounds
        return _within(value, bounds)


def facts(site: Site) -> dict[str, Any]:
    """What rules can ask about a site besides its element type; None where it is not known."""
    rows, useful = (site.macs()[form] for form in ("rows", "useful"))
    known: dict[str, Any] = {
        "rank": None,
        "groups": site.groups,
        "batch": site.batch,
        "images": site.batch or 1,
        "in_channels": site.in_channels,
        "out_channels": site.out_channels,
        "stride": None,
        "kernel": None,
        "pixels": None,
        "weights": None,
        "waste": rows / useful if rows is not None and useful else None,
        "whole": None,
        "uniform": None,
    }
    axes = site.axes
    if axes is None:
        return known
    known["rank"] = len(axes)
    known["stride"] = max(axis.s for axis in axes)
    known["kernel"] = max(axis.k for axis in axes)
    known["whole"] = all(axis.k == axis.s and axis.d == 1 and axis.p == 0 for axis in axes)
    known["uniform"] = len({(axis.k, axis.s) for axis in axes}) == 1 and all(axis.d == 1 for axis in axes)
    lengths = [axis.n for axis in axes if axis.n is not None]
    if len(lengths) == len(axes):
        known["pixels"] = prod(lengths)
    if site.in_channels is not None and site.out_channels is not None:
        known["weights"] = prod(axis.k for axis in axes) * site.in_channels * site.out_channels // site.groups
    return known


def _within(value, range_):
    low, high = range_
    return value is not None and (low is None or value >= low) and (high is None or value <= high)

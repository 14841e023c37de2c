"""Conditions on transposed convolutions in the rules of targets, and the facts that they test."""

from dataclasses import dataclass
from math import prod
from typing import Annotated, TypeAlias

from ..formats.site import Site

#: The first and last value, as a data file gives them.
Range: TypeAlias = Annotated[
    tuple[int | float | None, int | float | None],
    "a range [first, last] of numbers (null for an open end)",
]
#: A fact about a site; None if it is unknown.
Fact: TypeAlias = float | bool | None


@dataclass(frozen=True)
class When:
    """The sites to which a rule applies.

    Every range must contain the site's value. Ranges include their ends; null is an open end.

    Args:
        dtypes: element types, as `Site.dtype` names them.
        geometries: the axes as text, as `Site.geometry` and `splitdeconv inspect` give them.
        rank, groups, batch, in_channels, out_channels: properties of the site.
        images: the batch; an open batch counts as 1, which is what a program runs without resizing.
        stride, kernel: the greatest value over the axes.
        pixels: product of the input lengths.
        weights: number of filter weights.
        waste: ratio of the multiply-accumulates of the form "rows" to the useful ones.
        whole: whether the kernel equals the stride and nothing is cropped.
        uniform: whether all axes have the same stride and kernel and no dilation.
    """

    dtypes: tuple[str, ...] | None = None
    geometries: tuple[str, ...] | None = None
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

    def holds(self, site: Site) -> bool:
        """Whether `site` is known to meet the conditions; unknown facts do not match."""
        if self.dtypes is not None and site.dtype not in self.dtypes:
            return False
        if self.geometries is not None and site.geometry not in self.geometries:
            return False
        return all(self.accepts(name, value) for name, value in facts(site).items())

    def accepts(self, name: str, value: Fact) -> bool:
        """Whether one of the `facts` about a site is within its bounds."""
        bounds = getattr(self, name)
        if bounds is None or isinstance(bounds, bool):
            return bounds is None or value is bounds
        return _within(value, bounds)


def facts(site: Site) -> dict[str, Fact]:
    """The facts about a site that rules can test besides its type; None if unknown."""
    rows, useful = (site.macs()[form] for form in ("rows", "useful"))
    known: dict[str, Fact] = {
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
    known["uniform"] = len({(axis.k, axis.s) for axis in axes}) == 1 and all(
        axis.d == 1 for axis in axes
    )
    lengths = [axis.n for axis in axes if axis.n is not None]
    if len(lengths) == len(axes):
        known["pixels"] = prod(lengths)
    if site.in_channels is not None and site.out_channels is not None:
        known["weights"] = (
            prod(axis.k for axis in axes) * site.in_channels * site.out_channels // site.groups
        )
    return known


def _within(value: float | None, range_: Range) -> bool:
    low, high = range_
    return value is not None and (low is None or value >= low) and (high is None or value <= high)

"""Run every rewritten operator in isolation, with its own weights, on synthetic inputs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

from ...formats.cut import Cut, UncutError
from ...formats.site import Site
from .difference import Output, failure, rounding
from .entry import Pair
from .whole import SMALL, Comparison, compare_whole

SAMPLES = 3  # per operator
_UNKNOWN_GROWTH = 8  # of an operator whose strides are unknown: two along each axis of a volume


@dataclass(frozen=True)
class Alone:
    """The results of comparing operators in isolation.

    Args:
        outputs: one record per operator that was run.
        uncut: why each of the others could not be run in isolation, by the index of its site.
    """

    outputs: tuple[Output, ...]
    uncut: dict[int, str]


def compare_alone(pair: Pair, sites: Iterable[Site]) -> Alone:
    """Compare every rewritten operator in isolation.

    Args:
        pair: the whole models.
        sites: the rewritten transposed convolutions of the original.
    """
    outputs: list[Output] = []
    uncut: dict[int, str] = {}
    for index, site in enumerate(sites):
        try:
            whole = _compare(pair, site)
        except UncutError as error:
            uncut[index] = f"it cannot be run in isolation: {error}"
            continue
        records = whole.outputs or (failure(site.name, whole.doubt or "it has no outputs"),)
        outputs += [replace(output, name=site.name) for output in records]
    return Alone(tuple(outputs), uncut)


def _compare(pair: Pair, site: Site) -> Comparison:
    with TemporaryDirectory(prefix="splitdeconv-") as folder:
        part = cut(pair, site, Path(folder) if pair.size >= SMALL else None)
        return compare_whole(pair_of(part, pair, site), SAMPLES)


def pair_of(part: Cut, pair: Pair, site: Site) -> Pair:
    """The `Pair` for a site that was cut out of both models.

    Args:
        part: the `Cut` that was made.
        pair: the whole models.
        site: the site in the original.
    """
    return Pair(
        pair.format,
        part.original,
        part.converted,
        pair.path,
        pair.converted_path,
        rounding([site], pair.format.exact_sums),
        pair.seed,
        delta_defined=rounding([_widened(site)], pair.format.exact_sums),
        alone=True,
        grid=part.grid,
        growth=growth([site]),
        step=pair.format.step_bound(pair.original, site),
        sites=(site,),
    )


def _widened(site: Site) -> Site:
    """The site as computed when narrow float types are widened to float32."""
    if (site.computes or site.dtype) not in ("float16", "bfloat16"):
        return site
    return replace(site, dtype="float32", computes="float32")


def cut(pair: Pair, site: Site, folder: Path | None = None) -> Cut:
    """Cut the operator of a site out of both models of a `Pair`; see `Format.cut`."""
    return pair.format.cut(pair.original, pair.converted, site, folder)


def growth(sites: Iterable[Site]) -> int:
    """By what factor these sites may make tensors larger than the model's input."""
    return prod(
        _UNKNOWN_GROWTH if site.axes is None else prod(axis.s for axis in site.axes)
        for site in sites
    )

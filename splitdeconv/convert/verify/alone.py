"""Rewritten operators alone, each run with its own weights on synthetic inputs that move it."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ...formats.cut import Cut, UncutError
from ...formats.site import Site
from .difference import Output, rounding
from .entry import Pair, failure
from .whole import SMALL, compare_whole

SAMPLES = 3  # per operator


@dataclass(frozen=True)
class Alone:
    """What came of the operators.

    Args:
        outputs: one record per operator that was run.
        uncut: why the others could not be run alone, by the position of their sites.
    """

    outputs: tuple[Output, ...]
    uncut: dict[int, str]


def compare_alone(pair, sites) -> Alone:
    """Compare every rewritten operator by itself.

    Args:
        pair: the whole models.
        sites: the rewritten transposed convolutions of the original.
    """
    outputs, uncut = [], {}
    for index, site in enumerate(sites):
        try:
            whole = _compare(pair, site)
        except UncutError as error:
            uncut[index] = f"it cannot be run alone: {error}"
            continue
        found = whole.outputs or (failure(site.name, whole.doubt),)
        outputs += [replace(output, name=site.name) for output in found]
    return Alone(tuple(outputs), uncut)


def _compare(pair, site):
    with TemporaryDirectory(prefix="splitdeconv-") as folder:
        part = cut(pair, site, Path(folder) if pair.size >= SMALL else None)
        return compare_whole(pair_of(part, pair, site), SAMPLES)


def pair_of(part, pair, site) -> Pair:
    """The `Pair` of a site that was cut out of both models.

    Args:
        part: the `Cut`.
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
    )


def _widened(site):
    """The site where narrow floats are computed as float32."""
    return replace(site, dtype="float32") if site.dtype in ("float16", "bfloat16") else site


def cut(pair: Pair, site: Site, folder: Path | None = None) -> Cut:
    """The operator of a site cut out of both models of a `Pair`; see `Format.cut`."""
    return pair.format.cut(pair.original, pair.converted, site, folder)


def growth(sites) -> int:
    """How many times larger than a model's input its tensors may be because of these sites."""
    factor = 1
    for site in sites:
        for axis in site.axes or ():
            factor *= axis.s
    return factor

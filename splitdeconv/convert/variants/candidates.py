"""Every transposed convolution of a model as a model of its own, in every form it can be given.

This is the work of the child process: files are cut and rewritten here, and costed elsewhere.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from ...errors import SplitDeconvError
from ...formats.content import Source, content
from ...formats.cut import UncutError
from ...formats.format import Format
from ...formats.model import Model
from ...formats.registry import format_of
from ...formats.site import Site
from ..decide import decide
from ..rewrite import ModelData, Options, prepared
from ..targets import Target
from .variant import NATIVE, Variant, variants


class Record(TypedDict):
    """What there is of one transposed convolution.

    Args:
        like: the index of the first one of the same geometry; it alone has what follows.
        files: the name of the file of each variant.
        reasons: why a variant has none; None for formats without a runtime of their own.
    """

    like: int
    files: dict[str, str]
    reasons: dict[str, str | None]


def write(
    kind: str, data: ModelData, path: str | Path | None, options: Options, folder: Path
) -> dict[str, Any]:
    """List the transposed convolutions, and write each of different geometry in every variant.

    Args:
        kind, data, path, options: as for `splitdeconv.convert.rewrite.examine`. The target says
            which operators may occur in a file; what its rules would choose is not reported.
        folder: where to write the files.

    Returns:
        dict of ``report``, the `Report` as plain values, and ``layers``, a `Record` for each
        transposed convolution.
    """
    model, report = prepared(kind, data, path, replace(options, target="generic", layers=None))
    if options.fixes:
        data = model.serialize()
    files = _Files(format_of(kind), data, path, options.device, folder)
    first: dict[object, int] = {}
    layers: list[Record] = []
    for index, decision in enumerate(report.decisions):
        site = decision.site
        like = first.setdefault(_geometry(site), index)
        record: Record = {"like": like, "files": {}, "reasons": {}}
        if site.problem is None and site.axes is not None and like == index:
            if format_of(kind).runs_files and site.unsized is not None:
                # Alone, a runtime would be given sizes that were not chosen.
                record["reasons"] = dict.fromkeys(map(str, variants(site)), site.unsized)
            elif format_of(kind).runs_files:
                record["files"], record["reasons"] = files.write(site, index)
            else:
                record["reasons"] = dict.fromkeys(map(str, variants(site)), None)
        layers.append(record)
    model.let_go()
    return {"report": report.to_dict(), "layers": layers}


def _geometry(site: Site) -> object:
    """What the cost of a site depends on."""
    sizes = site.axes, site.groups, site.in_channels, site.out_channels, site.batch
    return site.operator, site.dtype, site.computes, site.interleaves, site.problem, sizes


class _Files:
    """Writes sites alone, each as it is and in every other variant."""

    def __init__(
        self,
        format: Format,
        data: ModelData,
        path: str | Path | None,
        target: Target,
        folder: Path,
    ) -> None:
        self._format, self._data, self._path, self._target = format, data, path, target
        self._folder = folder

    def write(self, site: Site, index: int) -> tuple[dict[str, str], dict[str, str | None]]:
        """The names of the files, and the reasons where there is none, by variant.

        Args:
            site: the transposed convolution.
            index: its place among those of the model.
        """
        files: dict[str, str] = {}
        reasons: dict[str, str | None] = {}
        try:
            alone = self._alone(site)
        except (UncutError, SplitDeconvError) as error:
            reason = f"it cannot be cut out: {error}"
            return files, dict.fromkeys(map(str, variants(site)), reason)
        for number, (variant, made) in enumerate(self._made(site, alone)):
            if isinstance(made, str):
                reasons[str(variant)] = made
                continue
            name = f"layer{index}.{number}"
            made.write(self._folder / name)
            files[str(variant)] = name
        return files, reasons

    @cached_property
    def _whole(self) -> Source:
        whole, _ = self._format.opened(self._data, self._data)
        return content(whole) if isinstance(whole, bytes | Path) else whole

    def _alone(self, site: Site) -> Source:
        """The operator as a model of its own; an open batch is one image."""
        closed = replace(site, batch=site.batch or 1)
        part = self._format.cut(self._whole, self._whole, closed).original
        # What lies in other files is embedded.
        return self._format.parse(part, self._path).serialize()

    def _made(self, site: Site, alone: Source) -> Iterator[tuple[Variant, Model | str]]:
        """Each variant, and its model or why there is none."""
        yield NATIVE, self._format.parse(alone)
        for variant in variants(site)[1:]:
            try:
                yield variant, self._rewritten(alone, variant)
            except SplitDeconvError as error:
                yield variant, error.problem

    def _rewritten(self, alone: Source, variant: Variant) -> Model | str:
        model = self._format.parse(alone)
        sites = model.sites()
        if len(sites) != 1:
            return f"cut out, it has {len(sites)} transposed convolutions"
        decision = decide(sites[0], self._target, *variant)
        if decision.verdict != "convert":
            return decision.reason
        model.apply([decision])
        refused = self._target.objections(model.left())
        if refused:
            return f"{self._target.name} refuses {refused[0][0]}: {refused[0][1]}"
        return model

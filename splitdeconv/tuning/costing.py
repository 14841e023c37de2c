"""Ask an oracle for the cost of every transposed convolution of a model, once for each geometry."""

import time
from collections.abc import Sequence
from pathlib import Path

from ..convert.report import Report
from ..convert.variants.candidates import Record
from ..convert.variants.variant import NATIVE, Variant
from ..formats.site import Site
from ..limits.sandbox import Progress
from .oracle import Cost, Oracle, Subject
from .store import Store

#: Why a transposed convolution that the user did not choose has no cost.
NOT_SELECTED = "not selected"
#: By index of the transposed convolution.
Costs = dict[int, dict[Variant, Cost]]


def cost_layers(
    report: Report,
    records: Sequence[Record],
    folder: Path,
    oracle: Oracle,
    store: Store,
    *,
    selected: Sequence[bool],
    budget: float | None = None,
    progress: Progress | None = None,
) -> Costs:
    """The cost of each transposed convolution in each variant.

    Args:
        report: on the model; its decisions name the transposed convolutions.
        records: of `splitdeconv.convert.variants.candidates.write`, with files in `folder`.
        oracle: whom to ask.
        store: where costs are kept.
        selected: which transposed convolutions are asked for; the others stay native.
        budget: seconds after which no other layer is asked for; None for no limit. The layers with
            most operations come first.
        progress: called with what is being costed, and the time that is left.
    """
    subjects = _subjects(report, records, folder, selected)
    known: Costs = {}
    for index, subject in subjects.items():
        kept = store.read(subject)
        if kept is not None:
            known[index] = kept
    left = sorted(subjects.keys() - known.keys(), key=lambda i: -_work(subjects[i].site))
    start = time.monotonic()
    for done, index in enumerate(left):
        spent = time.monotonic() - start
        subject = subjects[index]
        if budget is not None and spent >= budget:
            known[index] = _none(subject, f"not tried: the budget of {budget:g} s was used up")
            continue
        if progress is not None:
            remains = f", about {spent / done * (len(left) - done):.0f} s left" if done else ""
            progress(f"costing layer {done + 1} of {len(left)}, {subject.site.name}{remains}")
        costs = oracle.costs(subject)
        store.write(subject, costs)
        known[index] = costs
    return {
        # One of equal geometry may be known although this one is not asked for.
        index: (known.get(record["like"]) if selected[index] else None)
        or {NATIVE: Cost.missing(_why(report, index, selected))}
        for index, record in enumerate(records)
    }


def _subjects(
    report: Report, records: Sequence[Record], folder: Path, selected: Sequence[bool]
) -> dict[int, Subject]:
    """One subject for each geometry that is asked for, by its first transposed convolution."""
    asked = {record["like"] for record, ask in zip(records, selected, strict=True) if ask}
    subjects = {}
    for index in sorted(asked):
        record = records[index]
        files = {Variant.of(name): folder / file for name, file in record["files"].items()}
        reasons = {Variant.of(n): r for n, r in record["reasons"].items() if r is not None}
        every = tuple(map(Variant.of, [*record["files"], *record["reasons"]]))
        if every:
            site = report.decisions[index].site
            subjects[index] = Subject(site, every, files, reasons)
    return subjects


def _why(report: Report, index: int, selected: Sequence[bool]) -> str:
    """Why a transposed convolution was not costed."""
    if not selected[index]:
        return NOT_SELECTED
    site: Site = report.decisions[index].site
    return site.problem or "the file does not define its geometry"


def _work(site: Site) -> int:
    return site.macs()["useful"] or 0


def _none(subject: Subject, reason: str) -> dict[Variant, Cost]:
    return {variant: Cost.missing(reason) for variant in subject.variants}

"""Run two whole models on the same inputs and compare every output."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...core.typing import NumpyArray
from ...formats.port import DEFINITION, KERNELS, Arrays, Input, RejectedError, Runner
from .difference import Output, failure, merge
from .empty import note as note_on_empty
from .entry import ROUNDED, Entry, Pair, compare_output, keeps_state, repeats
from .inputs import find_recipe, other_sizes, read_inputs
from .tables import described

if TYPE_CHECKING:
    from ..exchange import Inputs

_SECONDS = 120  # for all samples of one entry point
# If a run with the default kernels takes longer, it is not repeated with the plainest kernels,
# which may be a hundred times slower.
_BRIEF = 0.1
#: The finding for a converted model that the runtime does not load.
REJECTED = "the runtime rejected the converted model"
#: The finding for a model that does not accept the shapes its inputs are fixed to.
UNFIT = "the original does not accept inputs of the fixed shape"
# Larger models are not held in memory four times. Only their isolated operators are also run with
# the plainest kernels.
SMALL = 64 << 20


@dataclass(frozen=True)
class Comparison:
    """The result of comparing whole models.

    Args:
        outputs: one record per output; empty if nothing could be run.
        samples: how many inputs were run.
        notes: remarks for the reader.
        doubt: why this is a weak proof or none at all; None if it is a proof.
    """

    outputs: tuple[Output, ...] = ()
    samples: int = 0
    notes: tuple[str, ...] = ()
    doubt: str | None = None


def compare_whole(pair: Pair, samples: int, inputs: Inputs | None = None) -> Comparison:
    """Compare all outputs of all entry points.

    Args:
        pair: the models.
        samples: how many synthetic inputs to draw.
        inputs: the user's inputs; see `read_inputs`.

    Raises:
        SplitDeconvError: the user's inputs do not fit the model.
    """
    try:
        ours, kernels = _load(pair)
    except RejectedError as error:
        return Comparison(
            doubt=f"the runtime rejected the original ({error}): operators were run alone"
        )
    if kernels == DEFINITION:
        pair = replace(pair, delta=pair.delta_defined)
    try:
        theirs = pair.load_converted(kernels)
    except RejectedError as error:
        return Comparison((failure("", f"{REJECTED}: {error}"),))
    parts = []
    for name, run in ours.items():
        if name in theirs:
            part = _compare_entry(Entry(run, theirs[name], pair, name, kernels), samples, inputs)
        else:
            part = Comparison((failure(name, "the converted model has no such signature"),))
        if len(ours) > 1:
            part = replace(
                part, outputs=tuple(replace(o, name=f"{name}/{o.name}") for o in part.outputs)
            )
        parts.append(part)
    doubts = [part.doubt for part in parts if part.doubt]
    by = ", by the operator's definition in NumPy" if kernels == DEFINITION else ""
    return Comparison(
        outputs=tuple(replace(o, finding=o.finding + by) for part in parts for o in part.outputs),
        samples=max((part.samples for part in parts), default=0),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        doubt=doubts[0] if doubts else None,
    )


def _compare_entry(entry: Entry, samples: int, inputs: Inputs | None) -> Comparison:
    """Compare all outputs of one entry point on as many samples as time allows."""
    if inputs is not None:
        given = read_inputs(inputs, _ports(entry))
        drawn = _Feeds(iter(given), len(given))
    else:
        try:
            drawn = _draw(entry, samples)
        except RejectedError as error:
            if _runs_open(entry):
                return Comparison((failure("", f"{UNFIT}: {error}"),))
            return Comparison(
                doubt=f"the original rejected all synthetic inputs ({error}): operators were run "
                "alone; pass inputs that suit the model with --inputs"
            )
    records: dict[str, list[Output]] = {}
    evidence: dict[str, _Evidence] = {}
    start = time.monotonic()
    for index, feed in enumerate(drawn.feeds):
        if index and (time.monotonic() - start) * (index + 1) / index > _SECONDS:
            break
        begun = time.monotonic()
        try:
            y = entry.ours(feed)
            took = time.monotonic() - begun
            if not index and not repeats(entry, feed, y):
                return Comparison(doubt=_unsteady(entry, feed))
        except RejectedError as error:
            return Comparison(
                doubt=f"the original rejected sample {index} ({error}): operators were run alone"
            )
        try:
            z = entry.theirs(feed)
        except RejectedError as error:
            return Comparison(
                (failure("", f"the converted model rejected an input of the original: {error}"),)
            )
        for name, value in y.items():
            records.setdefault(name, []).append(compare_output(entry, feed, name, value, z))
            evidence.setdefault(name, _Evidence()).add(value)
        if not index and took < _BRIEF and entry.pair.size < SMALL:
            for record in _by_plain_kernels(entry, feed):
                if not record.passed:
                    records.setdefault(record.name, []).append(record)
    ran = max((shown.samples for shown in evidence.values()), default=0)
    notes = drawn.notes
    if ran < drawn.total:
        notes += (f"only {ran} of {drawn.total} samples were run, because the model is slow",)
    outputs = tuple(map(merge, records.values()))
    return Comparison(outputs, ran, notes, _doubt(records, evidence))


def _doubt(records: dict[str, list[Output]], evidence: dict[str, _Evidence]) -> str | None:
    """Why equal outputs are a weak proof; None if they are a proof."""
    weak = (f"output {n!r} {lack}" for n in sorted(evidence) if (lack := evidence[n].lacks()))
    why = next(weak, None)
    for name in sorted(records):
        if any(ROUNDED in record.finding for record in records[name]):
            why = f"the runtime's kernels round output {name!r} differently"
            break
    return why and f"{why}: operators were run alone as well"


def _unsteady(entry: Entry, feed: Arrays) -> str:
    """Why two runs of the original differ, in words."""
    if keeps_state(entry, feed):
        return (
            "two runs of the original differ because it keeps state (variables, or random numbers "
            "with a fixed seed): operators were run alone"
        )
    return (
        "two runs of the original differ (random operators): operators were run alone; "
        "if some inputs switch the randomness off, pass them with --inputs"
    )


class _Evidence:
    """Whether the values of an output prove anything: they must be finite and vary by sample."""

    def __init__(self) -> None:
        self.samples = 0
        self._first: dict[tuple[int, ...], NumpyArray] = {}
        self._varies, self._finite = False, False

    def add(self, value: NumpyArray) -> None:
        """Add the output of another sample."""
        self.samples += 1
        numbers = value.dtype.kind in "fciu"
        finite = np.isfinite(value) if numbers else np.ones(value.shape, bool)
        self._finite |= bool(finite.any())
        first = self._first.setdefault(value.shape, value)
        self._varies |= bool((finite & (value != first)).any())

    def lacks(self) -> str | None:
        """Why the values prove nothing; None if they do."""
        if not self._finite:
            return "is never finite"
        return None if self._varies else "is the same for every sample"


def _by_plain_kernels(entry: Entry, feed: Arrays) -> Iterator[Output]:
    """Records of one sample with the plainest kernels, if those accept both models."""
    pair = entry.pair
    if KERNELS[1] not in pair.format.kernels or entry.kernels in (KERNELS[1], DEFINITION):
        return
    try:
        loaders = (pair.load_original, pair.load_converted)
        ours, theirs = (load(KERNELS[1])[entry.name] for load in loaders)
        plain = Entry(ours, theirs, pair, entry.name, KERNELS[1])
        y = ours(feed)
    except (RejectedError, KeyError):
        return
    try:
        z = theirs(feed)
    except RejectedError as error:
        yield failure("", f"the plainest kernels reject the converted model: {error}")
        return
    for name, value in y.items():
        record = compare_output(plain, feed, name, value, z)
        yield replace(record, finding=f"{record.finding}, with the plainest kernels")


def _load(pair: Pair) -> tuple[dict[str, Runner], str]:
    """(entry points, kernels) of the original with the first kernels that accept it.

    An isolated ONNX operator can be evaluated by its definition if the runtime has no kernel for
    its type.
    """
    tried = pair.format.kernels[:2]
    if pair.alone:
        tried += pair.format.alone
    for kernels in tried:
        try:
            return pair.load_original(kernels), kernels
        except RejectedError as error:
            rejection = error
    raise rejection


def _ports(entry: Entry) -> list[Input]:
    """The inputs of the original, with the shapes that the conversion fixed, if any."""
    fixed = {(port.name, port.dtype): port for port in entry.theirs.inputs}
    return [fixed.get((port.name, port.dtype), port) for port in entry.ours.inputs]


def _runs_open(entry: Entry) -> bool:
    """Whether the original accepts inputs of a shape other than the one the conversion fixed."""
    ports, pair = entry.ours.inputs, entry.pair
    if [port.shape for port in ports] == [port.shape for port in _ports(entry)]:
        return False
    recipe, _ = find_recipe(
        entry.ours, described(pair.format, pair.original, ports), pair.seed, pair.growth
    )
    return recipe is not None


class _Feeds(NamedTuple):
    """The inputs to run, how many there are, and notes on them."""

    feeds: Iterator[Arrays]
    total: int
    notes: tuple[str, ...] = ()


def _draw(entry: Entry, samples: int) -> _Feeds:
    """Synthetic inputs that the original accepts.

    Raises:
        RejectedError: it accepts none.
    """
    ports = described(entry.pair.format, entry.pair.original, _ports(entry))
    seed, growth = entry.pair.seed, entry.pair.growth
    recipe, rejection = find_recipe(entry.ours, ports, seed, growth)
    if recipe is None:
        raise RejectedError(rejection)
    notes: tuple[str, ...] = ()
    try:
        entry.ours(recipe.draw(ports, 1, seed))
    except RejectedError:  # other values than the defaults are rejected
        ports = [port for port in ports if not port.default]
    # LiteRT was not designed for a batch of 0, so only isolated operators are run with one.
    empty = entry.pair.alone and entry.pair.format.runs_empty
    others = other_sizes(entry.ours, ports, recipe, seed, growth, empty)
    if others:
        shapes = dict.fromkeys(
            str(list(other.shape(port)))
            for other in others
            for port in ports
            if None in (port.shape or ())
        )
        notes += (f"open sizes were also run at {', '.join(shapes)}",)
    if not (entry.pair.format.runs_empty or entry.pair.alone):
        notes += note_on_empty(entry, ports, recipe, seed)
    plan = [
        *((recipe, index) for index in range(samples)),
        *((other, samples + i) for i, other in enumerate(others)),
    ]
    feeds = (recipe.draw(ports, index, seed) for recipe, index in plan)
    return _Feeds(feeds, len(plan), notes)

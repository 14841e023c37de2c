"""Run two whole models on the same inputs and compare every output."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np

from .verify_inputs import find_recipe, read_inputs
from .verify_measure import Output, measure, merge, perturb, slack
from .verify_run import KERNELS, RejectedError, load

_SECONDS = 120  # what the samples of one entry point may take
_ROUNDED = "the plainest kernels agree on every value"


@dataclass(frozen=True)
class Pair:
    """Two models.

    Args:
        kind: "tflite", "onnx" or "keras".
        original, converted: bytes, or `keras.Model`; the same model twice if its layers were swapped in place.
        path, converted_path: where the bytes came from, for external data.
        delta: relative rounding difference that is due to the rewriting; see `verify_measure`.
        seed: of the synthetic inputs.
        alone: whether these are operators cut out of their models, which nothing amplifies the rounding of.
    """

    kind: str
    original: object
    converted: object
    path: str | None
    converted_path: str | None
    delta: float
    seed: int
    alone: bool = False

    def load_original(self, kernels="default"):
        """Entry points of the original; as Keras' own layers compute if both are the same model."""
        return load(self.kind, self.original, self.path, kernels, native=self.original is self.converted)

    def load_converted(self, kernels="default"):
        """Entry points of the converted model."""
        return load(self.kind, self.converted, self.converted_path, kernels)


@dataclass(frozen=True)
class Comparison:
    """What came of whole models.

    Args:
        outputs: one record per output; none where nothing could be run.
        samples: how many inputs were run.
        notes: what a reader should know.
        doubt: why this is no proof, or a weak one; None if it is one.
    """

    outputs: tuple[Output, ...] = ()
    samples: int = 0
    notes: tuple[str, ...] = ()
    doubt: str | None = None


@dataclass(frozen=True)
class _Entry:
    """One entry point of both models, and how the original may be computed in another way."""

    ours: Callable
    theirs: Callable
    pair: Pair
    name: str
    kernels: str

    def perturbed(self, feed):
        """The original's outputs for inputs that are off by as much as the rewritten sums may be."""
        changed = perturb(feed, self.pair.delta, self.pair.seed) if self.pair.delta else None
        return {} if changed is None else self.ours(changed)

    def elsewhere(self, feed):
        """Both models' outputs as the runtime's other kernels compute them: (original's, converted's), a pair each."""
        return [tuple(run(feed) for run in runs) for runs in self._others]

    @cached_property
    def _others(self):
        """Both models with each of the other kernels that take both."""
        found = []
        for other in KERNELS if self.pair.kind in ("tflite", "onnx") else ():
            try:
                if other != self.kernels:
                    loaders = (self.pair.load_original, self.pair.load_converted)
                    found.append(tuple(load(other)[self.name] for load in loaders))
            except (RejectedError, KeyError):
                continue
        return found


def compare_whole(pair, samples, inputs=None) -> Comparison:
    """Compare all outputs of all entry points.

    Args:
        pair: the models.
        samples: how many synthetic inputs to draw.
        inputs: a user's own; see `read_inputs`.

    Raises:
        SplitDeconvError: a user's inputs do not fit.
    """
    try:
        ours, kernels = _load(pair)
    except RejectedError as error:
        return Comparison(doubt=f"the runtime does not take the original ({error}): operators were run alone")
    try:
        theirs = pair.load_converted(kernels)
    except RejectedError as error:
        return Comparison((_failure("", f"the runtime does not take the converted model: {error}"),))
    parts = []
    for name, run in ours.items():
        if name in theirs:
            part = _compare_entry(_Entry(run, theirs[name], pair, name, kernels), samples, inputs)
        else:
            part = Comparison((_failure(name, "the converted model has no such signature"),))
        if len(ours) > 1:
            part = replace(part, outputs=tuple(replace(o, name=f"{name}/{o.name}") for o in part.outputs))
        parts.append(part)
    doubts = [part.doubt for part in parts if part.doubt]
    return Comparison(
        outputs=tuple(output for part in parts for output in part.outputs),
        samples=max((part.samples for part in parts), default=0),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        doubt=doubts[0] if doubts else None,
    )


def _compare_entry(entry, samples, inputs):
    """All outputs of one entry point, over the samples that time allows."""
    if inputs is not None:
        feeds = read_inputs(inputs, entry.ours.inputs)
    else:
        feeds, said = _draw(entry, samples)
        if feeds is None:
            return Comparison(
                doubt=f"the original takes no synthetic input ({said}): operators were run alone; "
                "give inputs that suit the model with --inputs"
            )
    records, varying, start = {}, set(), time.monotonic()
    first = None
    for index, feed in enumerate(feeds):
        if index and (time.monotonic() - start) * (index + 1) / index > _SECONDS:
            break
        try:
            y = entry.ours(feed)
            if first is None and not _repeats(entry, feed, y):
                return Comparison(
                    doubt="two runs of the original differ (random operators): operators were run alone; "
                    "give inputs that silence them with --inputs if there are any"
                )
        except RejectedError as error:
            return Comparison(doubt=f"the original does not take sample {index} ({error}): operators were run alone")
        try:
            z = entry.theirs(feed)
        except RejectedError as error:
            return Comparison((_failure("", f"the converted model does not take what the original takes: {error}"),))
        first = first or y
        varying |= {name for name, value in y.items() if not _constant(value, first[name])}
        for name, value in y.items():
            records.setdefault(name, []).append(_record(entry, feed, name, value, z))
    ran = max(map(len, records.values()), default=0)
    notes = (f"{ran} of {len(feeds)} samples, for one run takes long",) if ran < len(feeds) else ()
    still = sorted(set(records) - varying)
    doubt = f"output {still[0]!r} hardly depends on the input: operators were run alone as well" if still else None
    rounded = sorted(name for name, found in records.items() if any(_ROUNDED in one.finding for one in found))
    if rounded:
        doubt = f"the runtime's kernels round output {rounded[0]!r} apart: operators were run alone as well"
    return Comparison(tuple(map(merge, records.values())), ran, notes, doubt)


def _record(entry, feed, name, value, z):
    """One output of one sample; what exceeds the tolerance is held against what the original differs from itself."""
    if name not in z:
        return _failure(name, "the converted model has no such output")
    bound = entry.pair.delta * _greatest(value)
    record = measure(name, value, z[name], bound)
    for excuse in (_by_rounding, _by_kernels):
        if not record.passed and np.isfinite(record.max_abs):
            try:
                record = excuse(entry, feed, record, value, z[name], bound)
            except RejectedError:
                continue
    return record


def _by_rounding(entry, feed, record, value, theirs, bound):
    """The record again, allowing what inputs that are off by rounding do to the original."""
    again = entry.perturbed(feed).get(record.name)
    return record if again is None else measure(record.name, value, theirs, bound, slack(value, again, bound))


def _by_kernels(entry, feed, record, value, theirs, bound):
    """The record again, passed where other kernels agree on the two models, but not on the original with these.

    Of integers, one step is allowed, too; more where they are amplified, on condition that operators agree alone.
    """
    pairs = [
        (a[record.name], b[record.name]) for a, b in entry.elsewhere(feed) if record.name in a and record.name in b
    ]
    # The plainest kernels come first: what they do not agree on is no matter of kernels.
    if not pairs or not measure(record.name, *pairs[0], bound).passed:
        return record
    own, exact = max(slack(value, ours, bound).gap for ours, _ in pairs), entry.pair.delta == 0
    if record.max_abs <= 2 * own:
        finding = f"{record.finding}; other kernels agree on the two, and differ by up to {own:.3g} on the original"
        return replace(record, passed=True, tolerance=max(record.tolerance, 2 * own), finding=finding)
    if exact and (not entry.pair.alone or (record.lsb is not None and record.max_abs <= 1)):
        tolerance = max(record.tolerance, record.max_abs)
        return replace(record, passed=True, tolerance=tolerance, finding=f"{record.finding}; {_ROUNDED}")
    return record


def _load(pair):
    """(entry points, kernels) of the original with the first kernels that take it."""
    try:
        return pair.load_original(KERNELS[0]), KERNELS[0]
    except RejectedError:
        if pair.kind == "keras":
            raise
        return pair.load_original(KERNELS[1]), KERNELS[1]


def _draw(entry, samples):
    """Synthetic samples, or (None, why) if none suits the original."""
    # A batch that the conversion fixed is the one to run.
    fixed = {(port.name, port.dtype): port for port in entry.theirs.inputs}
    ports = [fixed.get((port.name, port.dtype), port) for port in entry.ours.inputs]
    recipe, said = find_recipe(entry.ours, ports, entry.pair.seed)
    return recipe and [recipe.draw(ports, index, entry.pair.seed) for index in range(samples)], said


def _repeats(entry, feed, y):
    """Whether the original computes the same again, up to rounding."""
    again = entry.ours(feed)
    return all(measure(name, y[name], again[name], entry.pair.delta * _greatest(y[name])).passed for name in y)


def _failure(name, finding):
    return Output(name, "", 0, inf, inf, 0.0, None, False, finding)


def _greatest(value):
    """Greatest finite magnitude of floats; 0 for everything else, which must be equal."""
    if value.dtype.kind not in "fc":
        return 0.0
    return float(np.abs(value[np.isfinite(value)].astype(np.complex128)).max(initial=0.0))


def _constant(value, first):
    """Whether this sample's output is the one constant that the first sample's begins with."""
    return value.size == 0 or first.size == 0 or bool(np.all(value == first.flat[0]))

"""One entry point of two models, and what a difference between their outputs is held against."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path

import numpy as np

from ...formats.cut import Grid
from ...formats.format import Format
from ...formats.port import KERNELS, Arrays, RejectedError, Runner
from ...limits import allowance
from .difference import Output, measure, perturb, slack
from .run import load
from .steps import forgive_steps

#: What is said of values whose difference is due to kernels alone.
ROUNDED = "the plainest kernels agree on every value"


@dataclass(frozen=True)
class Pair:
    """Two models.

    Args:
        format: of both.
        original, converted: as the format's `load` takes them; the same model twice if its layers were swapped.
        path, converted_path: where the bytes came from, for external data.
        delta: relative rounding difference that is due to the rewriting; see `verify_measure`.
        seed: of the synthetic inputs.
        delta_defined: delta where the operators are computed by definition, narrow floats widened.
        alone: whether these are operators cut out of their models, where rounding is not amplified.
        grid: the steps of the quantizer behind an operator that is alone.
        growth: how many times larger than an input a tensor may be.
        explain: whether a difference is that of quantizers behind rewritten operators.
        step: how far one step of every activation that its kernel quantizes moves an operator's results, as a function
            of its input; None if it quantizes none.
    """

    format: Format
    original: object
    converted: object
    path: str | None
    converted_path: str | None
    delta: float
    seed: int
    delta_defined: float = 0.0
    alone: bool = False
    grid: Grid | None = None
    growth: int = 1
    explain: Callable | None = None
    step: Callable | None = None

    @property
    def size(self) -> int:
        """Bytes of the two models, with what whole ones keep in other files; 0 for those in memory."""
        models = (self.original, self.converted)
        files = sum(model.stat().st_size for model in models if isinstance(model, Path))
        outside = 0 if self.alone else allowance.bytes_outside()
        return outside + files + sum(len(model) for model in models if isinstance(model, bytes))

    def load_original(self, kernels="default"):
        """Entry points of the original; as Keras' own layers compute if both are the same model."""
        return load(self.format, self.original, self.path, kernels, native=self.original is self.converted)

    def load_converted(self, kernels="default"):
        """Entry points of the converted model."""
        return load(self.format, self.converted, self.converted_path, kernels)


@dataclass(frozen=True)
class Entry:
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
        kernels = self.pair.format.kernels
        for other in kernels if self.kernels in kernels else ():
            try:
                if other != self.kernels:
                    loaders = (self.pair.load_original, self.pair.load_converted)
                    found.append(tuple(load(other)[self.name] for load in loaders))
            except (RejectedError, KeyError):
                continue
        return found


def repeats(entry, feed, y):
    """Whether the original computes the same again, up to rounding."""
    again = entry.ours(feed)
    return all(measure(name, y[name], again[name], entry.pair.delta * greatest(y[name])).passed for name in y)


def keeps_state(entry: Entry, feed: Arrays) -> bool:
    """Whether a model of which two runs differ has a memory, and draws no random numbers."""
    pair = entry.pair

    def fresh() -> Runner:
        return pair.load_original(entry.kernels)[entry.name]

    def same(first, second):
        return all(measure(n, y, second[n], pair.delta * greatest(y)).passed for n, y in first.items())

    return pair.format.keeps_state(pair.original, entry.ours, fresh, feed, same)


def compare_output(entry, feed, name, value, z):
    """One output of one sample; what exceeds the tolerance is held against what the original differs from itself."""
    if name not in z:
        return failure(name, "the converted model has no such output")
    bound = entry.pair.delta * greatest(value)
    record = measure(name, value, z[name], bound)
    for excuse in (_by_steps, _by_rounding, _by_kernels, _by_quantizers, _by_activations):
        if not record.passed and np.isfinite(record.max_abs):
            try:
                record = excuse(entry, feed, record, value, z[name], bound)
            except RejectedError:
                continue
    return record


def _by_steps(entry, feed, record, value, theirs, bound):
    """The record again, allowing the steps of the quantizer that reads an operator that is alone."""
    grid = entry.pair.grid
    return record if grid is None else forgive_steps(record, value, theirs, bound, grid)


def _by_quantizers(entry, feed, record, value, theirs, bound):
    """The record again, allowing what quantizers behind the rewritten operators make of rounding."""
    explain = entry.pair.explain
    return record if explain is None else explain(entry, feed, record, theirs, bound)


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
    if entry.kernels == KERNELS[1] or not pairs or not measure(record.name, *pairs[0], bound).passed:
        return record
    own, exact = max(slack(value, ours, bound).gap for ours, _ in pairs), entry.pair.delta == 0
    if record.max_abs <= 2 * own:
        finding = f"{record.finding}; other kernels agree on the two, and differ by up to {own:.3g} on the original"
        return replace(record, passed=True, tolerance=max(record.tolerance, 2 * own), finding=finding)
    if exact and (not entry.pair.alone or (record.lsb is not None and record.max_abs <= 1)):
        tolerance = max(record.tolerance, record.max_abs)
        return replace(record, passed=True, tolerance=tolerance, finding=f"{record.finding}; {ROUNDED}")
    return record


def _by_activations(entry, feed, record, value, theirs, bound):
    """The record again, allowing kernels to quantize activations to neighbouring steps."""
    if not within_step(entry, feed, record, bound):
        return record
    finding = f"{record.finding}; other kernels agree, and one step of the activations moves it more"
    return replace(record, passed=True, tolerance=entry.pair.step(*feed.values()), finding=finding)


def within_step(entry, feed, record, bound) -> bool:
    """Whether a difference is one of kernels that quantize an operator's activations to neighbouring steps.

    Args:
        entry: of an operator that is alone.
        feed: its input.
        record: what comparing it came to.
        bound: how far rounding of floats may move it.
    """
    step = entry.pair.step
    if step is None or entry.kernels == KERNELS[1] or record.max_abs > step(*feed.values()):
        return False
    name, others = record.name, entry.elsewhere(feed)
    return bool(others) and all(measure(name, a[name], b[name], bound).passed for a, b in others)


def failure(name, finding) -> Output:
    """A record of something that could not be compared."""
    return Output(name, "", 0, inf, inf, 0.0, None, False, finding)


def greatest(value):
    """Greatest finite magnitude of floats; 0 for everything else, which must be equal."""
    if value.dtype.kind not in "fc":
        return 0.0
    wide = value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)
    return float(np.abs(wide[np.isfinite(wide)]).max(initial=0.0))

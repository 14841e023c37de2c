"""One entry point of two models, and the rules that decide whether a difference is acceptable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...core.typing import NumpyArray
from ...formats.cut import Grid
from ...formats.format import Format
from ...formats.port import KERNELS, Arrays, RejectedError, Runner
from ...formats.site import Site
from ...limits import allowance
from .difference import Output, failure, greatest, measure, slack
from .response import slacks
from .run import load
from .steps import forgive_steps, within_step

# Variants of the original with changed biases, in models of at most so many bytes.
_REBIASED, _MOST = 4, 64 << 20
#: The finding for values whose difference is caused by kernels alone.
ROUNDED = "the plainest kernels agree on every value"


class Explain(Protocol):
    """Re-evaluates a differing output; it passes if quantizers are the only reason."""

    def __call__(
        self, entry: Entry, feed: Arrays, record: Output, theirs: NumpyArray, bound: float
    ) -> Output:
        """The record of the output, changed if quantizers explain the difference.

        Args:
            entry: both models.
            feed: the sample.
            record: the result of comparing the output.
            theirs: the output of the converted model.
            bound: how far floating-point rounding may move it.

        Raises:
            RejectedError: a runtime rejected a part of one of the models.
        """
        ...


@dataclass(frozen=True)
class Pair:
    """Two models.

    Args:
        format: the format of both models.
        original, converted: as the format's `load` accepts them; the same model twice if its layers
            were replaced in place.
        path, converted_path: where the bytes came from, for external data.
        delta: relative rounding difference caused by the rewriting; see `difference`.
        seed: seed of the synthetic inputs.
        delta_defined: delta if the operators are computed by the reference implementation, which
            widens narrow floats.
        alone: whether these are operators in isolation, where rounding is not amplified.
        grid: the steps of the quantizer that follows an isolated operator.
        growth: how many times larger than an input a tensor may be.
        explain: decides whether quantizers after rewritten operators cause a difference.
        integers: whether some of the rewritten sums are integers, which are exact.
        step: for kernels that quantize activations, a function from the input of an operator to the
            change of its results if every activation moves by one step; None for other kernels.
        sites: the rewritten transposed convolutions, as found in the original.
    """

    format: Format
    original: Any
    converted: Any
    path: str | None
    converted_path: str | None
    delta: float
    seed: int
    delta_defined: float = 0.0
    alone: bool = False
    grid: Grid | None = None
    growth: int = 1
    explain: Explain | None = None
    integers: bool = False
    step: Callable[[NumpyArray], float] | None = None
    sites: tuple[Site, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of both models, with external data for whole models; 0 for models in memory."""
        models = (self.original, self.converted)
        files = sum(model.stat().st_size for model in models if isinstance(model, Path))
        outside = 0 if self.alone else allowance.bytes_outside()
        return outside + files + sum(len(model) for model in models if isinstance(model, bytes))

    def bound(self, feed: Arrays, value: NumpyArray) -> float:
        """How far rounding may move an output of the original without being questioned.

        An activation may clip results to a fraction of the terms they are sums of. An operator that
        quantizes its input hides what perturbing that would show of it, so its terms are bounded:
        activations span at most 255 steps.
        """
        size = greatest(value)
        if self.step is not None and size:
            size = max(size, 255 * self.step(*feed.values()))
        return self.delta * size

    def load_original(self, kernels: str = "default") -> dict[str, Runner]:
        """Entry points of the original; with Keras' own layers if both are the same model."""
        return load(
            self.format, self.original, self.path, kernels, native=self.original is self.converted
        )

    def load_converted(self, kernels: str = "default") -> dict[str, Runner]:
        """Entry points of the converted model."""
        return load(self.format, self.converted, self.converted_path, kernels)


@dataclass(frozen=True)
class Entry:
    """One entry point of both models, with other ways to compute it."""

    ours: Runner
    theirs: Runner
    pair: Pair
    name: str
    kernels: str

    def elsewhere(self, feed: Arrays) -> list[tuple[Arrays, Arrays]]:
        """An (original, converted) pair of outputs for each of the runtime's other kernels."""
        return [(ours(feed), theirs(feed)) for ours, theirs in self._others]

    @cached_property
    def rebiased(self) -> list[Runner]:
        """The original with the biases of the rewritten operators changed, a few times.

        Empty where there are none, or where the model is too large to be loaded that often.
        """
        pair, runs = self.pair, []
        try:
            for turn in range(_REBIASED if pair.sites and pair.size <= _MOST else 0):
                seed = pair.seed + turn
                changed = pair.format.perturbed(pair.original, pair.sites, pair.delta, seed)
                if changed is None:
                    break
                loaded = load(pair.format, changed, pair.path, self.kernels)
                runs.append(loaded[self.name])
        except (RejectedError, KeyError):
            return []
        return runs

    @cached_property
    def _others(self) -> list[tuple[Runner, Runner]]:
        """Both models, loaded with each of the other kernels that accept both."""
        runs: list[tuple[Runner, Runner]] = []
        kernels = self.pair.format.kernels
        for other in kernels if self.kernels in kernels else ():
            try:
                if other != self.kernels:
                    ours = self.pair.load_original(other)[self.name]
                    runs.append((ours, self.pair.load_converted(other)[self.name]))
            except (RejectedError, KeyError):
                continue
        return runs


def repeats(entry: Entry, feed: Arrays, y: Arrays) -> bool:
    """Whether a second run of the original gives the same outputs up to rounding."""
    again = entry.ours(feed)
    return all(
        measure(name, y[name], again[name], entry.pair.delta * greatest(y[name])).passed
        for name in y
    )


def keeps_state(entry: Entry, feed: Arrays) -> bool:
    """Whether two runs of a model differ because it keeps state, not because it is random."""
    pair = entry.pair

    def fresh() -> Runner:
        return pair.load_original(entry.kernels)[entry.name]

    def same(first: Arrays, second: Arrays) -> bool:
        return all(
            measure(n, y, second[n], pair.delta * greatest(y)).passed for n, y in first.items()
        )

    return pair.format.keeps_state(pair.original, entry.ours, fresh, feed, same)


def compare_output(entry: Entry, feed: Arrays, name: str, value: NumpyArray, z: Arrays) -> Output:
    """Compare one output of one sample.

    A difference beyond the tolerance is compared with differences between runs of the original.
    """
    if name not in z:
        return failure(name, "the converted model has no such output")
    bound = entry.pair.bound(feed, value)
    record = measure(name, value, z[name], bound)
    for excuse in (_by_steps, _by_rounding, _by_kernels, _by_quantizers, _by_activations):
        if not record.passed and np.isfinite(record.max_abs):
            try:
                record = excuse(entry, feed, record, value, z[name], bound)
            except RejectedError:
                continue
    return record


def _by_steps(
    entry: Entry, feed: Arrays, record: Output, value: NumpyArray, theirs: NumpyArray, bound: float
) -> Output:
    """Re-evaluate the record, allowing steps of the quantizer that reads an isolated operator."""
    grid = entry.pair.grid
    return record if grid is None else forgive_steps(record, value, theirs, bound, grid)


def _by_quantizers(
    entry: Entry, feed: Arrays, record: Output, value: NumpyArray, theirs: NumpyArray, bound: float
) -> Output:
    """Re-evaluate the record, allowing quantizers to turn rounding into steps."""
    explain = entry.pair.explain
    return record if explain is None else explain(entry, feed, record, theirs, bound)


def _by_rounding(
    entry: Entry, feed: Arrays, record: Output, value: NumpyArray, theirs: NumpyArray, bound: float
) -> Output:
    """Re-evaluate the record, allowing what rounding errors before the output do to it."""
    for allowed in slacks(entry, feed, record, value, bound):
        record = measure(record.name, value, theirs, bound, allowed)
        if record.passed:
            break
    return record


def _by_kernels(
    entry: Entry, feed: Arrays, record: Output, value: NumpyArray, theirs: NumpyArray, bound: float
) -> Output:
    """Re-evaluate the record; it passes if only the choice of kernels explains the difference.

    Other kernels must then agree on the two models, and must differ from these kernels on the
    original. Integers may also be off by one step, or by more if later layers amplify it, provided
    that the isolated operators agree.
    """
    pairs = [
        (a[record.name], b[record.name])
        for a, b in entry.elsewhere(feed)
        if record.name in a and record.name in b
    ]
    if entry.kernels == KERNELS[1] or not pairs:
        return record
    # The plainest kernels come first: a difference there is not caused by the choice of kernels.
    plainest = measure(record.name, *pairs[0], bound)
    if not plainest.passed:
        return record
    own = max(slack(value, ours, bound).gap for ours, _ in pairs)
    exact = entry.pair.delta == 0 or (entry.pair.integers and plainest.max_abs == 0)
    if record.max_abs <= 2 * own:
        finding = (
            f"{record.finding}; other kernels agree on both models and differ by up to {own:.3g} "
            "on the original"
        )
        tolerance = max(record.tolerance, 2 * own)
        return replace(record, passed=True, tolerance=tolerance, finding=finding)
    if exact and (not entry.pair.alone or (record.lsb is not None and record.max_abs <= 1)):
        tolerance, finding = max(record.tolerance, record.max_abs), f"{record.finding}; {ROUNDED}"
        return replace(record, passed=True, tolerance=tolerance, finding=finding)
    return record


def _by_activations(
    entry: Entry, feed: Arrays, record: Output, value: NumpyArray, theirs: NumpyArray, bound: float
) -> Output:
    """Re-evaluate the record, allowing kernels to quantize activations to neighbouring steps."""
    step = entry.pair.step
    if step is None or not within_step(entry, feed, record, bound):
        return record
    finding = (
        f"{record.finding}; other kernels agree, and one step of the activations has a larger "
        "effect"
    )
    return replace(record, passed=True, tolerance=step(*feed.values()), finding=finding)

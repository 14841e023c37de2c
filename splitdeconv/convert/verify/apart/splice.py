"""Find out whether two models differ only by quantizer steps, by taking both apart.

A quantizer turns a difference in the last bit of a float into a whole step if the value lies
halfway between two steps, and every later operator computes with the result. No tolerance on the
outputs of a model separates this from a real error. Two strict comparisons do:

* Each rewritten operator, given the values that reach it in the converted model, must yield the
  results of the original operator, up to rounding or one step of a quantizer at its ends.
* The rest of the original model, given the results of the rewritten operators, must reproduce the
  outputs of the converted model and the inputs of its rewritten operators up to rounding: both run
  the same operators on the same numbers.

How a model is taken apart depends on its format; see `quantized` and `hybrid`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple, Protocol

from ....core.typing import NumpyArray
from ....formats.cut import Cut
from ....formats.port import Arrays
from ....formats.site import Site
from ..alone import pair_of
from ..difference import Output, greatest, measure
from ..entry import Entry, Pair
from ..steps import forgive_steps, within_step


class Ends(NamedTuple):
    """The values that an operator reads and computes."""

    input: NumpyArray
    output: NumpyArray


class Alone:
    """One operator of the original in isolation.

    Args:
        part: the operator, cut out of both models.
        pair: the two models.
        site: the operator in the original.
        kernels: the kernels to run it with.

    Raises:
        RejectedError: the runtime rejected it.
    """

    def __init__(self, part: Cut, pair: Pair, site: Site, kernels: str) -> None:
        self._pair, self._kernels = pair_of(part, pair, site), kernels
        self._run = self._pair.load_original(kernels)[""]

    @cached_property
    def _entry(self) -> Entry:
        theirs = self._pair.load_converted(self._kernels)[""]
        return Entry(self._run, theirs, self._pair, "", self._kernels)

    def agrees(self, ends: Ends) -> NumpyArray | None:
        """The result for the input of the rewritten operator if both agree on it, else None.

        Args:
            ends: what the rewritten operator reads and computes in the converted model.
        """
        feed = {self._run.inputs[0].name: ends.input}
        ((name, ours),) = self._run(feed).items()
        tolerance = self._pair.bound(feed, ours)
        record = measure(name, ours, ends.output, tolerance)
        if not record.passed and self._pair.grid is not None:
            record = forgive_steps(record, ours, ends.output, tolerance, self._pair.grid)
        if record.passed:
            return ours
        may_step = self._pair.step is not None
        return ours if may_step and within_step(self._entry, feed, record, tolerance) else None


class Parts(Protocol):
    """Two models, taken apart at their rewritten operators.

    Attributes:
        alone: the rewritten operators of the original in isolation.
    """

    alone: Sequence[Alone]

    def seen(self, feed: Arrays) -> list[Ends]:
        """The ends of each rewritten operator in the converted model."""
        ...

    def rest(self, feed: Arrays, results: Sequence[NumpyArray]) -> tuple[Arrays, list[NumpyArray]]:
        """The rest of the original model, without the rewritten operators.

        Args:
            feed: the inputs of the model.
            results: the result of each operator.

        Returns:
            The outputs of the model, and the input of each operator.
        """
        ...


def explain(
    parts: Parts, delta: float, feed: Arrays, record: Output, theirs: NumpyArray, bound: float
) -> Output:
    """Re-evaluate a differing output; it passes if quantizers are the only reason.

    Args:
        parts: both models.
        delta: the relative rounding difference of the whole models.
        feed: the sample.
        record: the result of comparing the output.
        theirs: the output of the converted model.
        bound: how far floating-point rounding may move it.

    Raises:
        RejectedError: the runtime rejected one of the parts.
    """
    seen, moved = parts.seen(feed), 0
    for alone, ends in zip(parts.alone, seen, strict=True):
        ours = alone.agrees(ends)
        if ours is None:
            return record
        moved += int((ours != ends.output).sum())
    outputs, inputs = parts.rest(feed, [ends.output for ends in seen])
    if not measure(record.name, outputs[record.name], theirs, bound).passed:
        return record
    for ours, ends in zip(inputs, seen, strict=True):
        if not measure(record.name, ours, ends.input, delta * greatest(ours)).passed:
            return record
    finding = (
        f"{record.finding}; due to quantizer steps: each rewritten operator agrees on its actual "
        f"inputs ({moved} values differ), and so does the rest of the model on their results"
    )
    return replace(record, passed=True, tolerance=record.max_abs, finding=finding)

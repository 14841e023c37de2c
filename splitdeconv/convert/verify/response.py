"""How far an output of the original moves if sums before it are rounded differently.

A rounding error of a rewritten sum is at most delta times the sum of the magnitudes of its terms;
see `difference`. Two ways to disturb the original by such an amount show what the rest of the model
makes of it. Changed inputs disturb the products. Changed biases disturb the other term: a bias may
be much greater than the products, and a later operator may take it away again, as a normalization
takes away the mean. What is left is then small, and rounded as coarsely as the bias was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.typing import NumpyArray
from ...formats.port import Arrays, RejectedError
from .difference import NO_SLACK, Output, Slack, perturb, perturbation, slack

if TYPE_CHECKING:
    from .entry import Entry

# Runs of the original on perturbed inputs: one shows typical rounding, several how far it goes.
_RUNS = 8
# Larger differences, relative to the tolerance, occur where rounding takes jumps, as in quantizers.
# Each further run would excuse more of them: one is made.
_NEAR = 64


def slacks(
    entry: Entry, feed: Arrays, record: Output, value: NumpyArray, bound: float
) -> Iterator[Slack]:
    """How far rounding errors of the rewritten sums may move an output.

    Args:
        entry: both models.
        feed: the sample.
        record: the result of comparing the output.
        value: its value for the sample.
        bound: the greatest difference that is always accepted.

    Yields:
        the worst of the runs so far, once for each run of the original.
    """
    delta, worst = entry.pair.delta, NO_SLACK
    if not delta:
        return
    near = record.max_abs <= _NEAR * bound
    amount, runs = (perturbation(feed, delta), _RUNS) if near else (delta, 1)
    for turn in range(runs):
        changed = perturb(feed, amount, entry.pair.seed + turn)
        if changed is None:
            break
        again = entry.ours(changed)
        if record.name in again:
            worst |= slack(value, again[record.name], bound, delta / amount)
        yield worst
    for run in entry.rebiased:
        try:
            again = run(feed)
        except RejectedError:  # only this run failed: the others still count
            return
        if record.name in again:
            worst |= slack(value, again[record.name], bound)
        yield worst

"""Choose a variant for a layer: the best that is better than native beyond its uncertainty."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..convert.variants.variant import NATIVE, Variant
from .oracle import Cost
from .unanswered import unanswered


@dataclass(frozen=True)
class Choice:
    """The variant of one layer and why it was chosen.

    Args:
        variant: the chosen one.
        cost: its cost.
        best: the variant of the greatest gain that has an interval, whether or not it was chosen.
        reason: in words.
    """

    variant: Variant
    cost: Cost
    best: Variant
    reason: str


def choose(costs: Mapping[Variant, Cost], evidence: str) -> Choice:
    """The variant to compute a layer in.

    Args:
        costs: of a layer, by variant; native among them.
        evidence: where they come from, in words.

    Returns:
        The variant of the greatest gain among those whose interval lies above 1; native if there is
        none. Where native does not run at all, the cheapest variant that does; where the oracle did
        not answer for native, native.
    """
    native = costs[NATIVE]
    known = {variant: cost for variant, cost in costs.items() if cost.amount is not None}
    others = {variant: cost for variant, cost in known.items() if variant != NATIVE}
    if not others:
        failed = Counter(cost.reason for v, cost in costs.items() if v != NATIVE).most_common(1)
        why = f"no other variant has a cost: {failed[0][0]}" if failed else None
        reason = native.reason or why or "no other variant is possible"
        return Choice(NATIVE, native, NATIVE, f"unchanged: {reason}")
    if native.amount is None and unanswered(native.reason):
        return Choice(NATIVE, native, NATIVE, f"unchanged: {native.reason}")
    if native.amount is None:
        best = min(others, key=lambda variant: _amount(others[variant]))
        reason = f"the cheapest that runs; as it is, the layer does not: {native.reason}"
        return Choice(best, others[best], best, reason)
    best = max(others, key=lambda v: (others[v].low is not None, others[v].gain or 0.0))
    better = {variant: cost for variant, cost in others.items() if (cost.low or 0.0) > 1}
    if not better:
        most = f"the best, {best}, runs at {_gain(others[best])}, {evidence}"
        reason = f"unchanged: no variant is faster beyond its uncertainty; {most}"
        return Choice(NATIVE, native, best, reason)
    taken = max(better, key=lambda variant: better[variant].gain or 0.0)
    reason = f"{_gain(better[taken])}, {evidence}"
    return Choice(taken, better[taken], best, reason)


def _amount(cost: Cost) -> float:
    assert cost.amount is not None, "only known costs are compared"
    return cost.amount


def _gain(cost: Cost) -> str:
    """The gain and, where it has one, its interval."""
    interval = (
        "" if cost.low is None or cost.low == cost.high else f" ({cost.low:.2f} to {cost.high:.2f})"
    )
    return f"{cost.gain:.2f} times the speed of native{interval}"

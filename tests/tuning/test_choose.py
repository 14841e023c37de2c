"""The choice of a variant: only what is better beyond its uncertainty."""

from splitdeconv.convert.variants.variant import NATIVE, Variant
from splitdeconv.tuning.choose import choose
from splitdeconv.tuning.oracle import Cost

SPLIT, ROWS = Variant("split", "concat"), Variant("rows", "concat")
ONE = Cost(2.0, 1.0, 1.0, 1.0)


def test_the_greatest_gain_wins_if_its_interval_lies_above_one():
    costs = {NATIVE: ONE, SPLIT: Cost(1.0, 2.0, 1.7, 2.2), ROWS: Cost(1.5, 1.33, 1.3, 1.4)}
    choice = choose(costs, "measured")
    assert (choice.variant, choice.best, choice.cost) == (SPLIT, SPLIT, costs[SPLIT])
    assert choice.reason == "2.00 times the speed of native (1.70 to 2.20), measured"


def test_a_surer_gain_is_preferred_to_a_greater_one_that_may_be_none():
    costs = {NATIVE: ONE, SPLIT: Cost(1.0, 2.0, 0.9, 3.0), ROWS: Cost(1.9, 1.05, 1.01, 1.1)}
    choice = choose(costs, "measured")
    assert (choice.variant, choice.best) == (ROWS, SPLIT)


def test_native_stays_where_nothing_is_faster_beyond_doubt():
    costs = {NATIVE: ONE, SPLIT: Cost(1.9, 1.05, 1.0, 1.1), ROWS: Cost(4.0, 0.5, 0.4, 0.6)}
    choice = choose(costs, "measured")
    assert (choice.variant, choice.cost, choice.best) == (NATIVE, ONE, SPLIT)
    assert choice.reason.startswith("unchanged: no variant is faster")
    assert "split concat" in choice.reason


def test_where_native_does_not_run_the_cheapest_that_does_is_taken():
    costs = {NATIVE: Cost.missing("it crashed"), SPLIT: Cost(3.0), ROWS: Cost(2.5)}
    choice = choose(costs, "measured")
    assert choice.variant == ROWS
    assert "it crashed" in choice.reason


def test_where_nothing_else_runs_native_stays_with_the_reason():
    costs = {NATIVE: ONE, SPLIT: Cost.missing("it hung")}
    choice = choose(costs, "measured")
    assert choice.variant == NATIVE
    assert choice.reason == "unchanged: no other variant has a cost: it hung"


def test_the_reason_is_the_one_that_most_variants_share():
    other = Variant("stacked", "concat")
    missing = {SPLIT: Cost.missing("odd"), ROWS: Cost.missing("it hung")}
    costs = {NATIVE: ONE, **missing, other: Cost.missing("it hung")}
    assert choose(costs, "measured").reason.endswith(": it hung")


def test_where_the_oracle_did_not_answer_for_native_nothing_is_chosen():
    killed = "the process was ended by signal 9 (Killed), as the system does when memory runs out"
    costs = {NATIVE: Cost.missing(killed), SPLIT: Cost(3.0), ROWS: Cost(2.5)}
    choice = choose(costs, "measured")
    assert (choice.variant, choice.reason) == (NATIVE, f"unchanged: {killed}")

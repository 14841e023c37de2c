"""Verdicts by value, and which numbers have moved."""

import pytest

from tools.report.verdict import NOT, PARTLY, REPRODUCED, UNTESTED, moved, near, verdict

CENT = {"absolute": 0.005}
FIVE = {"relative": 0.05}


@pytest.mark.parametrize(
    ("published", "ours", "wanted"),
    [
        ((7.25, 9.5), (7.254, 9.496), REPRODUCED),
        ((7.25, 9.5), (7.255, 9.495), REPRODUCED),  # at the edge
        ((7.25, 9.5), (7.256, 9.5), PARTLY),
        ((7.25, 9.5), (7.3, 9.6), NOT),
        ((7.25,), (7.245,), REPRODUCED),
        ((), (1.0, 2.0), UNTESTED),
        ((7.25, 9.5), (), UNTESTED),
    ],
)
def test_equal(published, ours, wanted):
    assert verdict("equal", published, ours, CENT) == wanted


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [
        ((2.0, 3.0, 4.0), REPRODUCED),
        ((4.2, 1.9, 3.0), REPRODUCED),  # both ends at 5 %
        ((2.0, 3.0), PARTLY),  # the upper end is not met
        ((2.5, 3.5), PARTLY),
        ((1.0, 4.0), PARTLY),  # the end itself is in the range
        ((1.0, 9.0), NOT),  # around the range, none inside
        ((4.3, 5.0), NOT),
        ((), UNTESTED),
    ],
)
def test_range(ours, wanted):
    assert verdict("range", (2.0, 4.0), ours, FIVE) == wanted


def test_a_rule_that_is_not_known_and_numbers_that_do_not_correspond():
    with pytest.raises(ValueError, match="invalid rule about: expected equal, range"):
        verdict("about", (1,), (1,), CENT)
    with pytest.raises(ValueError, match=r"longer|shorter"):
        verdict("equal", (1, 2), (1,), CENT)


def test_tolerances():
    assert near(-0.95, -1, FIVE)
    assert not near(-0.94, -1, FIVE)
    assert near(0, 0, {"absolute": 0})
    assert not near(1, 0, {"absolute": 0})
    assert not near(0.001, 0, FIVE)  # of nothing, 5 % is nothing


def test_what_has_moved_is_named():
    recorded = {"0": 100.0, "1": 50.0, "other": 2.0}
    assert moved({"0": 104.9, "1": 47.5, "other": 2.1}, recorded, FIVE) == []
    assert moved({"0": 105.2, "1": 50.0, "more": 1.0}, recorded, FIVE) == [
        "0 is 105.2, recorded as 100",
        "other is gone",
        "more is not recorded",
    ]

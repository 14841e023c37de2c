"""Damaged files, a few of those that benchmarks/measure_fuzz.py takes by the thousand."""

from collections import Counter

import pytest

from tests.convert import fuzzing

FILES = 80


def test_damage_is_seeded_and_is_damage():
    files = [fuzzing.damaged(n) for n in range(FILES)]
    assert files == [fuzzing.damaged(n) for n in range(FILES)]
    unharmed = [n for n, data in enumerate(files) if data in fuzzing.originals()]
    assert len(unharmed) < FILES / 20


@pytest.mark.parametrize("number", range(len(fuzzing.originals())))
def test_undamaged_files_are_converted(number):
    assert fuzzing.attempt(fuzzing.originals()[number])[0] == "converted"


def test_damaged_files_are_refused_or_converted_rightly():
    outcomes = Counter()
    for number in range(FILES):
        outcome, detail, _ = fuzzing.attempt(fuzzing.damaged(number))
        outcomes[outcome] += 1
        assert outcome in ("refused", "unproven", "nothing", "converted"), f"file {number}: {outcome}, {detail}"
    assert outcomes["refused"] > FILES / 2
    assert outcomes["converted"] > 0

"""A few of the files that benchmarks/measure_fuzz.py takes by the thousand."""

from collections import Counter

import pytest

from benchmarks.fuzz.attempt import BAD, attempt, draw

FILES = {"onnx": 60, "tflite": 60, "keras": 12}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Keras' own
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of values at the edge of their type
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize("kind", FILES)
def test_files_are_refused_or_converted_rightly(kind):
    outcomes = Counter()
    for number in range(FILES[kind]):
        outcome = attempt(draw(kind, number), number)
        assert outcome.name not in BAD, f"draw({kind!r}, {number}): {outcome}"
        outcomes[outcome.name] += 1
    assert outcomes["converted"] >= FILES[kind] / 6
    assert outcomes["refused"] >= FILES[kind] / 6

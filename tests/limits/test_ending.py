"""How a process ended is told in words."""

import pytest

from splitdeconv.limits.ending import ended


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (0, "", "ended with code 0"),
        (3, "first\n  last  \n\n", "ended with code 3: last"),
        (1, "reason\n  https://a.b/trace\nhttp://a.b\n", "ended with code 1: reason"),
        (1, "https://a.b/trace", "ended with code 1"),
        (-11, "x" * 400, "was ended by signal 11 (Segmentation fault): " + "x" * 300),
        (-9, "", "was ended by signal 9 (Killed), as the system does when memory runs out"),
    ],
)
def test_code_or_signal_and_the_last_line(code, said, told):
    assert ended(code, said) == told

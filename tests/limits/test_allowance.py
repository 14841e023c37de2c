"""The child keeps its limits, and they grow with what the model holds outside its file."""

import subprocess
import sys
import textwrap

import pytest

from splitdeconv.limits import allowance, sandbox
from splitdeconv.limits.sandbox import Limits


@pytest.fixture
def child(tmp_path):
    """Run a script in a process of its own, whose limits are its own; what it prints."""

    def child(script, before=""):
        code = textwrap.dedent(
            f"""
            import resource
            from splitdeconv.limits import allowance
            from splitdeconv.limits.sandbox import Limits
            folder = {str(tmp_path)!r}
            {before}
            """
        ) + textwrap.dedent(script)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    return child


def test_memory_may_be_raised_for_external_data_and_no_further(child, tmp_path):
    script = """
        allowance.begin(folder, Limits.of(1000))
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        allowance.outside(10**9)
        allowance.outside(10)
        print(soft, hard, *resource.getrlimit(resource.RLIMIT_AS))
        """
    small = Limits.of(1000)
    soft, hard, raised, kept = map(int, child(script))
    assert (soft, hard, raised) == (small.bytes, small.grown().bytes, small.grown(10**9).bytes)
    assert kept == hard
    assert sandbox._signs((tmp_path / "pulse").read_text()) == (10**9, 0.0)


@pytest.mark.parametrize("held", [1 << 30, 1 << 34])
def test_a_tighter_limit_stays(child, held):
    script = """
        allowance.begin(folder, Limits.of(1000))
        allowance.outside(10**9)
        print(*resource.getrlimit(resource.RLIMIT_AS))
        """
    soft, hard = map(
        int, child(script, f"resource.setrlimit(resource.RLIMIT_AS, ({held}, {held}))")
    )
    assert hard == held
    assert soft == min(held, Limits.of(1000).grown(10**9).bytes)


def test_what_the_user_has_fixed_does_not_grow(child):
    script = """
        allowance.begin(folder, Limits.of(1000, seconds=5, memory=2))
        allowance.outside(10**9)
        print(*resource.getrlimit(resource.RLIMIT_AS))
        """
    assert child(script) == [f"{2 << 30}"] * 2


def test_runs_are_told_at_most_once_a_second(child, tmp_path):
    script = """
        import os, time
        allowance.begin(folder, Limits.of(1000))
        run = allowance.watched(time.sleep)
        for _ in range(3):
            run(0.01)
        print(os.path.exists(folder + "/pulse"))
        run(1.1)
        print(os.path.exists(folder + "/pulse"))
        """
    assert child(script) == ["False", "True"]
    outside, longest = sandbox._signs((tmp_path / "pulse").read_text())
    assert outside == 0
    assert 1.1 <= longest < 60


def test_without_limits_nothing_is_watched():
    allowance.outside(10**9)
    assert allowance.watched(print) is print


@pytest.mark.parametrize("text", ["", "1", "a b", "1 2 3", "1.5 2"])
def test_half_a_pulse_is_none(text):
    assert sandbox._signs(text) == (0, 0.0)

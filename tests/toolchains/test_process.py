"""Programs of others run to their end or to the end of their time, and say how they ended."""

import subprocess
import sys

import pytest

from splitdeconv.toolchains import process as _process
from splitdeconv.toolchains.child import Child


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (0, "", "ended with code 0"),
        (3, "first\n  last  \n\n", "ended with code 3: last"),
        (1, "reason\n  https://a.b/trace\nhttp://a.b\n", "ended with code 1: reason"),
        (1, "https://a.b/trace", "ended with code 1"),
        (-11, "x" * 400, "was ended by signal 11 (Segmentation fault): " + "x" * 300),
    ],
)
def test_how_a_process_ended_is_told_in_words(code, said, told):
    assert _process.ended(code, said) == told


def test_both_streams_are_kept_apart_and_no_input_is_waited_for():
    script = "import sys; print(sys.stdin.read() + 'a'); print('b', file=sys.stderr); sys.exit(4)"
    assert _process.run([sys.executable, "-c", script], 60) == (4, "a\n", "b\n")


def test_the_end_of_what_is_printed_is_kept(monkeypatch):
    monkeypatch.setattr(_process, "_KEPT", 5)
    assert _process.run(["sh", "-c", r"printf '0123\3776789'"], 60) == (0, "�6789", "")


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    # The grandchild would write after its parent's time.
    script = f"(sleep 1; touch {tmp_path / 'late'}) & sleep 60"
    with pytest.raises(subprocess.TimeoutExpired):
        _process.run(["sh", "-c", script], 0.3)
    subprocess.run(["sleep", "1.2"], check=True)
    assert not (tmp_path / "late").exists()


def test_files_in_the_working_directory_are_not_imported(tmp_path, monkeypatch):
    # As a user's numpy.py would be, without -P.
    (tmp_path / "json.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "echo.py").write_text("import json, sys\nfor line in sys.stdin: print(line, flush=True)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    child = Child("echo", {})
    assert child.ask([1, "two"], 60) == [1, "two"]
    child.close()


def test_a_child_that_took_too_long_is_another_one_next_time(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(
        "import os, sys, time\nfor line in sys.stdin:\n    time.sleep(float(line))\n    print(os.getpid(), flush=True)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = Child("slow", {})
    first = child.ask(0, 60)
    assert child.ask(60, 0.2) == {"reason": "took longer than 0.2 s"}
    second = child.ask(0, 60)
    assert isinstance(second, int)
    assert second != first
    child.close()

"""Programs of others run to their end or to the end of their time, and say how they ended."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from splitdeconv.limits import program


def test_both_streams_are_kept_apart_and_no_input_is_waited_for():
    script = "import sys; print(sys.stdin.read() + 'a'); print('b', file=sys.stderr); sys.exit(4)"
    done = program.run([sys.executable, "-c", script], 60)
    assert done == program.Run(4, "a\n", "b\n")
    assert done.ending == "ended with code 4: b"
    assert program.Run(5, "said\n", " \n").ending == "ended with code 5: said"


def test_the_end_of_what_is_printed_is_kept(monkeypatch):
    monkeypatch.setattr(program, "_KEPT", 5)
    done = program.run(["sh", "-c", r"printf '0123\3776789'"], 60)
    assert done == program.Run(0, "\ufffd6789", "")


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    # The grandchild would write after its parent's time.
    script = f"(sleep 1; touch {tmp_path / 'late'}) & sleep 60"
    with pytest.raises(subprocess.TimeoutExpired):
        program.run(["sh", "-c", script], 0.3)
    time.sleep(1.2)
    assert not (tmp_path / "late").exists()


def test_a_signal_is_told():
    assert program.run(["sh", "-c", "kill -SEGV $$"], 60).code == -11


def test_memory_is_limited():
    script = "x = bytearray(1 << 28); print(len(x))"
    command = [sys.executable, "-c", script]
    assert program.run(command, 60).printed == f"{1 << 28}\n"
    less = program.run(command, 60, memory=1 << 27)
    assert (less.code, less.printed) == (1, "")
    assert less.ending == "ended with code 1: MemoryError"


def test_memory_that_is_only_reserved_does_not_count():
    """As drivers of accelerators reserve it."""
    script = "import mmap; mmap.mmap(-1, 1 << 36, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)"
    assert program.run([sys.executable, "-c", script], 60, memory=1 << 28).code == 0


def test_no_core_file_is_left():
    script = "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))"
    assert program.run([sys.executable, "-c", script], 60).printed == "0 0\n"


def test_temporary_files_lie_in_the_folder(tmp_path):
    script = "import tempfile; print(tempfile.mkdtemp())"
    for _ in range(2):
        made = program.run([sys.executable, "-c", script], 60, tmp_path).printed.strip()
        assert Path(made).parent == tmp_path / "tmp"

"""A child answers task after task, of any size, in its time, and with a reason if one fails."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from splitdeconv.limits.child import Child
from tests.limits.test_guard import wait_until
from tests.processes import gone


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make a module that a child can run; its name."""

    def module(script, name="a_child"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(script))
        return name

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return module


SERVE = """
    import os, sys, time
    from splitdeconv.limits.loop import serve
    serve(lambda task: {0})
"""


def test_files_in_the_working_directory_are_not_imported(tmp_path, monkeypatch):
    # As a user's numpy.py would be, without -P.
    (tmp_path / "json.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "modules").mkdir()
    echo = "import json, sys\nfor line in sys.stdin: print(line, flush=True)"
    (tmp_path / "modules" / "echo.py").write_text(echo)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    with Child("echo") as child:
        assert child.ask([1, "two"], 60) == [1, "two"]


def test_a_child_that_took_too_long_is_another_one_next_time(module):
    name = module(SERVE.format("time.sleep(task) or os.getpid()"))
    with Child(name) as child:
        first = child.ask(0, 60)
        assert child.ask(60, 0.4) == {"reason": "took longer than 0.4 s"}
        assert gone(first)
        second = child.ask(0, 60)
        assert isinstance(second, int)
        assert second != first
    assert gone(second)


def test_a_task_of_a_mebibyte_that_is_read_late_arrives_whole(module):
    # A pipe holds 64 KiB: whoever writes more into it waits for the reader.
    name = module(
        """
        import json, sys, time
        time.sleep(1.5)
        for line in sys.stdin:
            task = json.loads(line)
            print(json.dumps([len(task), task[:3], task[-3:]]), flush=True)
        """
    )
    task = list(range(170_000))
    assert len(json.dumps(task)) > 1 << 20
    with Child(name) as child:
        assert child.ask(task, 60) == [170_000, [0, 1, 2], [169_997, 169_998, 169_999]]


def test_a_child_that_never_reads_does_not_outlast_its_time(module):
    name = module("import time\ntime.sleep(60)")
    start = time.monotonic()
    with Child(name) as child:
        assert child.ask("x" * (3 << 20), 1) == {"reason": "took longer than 1 s"}
        # Half of a task is in the pipe of a process that is gone; the next one is another's.
        assert child.ask("x", 0.5) == {"reason": "took longer than 0.5 s"}
    assert time.monotonic() - start < 20


def test_answers_of_ten_mebibytes_come_back_whole(module):
    name = module(SERVE.format("[str(task) * (10 << 20), sys.stderr.write('e' * (1 << 20))]"))
    with Child(name) as child:
        for task in (7, 8):
            text, _ = child.ask(task, 60)
            assert len(text) == 10 << 20
            assert set(text) == {str(task)}


def test_an_answer_without_an_end_is_cut_off(module, monkeypatch):
    monkeypatch.setattr("splitdeconv.limits.child._LONGEST", 100_000)
    name = module("import sys\nwhile True: sys.stdout.write('9' * 1000)")
    with Child(name) as child:
        assert child.ask(1, 60) == {"reason": f"unexpected answer: '{'9' * 80}'"}


def test_a_line_that_nobody_asked_for_is_no_answer_to_the_next_task(module):
    name = module(
        """
        import sys
        for line in sys.stdin:
            print(line.strip(), flush=True)
            print(9, flush=True)
        """
    )
    with Child(name) as child:
        assert child.ask(1, 60) == 1
        time.sleep(0.5)
        assert child.ask(2, 60) == 2


def test_lines_without_number_are_not_kept(module):
    name = module("while True: print(1, flush=True)")
    with Child(name) as child:
        assert child.ask(0, 60) == 1
        time.sleep(0.5)
        assert child._worker.lines.read.qsize() < 20_000


def test_what_is_raised_is_an_answer_and_what_is_printed_is_none(module):
    name = module(
        """
        import os
        from splitdeconv import SplitDeconvError
        from splitdeconv.limits.loop import serve

        def answer(task):
            print("7", flush=True)
            os.write(1, b"8\\n")
            if task == 1:
                raise SplitDeconvError("no", where="here", expected="2", got="1", fix="say 2")
            if task == 2:
                return {3, 4}
            if task == 3:
                raise MemoryError
            return task

        serve(answer)
        """
    )
    with Child(name) as child:
        assert child.ask(1, 60) == {"reason": "no: expected 2, got 1; say 2"}
        assert "TypeError: " in child.ask(2, 60)["reason"]
        assert child.ask(3, 60) == {"reason": "MemoryError"}
        assert child.ask(4, 60) == 4


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("sys.exit('gone')", "the process ended with code 1: gone"),
        ("os.abort()", "the process was ended by signal 6 (Aborted)"),
        (
            "os.kill(os.getpid(), 9)",
            "the process was ended by signal 9 (Killed), as the system does when memory runs out",
        ),
    ],
)
def test_a_child_that_dies_is_a_reason(module, statement, reason):
    name = module(f"import os, sys\nfor line in sys.stdin:\n    {statement}")
    with Child(name) as child:
        for _ in range(2):
            assert child.ask(None, 60) == {"reason": reason}


def test_memory_is_limited(module):
    name = module(SERVE.format("len(bytearray(task))"))
    with Child(name, memory=1 << 28) as child:
        assert child.ask(1 << 20, 60) == 1 << 20
        assert child.ask(1 << 29, 60) == {"reason": "MemoryError"}
        assert child.ask(1 << 21, 60) == 1 << 21


def test_a_child_that_cannot_be_started_is_a_reason(module, monkeypatch):
    monkeypatch.setattr(sys, "executable", sys.executable)
    with Child("none") as child:
        monkeypatch.setattr(child, "_command", ["/no/such/program"])
        reason = "the process cannot be started: No such file or directory"
        assert child.ask(1, 60) == {"reason": reason}


def test_environment_and_folder(module, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    names = ["A", "ORT_DISABLE_TELEMETRY", "TMPDIR"]
    answer = f"[sys.flags.optimize, *(os.environ[name] for name in {names})]"
    with Child(module(SERVE.format(answer)), {"A": "b"}) as child:
        assert child.folder.parent == tmp_path
        assert child.ask(None, 60) == [0, "b", "1", str(child.folder / "tmp")]
    assert not child.folder.exists()


def test_what_has_left_the_group_of_the_child_is_not_waited_for(module):
    name = module(
        """
        import os, subprocess, sys
        for line in sys.stdin:
            # It holds both pipes.
            other = subprocess.Popen(["sleep", "40"], start_new_session=True)
            print(other.pid, flush=True)
        """
    )
    start = time.monotonic()
    with Child(name) as child:
        others = [child.ask(task, 60) for task in (1, "x" * (1 << 20))]
    try:
        assert time.monotonic() - start < 30
    finally:
        for other in others:
            os.kill(other, signal.SIGKILL)


def test_it_ends_with_the_process_that_asked(module, tmp_path):
    name = module(SERVE.format("[open(task, 'w').write(f'{os.getpid()} '), time.sleep(60)]"))
    noted = tmp_path / "pid"
    script = f"from splitdeconv.limits.child import Child\nwith Child({name!r}) as child:\n"
    script += f"    print(child.folder, flush=True)\n    child.ask({str(noted)!r}, 60)\n"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    folder = Path(parent.stdout.readline().strip())
    assert wait_until(lambda: noted.exists() and noted.read_text().endswith(" "))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(int(noted.read_text()))
    assert wait_until(lambda: not folder.exists())

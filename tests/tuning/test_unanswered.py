"""An oracle that did not answer is told from one that refuses, by what the children say."""

import signal

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.limits import child
from splitdeconv.limits.child import Child
from splitdeconv.limits.ending import ended
from splitdeconv.toolchains import compiler, vela
from splitdeconv.tuning.unanswered import unanswered
from tests.toolchains.standins import executable

LOOP = "from splitdeconv.limits.loop import serve\n"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The reason that a child gives, which runs a module's text."""

    def asked(text, timeout=60):
        (tmp_path / "a_child.py").write_text(text)
        with Child("a_child") as one:
            return one.ask(1, timeout)["reason"]

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return asked


def test_a_child_that_hangs_is_killed_or_has_no_memory_did_not_answer(asked):
    hangs = f"import time\n{LOOP}serve(lambda task: time.sleep(60))"
    assert unanswered(asked(hangs, 0.4))
    assert unanswered(asked("import os\nos.kill(os.getpid(), 9)"))
    assert unanswered(asked(f"{LOOP}serve(lambda task: bytes(1 << 60))"))


def test_a_child_that_cannot_be_started_did_not_answer(asked, monkeypatch):
    def lacking(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(child, "_Worker", lacking)
    assert unanswered(asked(""))


def test_a_child_that_crashes_or_says_why_not_refuses(asked):
    assert not unanswered(asked("import os\nos.kill(os.getpid(), 11)"))
    assert not unanswered(asked(f"{LOOP}serve(lambda task: 1 / 0)"))


def _problem(run, *arguments, **options):
    with pytest.raises(SplitDeconvError) as caught:
        run(*arguments, **options)
    return caught.value.problem


@pytest.mark.parametrize(
    ("script", "lost"),
    [
        ("exec sleep 60", True),
        ("kill -9 $$", True),
        ("echo MemoryError >&2; exit 1", True),
        ("echo 'an operator is odd' >&2; exit 1", False),
    ],
)
def test_a_compiler(tmp_path, script, lost):
    path = executable(tmp_path / "vela", f'test "$1" = --version && echo 5.2.0 || {{ {script}; }}')
    problem = _problem(vela.compile_model, b"", "ethos_u55", timeout=0.7, vela=path)
    assert unanswered(problem) == lost


def test_a_compiler_that_cannot_be_run(tmp_path):
    problem = _problem(compiler.run, "Vela", [tmp_path / "none"], 1, tmp_path)
    assert unanswered(problem)


@pytest.mark.parametrize("number", signal.Signals)
def test_signals(number):
    crash = {"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"}
    reason = f"the process {ended(-number)}"
    assert unanswered(reason) == (number.name not in crash)
    assert unanswered(f"{reason}: std::bad_alloc")


def test_a_cost_has_no_reason():
    assert not unanswered(None)

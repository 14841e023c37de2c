"""Processes do not outlive the one that started them, whatever ends it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from splitdeconv.limits.guard import Guarded
from tests.processes import gone

# A worker that starts another process and tells both ids.
FAMILY = """
import os, sys, time
from pathlib import Path
other = os.fork()
if other:
    Path(sys.argv[1]).write_text(f"{os.getpid()} {other} ")
time.sleep(60)
"""
THREAD = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
# As above, in the hands of a parent that waits for it.
PARENT = f"""
import os, sys, threading, time
from splitdeconv.limits.guard import Guarded
folder = sys.argv[1]
os.mkdir(folder)
with Guarded([sys.executable, "-c", {FAMILY!r}, sys.argv[2]], folder) as worker:
    HOW
    worker.wait()
"""


def run(script, **options):
    with Guarded([sys.executable, "-c", script], **options) as process:
        return process.wait(60)


def ids(path):
    """What a file says of process ids, once it says so."""
    for _ in range(600):
        if path.exists() and path.read_text().endswith(" "):
            return [int(text) for text in path.read_text().split()]
        time.sleep(0.05)
    raise AssertionError("no worker started")


def wait_until(condition, turns=200):
    for _ in range(turns):
        if condition():
            return True
        time.sleep(0.05)
    return False


HANDLED = "import signal as s; raise SystemExit(s.getsignal(s.{name}) is not s.{handler})"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM),
        (HANDLED.format(name="SIGINT", handler="default_int_handler"), 0),
        (HANDLED.format(name="SIGTERM", handler="SIG_DFL"), 0),
    ],
)
def test_it_ends_as_the_command_did(script, code):
    assert run(script) == code


def test_the_command_gets_streams_environment_and_folder(tmp_path):
    script = (
        "import os, sys; print(sys.stdin.read(), os.environ['A'], os.getcwd(), flush=True); "
        "os.close(1); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    pipes["text"] = True
    with Guarded([sys.executable, "-c", script], cwd=tmp_path, env={"A": "1"}, **pipes) as process:
        process.stdin.write("in")
        process.stdin.close()
        assert process.stdout.read() == f"in 1 {tmp_path}\n"
        process.stdout.close()
        assert process.wait(60) == 1


def test_no_descriptor_of_ours_reaches_the_command():
    # The fourth is the listing's own.
    script = "import os; raise SystemExit(len(os.listdir('/proc/self/fd')) != 4)"
    with Path("/dev/null").open() as file:
        os.set_inheritable(file.fileno(), True)
        assert run(script) == 0


@pytest.mark.parametrize(
    ("mode", "error"), [(None, FileNotFoundError), (0o644, PermissionError), (0o755, OSError)]
)
def test_a_command_that_cannot_be_run(tmp_path, mode, error):
    command = tmp_path / "command"
    if mode is not None:
        command.write_text("neither a script nor a program")
        command.chmod(mode)
    with pytest.raises(error) as caught:
        Guarded([command])
    assert caught.value.filename == str(command)


def test_the_end_of_the_block_ends_all_of_it(tmp_path):
    with Guarded(
        [sys.executable, "-c", FAMILY, str(tmp_path / "ids")], tmp_path / "folder"
    ) as process:
        (tmp_path / "folder").mkdir()
        family = ids(tmp_path / "ids")
    assert all(map(gone, family))
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "folder").is_dir()  # whoever is there to end the block removes it


def test_what_the_command_leaves_running_is_ended(tmp_path):
    script = FAMILY.replace("sys.argv[1]", repr(str(tmp_path / "ids"))).replace(
        "(60)", "(0 if other else 60)"
    )
    assert run(script) == 0
    assert all(map(gone, ids(tmp_path / "ids")))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("how", ["pass", THREAD, "os.fork() or time.sleep(60)"])
def test_it_ends_with_the_process_that_started_it(tmp_path, number, how):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PARENT.replace("HOW", how),
            str(tmp_path / "folder"),
            str(tmp_path / "ids"),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        family = ids(tmp_path / "ids")
        parent.send_signal(number)
        assert all(map(gone, family))
        if number != signal.SIGINT:  # which is an exception, so the block ends
            assert wait_until(lambda: not (tmp_path / "folder").exists())
    finally:
        os.killpg(parent.pid, signal.SIGKILL)  # the fork, too
        parent.wait()


def test_it_outlives_the_thread_that_started_it():
    started = []
    thread = threading.Thread(
        target=lambda: started.append(
            Guarded([sys.executable, "-c", "input(); exit(5)"], stdin=subprocess.PIPE)
        )
    )
    thread.start()
    thread.join()
    with started[0] as process:
        time.sleep(0.2)
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(60) == 5


def test_the_worker_ends_with_its_guard(tmp_path):
    with Guarded([sys.executable, "-c", FAMILY, str(tmp_path / "ids")]) as process:
        worker = ids(tmp_path / "ids")[0]
        guard = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(guard, signal.SIGTERM)  # as a group is told to end: the guard waits for its worker
        os.kill(guard, signal.SIGKILL)
        assert gone(worker)
        assert process.wait(60) == -signal.SIGKILL
        os.kill(ids(tmp_path / "ids")[1], signal.SIGKILL)

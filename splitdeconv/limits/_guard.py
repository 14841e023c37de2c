"""Run a command, and kill it with everything it started as soon as the requesting process ends.

This is a script for `python -I -S`, which starts in milliseconds; `guard` runs it. A process
between the two is necessary: the signal that Linux sends when a parent ends is bound to a thread of
the parent, and a waiting thread inside the worker does not run while C++ code holds the
interpreter.

Arguments: the id of the requesting process, a file descriptor of the socket to it, the number of
bytes that the worker may write to (or an empty string), a folder to remove if the requesting
process ends first (or an empty string), and the command.
"""

import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

_PR_SET_PDEATHSIG = 1
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(asker: int, line: int, memory: int | None, folder: str, command: list[str]) -> int:
    """Run the command until it ends or must end; return its exit code."""
    lead = socket.socket(fileno=line)
    lead.set_inheritable(False)
    # A whole group or container may receive a signal to end; this process ends after the worker, to
    # clean up.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    worker, problem = _start(command, memory, before)
    with suppress(OSError):  # the requesting process has already ended
        lead.send(b"%d" % problem)
    if problem:
        return 127
    # Close this process's copies of the worker's streams: their readers wait for the end.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    orphaned = _wait(worker, asker, lead, woken)
    _kill(worker)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if orphaned and folder:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _start(
    command: list[str], memory: int | None, before: Mapping[signal.Signals, Any]
) -> tuple[int, int]:
    """(process id, number of the error that prevented the command from running or 0)."""
    prctl, limit, guard = _prctl(), _limiter(memory), os.getpid()
    failed, fail = os.pipe()  # closed by a command that starts
    worker = os.fork()
    if worker == 0:
        try:
            os.setpgid(0, 0)
            for number, handler in before.items():
                signal.signal(
                    number, signal.SIG_IGN if handler == signal.SIG_IGN else signal.SIG_DFL
                )
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by Python
                signal.signal(number, signal.SIG_DFL)
            limit()
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == guard:
                os.execvp(command[0], command)
        except OSError as error:
            os.write(fail, b"%d" % (error.errno or 0))
        finally:
            os._exit(127)
    os.close(fail)
    problem = int(os.read(failed, 16) or 0)
    os.close(failed)
    return worker, problem


def _prctl() -> Callable[[int, int], object]:
    """The Linux function of that name; on other systems, a function that does nothing."""
    try:
        from ctypes import CDLL

        return CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda *_: None


def _limiter(memory: int | None) -> Callable[[], None]:
    """A function that limits this process: no core file, and `memory` bytes that it may write to.

    Address space that is only reserved does not count, because runtimes and accelerator drivers
    reserve more of it than any machine has.
    """
    try:
        import resource
    except ImportError:  # only POSIX has it
        return lambda: None

    def limit() -> None:
        for which, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, memory)):
            with suppress(ValueError, OSError):
                hard = resource.getrlimit(which)[1]
                if most is not None and (hard == resource.RLIM_INFINITY or most < hard):
                    resource.setrlimit(which, (most, most))

    return limit


def _wait(worker: int, asker: int, line: socket.socket, woken: int) -> bool:
    """Wait until the worker has ended or must end; return whether the requesting process ended."""
    while os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        # The end of the requesting process closes the socket, unless a fork of it holds another
        # copy; in that case, the parent of this process changes.
        sources: list[Any] = [line, woken]
        ready = select.select(sources, [], [], 1)[0]
        if line in ready:
            return not line.recv(1)
        if woken in ready:
            os.read(woken, 1)
        if os.getppid() != asker:
            return True
    return False


def _kill(worker: int) -> None:
    """Kill the worker's process group; its id is not reused until the worker is waited for."""
    with suppress(OSError):  # all of it has ended
        os.killpg(worker, signal.SIGKILL)


def _end(code: int) -> None:
    """End as the worker did, with the same signal if there was one."""
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    _memory = int(sys.argv[3]) if sys.argv[3] else None
    _end(main(int(sys.argv[1]), int(sys.argv[2]), _memory, sys.argv[4], sys.argv[5:]))

"""Run a command, and end it with all that it started as soon as the process that asked for it has
ended.

A script for `python -I -S`, which starts in milliseconds; `guard` runs it. A process between the
two is needed: a signal that Linux sends when a parent ends is bound to the parent's thread, and a
thread that waits inside the worker does not run while C++ code holds the interpreter.

Arguments: the id of the process that asked, a file descriptor of the socket to it, a folder to
remove if that process ends first (or nothing), and the command.
"""

import os
import select
import shutil
import signal
import socket
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(asker, line, folder, command):
    """Run the command until it ends, or is to end, and end as it did."""
    line = socket.socket(fileno=line)
    line.set_inheritable(False)
    # A whole group or container may be told to end; this process ends after the worker, to clean up
    # behind it.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    worker, problem = _start(command, before)
    with suppress(OSError):  # whoever asked has ended already
        line.send(b"%d" % problem)
    if problem:
        return 127
    # The worker's streams are its own: whoever reads them waits for their end.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    orphaned = _wait(worker, asker, line, woken)
    _kill(worker)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if orphaned and folder:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _start(command, before):
    """(process id, 0), or (None, the number of the error) if the command cannot be run."""
    prctl, guard = _prctl(), os.getpid()
    failed, fail = os.pipe()  # closed by a command that starts
    worker = os.fork()
    if worker == 0:
        try:
            os.setpgid(0, 0)
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if handler == signal.SIG_IGN else signal.SIG_DFL)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
                signal.signal(number, signal.SIG_DFL)
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == guard:
                os.execvp(command[0], command)
        except OSError as error:
            os.write(fail, b"%d" % error.errno)
        finally:
            os._exit(127)
    os.close(fail)
    problem = int(os.read(failed, 16) or 0)
    os.close(failed)
    return worker, problem


def _prctl():
    """Linux' function of that name; elsewhere one that does nothing."""
    try:
        from ctypes import CDLL

        return CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda *_: None


def _wait(worker, asker, line, woken):
    """Wait until the worker has ended or is to end; return whether its asker ended before."""
    while os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        # Its end closes the socket, unless a fork of it holds another copy; then its child has
        # another parent.
        ready = select.select([line, woken], [], [], 1)[0]
        if line in ready:
            return not line.recv(1)
        if woken in ready:
            os.read(woken, 1)
        if os.getppid() != asker:
            return True
    return False


def _kill(worker):
    """Kill the worker's process group; its id is its own until the worker is waited for."""
    with suppress(OSError):  # all of it has ended
        os.killpg(worker, signal.SIGKILL)


def _end(code):
    """End as the worker did, by the same signal if it was one."""
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    _end(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))

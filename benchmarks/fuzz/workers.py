"""Cases in warm processes of their own, replaced when they die or hang; time and memory."""

import gc
import os
import resource
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.fuzz.attempt import Outcome, attempt, draw
from benchmarks.fuzz.case import FORMATS
from splitdeconv.limits.sandbox import Limits

#: Processor time after which a case hangs, so that a busy machine makes none hang; and the wait for
#: one that takes no processor time, either.
SECONDS, PATIENCE = 10, 120
#: As the command line's own child is limited, and for the comparison beside it.
SPACE = {kind: Limits.of(0, kind == "keras").bytes + (1 << 29) for kind in FORMATS}
MOST = 2048  # MiB that a case may need
RECYCLED = 500  # cases after which a process is replaced, for runtimes keep what they compile


@dataclass(frozen=True)
class Record:
    """The result of the `number`-th case of a format, its seconds and MiB, and where it died."""

    number: int
    outcome: str
    detail: str
    seconds: float
    memory: float
    stage: str = ""


class Worker:
    """One process that takes case after case.

    Args:
        kind: the format.
    """

    def __init__(self, kind):
        self.kind, self._process, self._pipe, self._done = kind, None, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def run(self, number) -> Record:
        """Attempt one case."""
        if self._done >= RECYCLED:
            self._stop()
        if self._process is None:
            self._start()
        self._done += 1
        self._pipe.send(("attempt", number))
        start, begun, stage = time.monotonic(), self._used(), "draw"
        while True:
            if not self._pipe.poll(min(SECONDS, 0.5)):
                if self._used() - begun < SECONDS and time.monotonic() - start < PATIENCE:
                    continue
                self._stop()
                name = "runtime" if stage == "original" else "hang"
                return Record(number, name, f"hangs in {stage}", SECONDS, 0.0, stage)
            try:
                message = self._pipe.recv()
            except (EOFError, ConnectionResetError):
                self._process.join(5)
                code = self._process.exitcode
                self._stop()
                seconds = time.monotonic() - start
                name = "runtime" if stage == "original" else "crash"
                return Record(number, name, f"exit {code} in {stage}", seconds, 0.0, stage)
            if isinstance(message, Record):
                return message
            stage = message

    def case(self, number):
        """The case itself."""
        if self._process is None:
            self._start()
        self._pipe.send(("draw", number))
        return self._pipe.recv()

    def _start(self):
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.kind), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # it is warm

    def _used(self):
        """Processor time of the process so far, of all its threads."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process, self._pipe, self._done = None, None, 0


def _serve(pipe, kind):
    os.environ |= {
        "ORT_DISABLE_TELEMETRY": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_AS, (SPACE[kind],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    attempt(draw(kind, 0), 0)
    gc.freeze()  # what has been imported is not looked through again and again
    pipe.send("warm")
    while True:
        try:
            what, number = pipe.recv()
        except EOFError:
            return
        pipe.send(draw(kind, number) if what == "draw" else _one(kind, number, pipe.send))


def _one(kind, number, send):
    peak = [0.0]
    start = time.monotonic()

    def enter(stage):
        if stage == "compare":
            peak[0] = _peak()
        send(stage)

    try:
        case = draw(kind, number)
        _forget_peak()  # of the fuzzer: some files are of zeros that take gigabytes to write
        outcome = attempt(case, number, enter)
    except MemoryError:
        outcome = Outcome("not compared", "out of memory")
    except Exception:  # of the fuzzer itself
        outcome = Outcome("fuzzer failed", traceback.format_exc(limit=-4))
    memory = peak[0] or _peak()
    if memory > MOST:
        outcome = Outcome("memory", f"{memory:.0f} MiB, {outcome.name}: {outcome.detail}")
    return Record(number, outcome.name, outcome.detail, time.monotonic() - start, memory)


def _forget_peak():
    """Have the system begin anew with the most memory of this process."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak():
    """The most memory of this process since, in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

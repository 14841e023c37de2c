"""Cases in processes of their own: what came out, how much it took, and that a process that dies is
replaced.
"""

import os
import signal

from benchmarks.fuzz import workers
from benchmarks.fuzz.workers import Record, Worker


def test_a_worker_outlives_what_dies_or_hangs(monkeypatch):
    with Worker("onnx") as worker:
        first = worker.run(1)
        assert isinstance(first, Record)
        assert first.number == 1
        assert 0 < first.seconds < workers.SECONDS
        assert 20 < first.memory < workers.MOST
        os.kill(worker._process.pid, signal.SIGKILL)
        assert worker.run(1).outcome == "crash"
        monkeypatch.setattr(workers, "SECONDS", 0)
        assert worker.run(1).outcome == "hang"
        monkeypatch.undo()
        again = worker.run(1)
        assert (again.outcome, again.detail) == (first.outcome, first.detail)
        assert worker.case(1).kind == "onnx"

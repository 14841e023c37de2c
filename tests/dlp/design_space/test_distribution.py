"""Blocks under way are bounded, and a cluster that loses a worker loses nothing."""

import os
import signal
import threading
import time

import dask
import distributed
import pandas as pd
import pytest
import xarray

from splitdeconv.dlp import Front, Quantiles, sweep
from splitdeconv.dlp.design_space.distribution import IN_FLIGHT
from splitdeconv.dlp.design_space.jobs import Job
from tests.dlp.design_space.spaces import AXES, HOW, TABLES

REDUCED = (
    Front("latency_us", "energy_pj"),
    Quantiles("energy_pj", by=["part"]),
)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_do_not_run_ahead(workers, monkeypatch):
    """Blocks that are computed, or wait to be, while another is taken."""
    call, lock, state = Job.__call__, threading.Lock(), {"begun": 0, "most": 0, "names": set()}

    def count(self, *block):
        with lock:
            state["begun"] += 1
            state["names"].add(threading.current_thread().name)
        return call(self, *block)

    def progress(done, total):
        assert total == 8 * 2 * 9
        with lock:
            # Jobs are checked by one call each, before the first block.
            state["most"] = max(state["most"], state["begun"] - 16 - done)

    monkeypatch.setattr(Job, "__call__", count)
    with dask.config.set(num_workers=workers):
        sweep(TABLES, axes=AXES, chunk=4, progress=progress, **HOW)
    assert 0 < state["most"] <= IN_FLIGHT * workers
    assert len([name for name in state["names"] if name.startswith("sweep")]) <= workers
    assert not [t for t in threading.enumerate() if t.name.startswith("sweep")]


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker(tmp_path, monkeypatch):
    whole = sweep(TABLES, axes=AXES, **HOW)
    tables = [sweep(TABLES, axes=AXES, reduce=made, **HOW) for made in REDUCED]
    submit, sent, ahead, killed = distributed.Client.submit, [], [], []

    def count(self, *task, **options):
        sent.append(None)
        return submit(self, *task, **options)

    def kill(done, total):
        ahead.append(len(sent) - done)
        if done == total:
            sent.clear()
        # Of the first pass of every sweep.
        if kill.armed and done == total // 3:
            kill.armed = False
            pid = next(worker.pid for worker in cluster.workers.values())
            assert pid not in (os.getpid(), *killed)
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    def run(**more):
        kill.armed = True
        options = {"scheduler": client, "chunk": 6, "progress": kill, **HOW}
        return sweep(TABLES, axes=AXES, **more, **options)

    monkeypatch.setattr(distributed.Client, "submit", count)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = run(to=tmp_path / "all.zarr")
        xarray.testing.assert_identical(found.compute(scheduler="threads"), whole)
        assert os.listdir(tmp_path) == ["all.zarr"]
        for made, table in zip(REDUCED, tables, strict=True):
            pd.testing.assert_frame_equal(run(reduce=made), table, check_exact=True)
        assert len(killed) == 1 + len(REDUCED)
        # A worker that starts again counts twice until the other is known to be gone.
        assert 0 < max(ahead) <= IN_FLIGHT * 3
        # The client lets go of a result a moment after it was taken.
        waited = time.monotonic() + 30
        while client.futures and time.monotonic() < waited:
            time.sleep(0.05)
        assert not client.futures

"""Time design-space sweeps of 10^4 layers on processors and more: seconds, memory, same bits.

python benchmarks/dlp_sweep.py [MOST] [--results front zarr ...] [--turns 1] [--record]

A sweep is reduced to its fronts, least points or quantiles, written to a folder, or kept in memory:
on threads, on a cluster of two processes of one thread each, and on such a cluster of which one
process is killed (SIGKILL) after a third of the blocks. Each run has processes of its own, warm by
a small sweep. They take turns, and ratios are between runs of one turn, because a machine's speed
drifts. Networks are the published tables of layers, so that no framework is loaded.

The aim is 10^8 in 60 s and 2 GiB on two cores, and on the cluster at most 1.3 times the time of
threads. `--record` writes data/measured/dlp_sweep.csv, of all results up to 10^8 unless told else;
without it, the default is the front up to 10^6.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd

from splitdeconv.dlp import Front, Least, Quantiles, sweep
from splitdeconv.study import measured
from splitdeconv.study.published import layer_table

NETWORKS = ("DCGAN", "SNGAN", "GP-GAN", "MDE", "FST")
SKIPS = ("none", "WA")
REDUCED = {
    "front": Front("latency_us", "energy_pj"),
    "least": Least("energy_pj"),
    "quantiles": Quantiles("energy_pj"),
}
RESULTS = (*REDUCED, "zarr", "memory")
PLACES = ("threads", "cluster", "cluster, one killed")
SIZES = (1e4, 1e5, 1e6, 1e7, 1e8)
# What fits into the limits of a result in memory.
MOST_IN_MEMORY = 1e7
WARM = 1e4


def main(arguments):
    """All runs, the table of their medians, and its file."""
    rows = []
    for size in (size for size in SIZES if size <= arguments.most):
        for result in arguments.results:
            if result == "memory" and size > MOST_IN_MEMORY:
                continue
            for turn in range(arguments.turns):
                rows += _turn(size, result, turn)
    table = pd.DataFrame(rows)
    by = ["evaluations", "result", "place"]
    medians = table.groupby(by, sort=False, as_index=False).agg(
        {
            "seconds": "median",
            "cpu_seconds": "median",
            "mib": "max",
            "over_threads": "median",
            "same": "all",
            "turn": "count",
        }
    )
    medians = medians.rename(columns={"turn": "turns"})
    print(medians.round(2).to_string(index=False))
    if arguments.record:
        print("written to", measured.write("dlp_sweep", medians).name)


def _turn(size, result, turn):
    """Every place once, each turn beginning with another; each compared with threads."""
    first = turn % len(PLACES)
    found = {}
    for place in (*PLACES[first:], *PLACES[:first]):
        command = [sys.executable, __file__, "--one", json.dumps([size, result, place])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found[place] = json.loads(done.stdout.splitlines()[-1])
        print(f"{size:.0e} {result}, {place}: {found[place]['seconds']:.1f} s", flush=True)
    threads = found["threads"]
    for place in PLACES:
        one = found[place]
        one |= {"result": result, "place": place, "turn": turn}
        one["over_threads"] = one["seconds"] / threads["seconds"]
        one["same"] = one.pop("digest") == threads["digest"] if place != "threads" else True
    threads.pop("digest", None)
    return [found[place] for place in PLACES]


def one(size, result, place):
    """One sweep in this process: its time, the processors' time, peak memory and a digest."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options, processes = {}, _Processes()
        if place != "threads":
            options["scheduler"] = processes.start(stack)
        if place.endswith("killed"):
            options["progress"] = processes.kill_one
        if result == "zarr":
            options["to"] = folder / "sweep.zarr"
        elif result != "memory":
            options["reduce"] = REDUCED[result]
        warm = options | {"progress": None}
        warm |= {"to": folder / "warm.zarr"} if "to" in options else {}
        _sweep(WARM, warm)
        start, busy = time.perf_counter(), processes.busy()
        evaluations, found = _sweep(size, options)
        seconds, busy = time.perf_counter() - start, processes.busy() - busy
        mib = processes.peak()
        print(
            json.dumps(
                {
                    "evaluations": evaluations,
                    "seconds": seconds,
                    # The time of a process that was killed is not known.
                    "cpu_seconds": None if place.endswith("killed") else busy,
                    "mib": mib,
                    "digest": _digest(found, options.get("to")),
                }
            )
        )


def _sweep(size, options):
    """A sweep of about that many layers on processors, and how many there were."""
    tables = {name: layer_table(name) for name in NETWORKS}
    rows, cols = (8, 16, 24, 32, 48, 64, 96, 128), (7, 8, 16, 32, 64)
    each = sum(map(len, tables.values())) * 2 * len(SKIPS)
    if size < 1e6:
        rows, cols = rows[::4], cols[::4]
    labels = max(1, round((size / each / len(rows) / len(cols)) ** (1 / 3)))
    axes = {
        "rows": rows,
        "cols": cols,
        "input_buffer_kib": np.geomspace(8, 1024, labels).tolist(),
        "weight_buffer_kib": np.geomspace(8, 1024, labels).tolist(),
        "dram_gb_s": np.linspace(1, 100, labels).tolist(),
    }
    return each * prod(map(len, axes.values())), sweep(
        tables, "pe_array_32x7", axes, skips=SKIPS, **options
    )


class _Processes:
    """The process that sweeps, and those of a cluster if there is one."""

    def __init__(self):
        self.cluster = self.client = None
        self.killed = False

    def start(self, stack):
        """A cluster of two processes; its client."""
        import distributed

        self.cluster = stack.enter_context(
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            )
        )
        self.client = stack.enter_context(distributed.Client(self.cluster))
        return self.client

    def kill_one(self, done, total):
        """Kill a worker once, after a third of the blocks."""
        if not self.killed and done >= total / 3:
            self.killed = True
            os.kill(next(iter(self.cluster.workers.values())).pid, signal.SIGKILL)

    def busy(self):
        """Seconds of processors that all processes have used."""
        others = self.client.run(time.process_time).values() if self.client else ()
        return time.process_time() + sum(others)

    def peak(self):
        """MiB: the sum of the peaks of all processes that are left."""
        others = self.client.run(_peak).values() if self.client else ()
        return _peak() + sum(others)


def _peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _digest(found, folder):
    """A hash of every bit of the values."""
    content = hashlib.sha256()
    if folder is not None:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    elif isinstance(found, pd.DataFrame):
        content.update(found.to_csv().encode())  # floats are written so that they can be read back
    else:
        for name in sorted(found.data_vars):
            content.update(np.ascontiguousarray(found[name].values).tobytes())
    return content.hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("most", type=float, nargs="?", metavar="MOST")
    parser.add_argument("--results", nargs="+", choices=RESULTS)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*given.one)
    else:
        given.most = given.most or (SIZES[-1] if given.record else 1e6)
        given.results = given.results or (RESULTS if given.record else ("front",))
        main(given)

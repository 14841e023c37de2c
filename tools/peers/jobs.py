"""Runs of the simulators, in environments of their own, over folders that the export wrote.

A job is what one process does: one simulator and one array, over all networks. What it has found is
kept beside the runs by what was asked, so that a convolution that several layers share is simulated
once, and that a run that was cut short goes on where it stopped.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

#: Processes at a time.
AT_A_TIME = 2


@dataclass(frozen=True)
class Job:
    """One process of a simulator.

    Args:
        peer: the name of its script, tools/peers/run_PEER.py.
        python: of the simulator's environment.
        name: tells its kept results from those of other jobs.
        options: what the script takes between its kept results and the folders.
        folders: where it reads its input and writes results.csv.
    """

    peer: str
    python: Path
    name: str
    options: Sequence[object]
    folders: Sequence[Path]

    def run(self) -> None:
        """Run it; ends the program where the simulator fails."""
        script = Path(__file__).with_name(f"run_{self.peer}.py")
        kept = self.folders[0].parent / "known" / f"{self.name}.jsonl"
        arguments = map(str, (kept, *self.options, *self.folders))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [self.python, script, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{self.name} failed:\n{done.stderr[-2000:]}")
        print(f"{self.name}: done", flush=True)


def run_all(jobs: Iterable[Job]) -> None:
    """Run jobs, a few at a time, in their order."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(Job.run, jobs))

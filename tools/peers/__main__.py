"""Compare the processor model with SCALE-Sim and ZigZag: ``python -m tools.peers ENVIRONMENT``.

Exports networks, runs both simulators on them in their own environment, prints how far the numbers
agree, and writes data/measured/peers_cycles.csv and peers_energy.csv.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from splitdeconv.dlp.export.convolutions import export
from splitdeconv.dlp.processor import load_processor, load_technology
from splitdeconv.dlp.simulate import simulate
from splitdeconv.dlp.workload import workload
from splitdeconv.study import measured

from . import agreement

#: The one of data/reference; and one with strided and wide convolutions, and kernels that the
#: stride does not divide.
NETWORKS = {"dcgan": {}, "fst": {"size": 32}}
METHODS = ("nzp", "sd")
PROCESSORS = ("pe_array_16x16", "pe_array_32x7")
DATAFLOWS = ("output_stationary", "weight_stationary", "input_stationary")
PEERS = {"scalesim": "SCALE-Sim 3.0.0", "zigzag": "ZigZag 3.9.1"}
#: SCALE-Sim's memories step some 10,000 cycles in a second.
STEPPED = 100_000


@dataclass(frozen=True)
class Run:
    """One simulator on one network."""

    peer: str
    network: str
    method: str
    processor: str
    dataflow: str

    @property
    def labels(self):
        """What its rows are called by."""
        array = self.processor.removeprefix("pe_array_")
        values = (PEERS[self.peer], self.network, self.method, array, self.dataflow)
        return dict(zip(("peer", "network", "method", "array", "dataflow"), values, strict=True))

    def results(self, python, folder):
        """Export, run, and read: (convolutions, results)."""
        folder = folder / "_".join(
            (self.peer, self.network, self.method, self.processor, self.dataflow)
        )
        table = workload(self.network, **NETWORKS[self.network])
        rows = export(table, self.processor, folder, self.peer, self.method, self.dataflow)
        script = Path(__file__).with_name(f"run_{self.peer}.py")
        arguments = [str(STEPPED)] if self.peer == "scalesim" else []
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [python, script, folder, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{PEERS[self.peer]} failed in {folder}:\n{done.stderr[-2000:]}")
        print(f"{PEERS[self.peer]}: {', '.join(list(self.labels.values())[1:])}", flush=True)
        return rows, pd.read_csv(folder / "results.csv")


def main(environment):
    """Run everything, print and write the tables."""
    python, folder = Path(environment) / "bin" / "python", Path(environment) / "runs"
    runs = [Run(*parts) for parts in product(PEERS, NETWORKS, METHODS, PROCESSORS, DATAFLOWS)]
    for name, options in NETWORKS.items():
        workload(name, **options)  # once, before the threads
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda run: run.results(python, folder), runs))
    counted, spent = [], []
    for run, (rows, results) in zip(runs, found, strict=True):
        processor = load_processor(run.processor)
        compare = getattr(agreement, run.peer)
        counted.append(compare(rows, results, processor, run.dataflow).assign(**run.labels))
        if run.peer == "zigzag":
            table = workload(run.network, **NETWORKS[run.network])
            technology = load_technology(processor.technology)
            whole = simulate(table, processor, run.method, dataflow=run.dataflow, zeros="stored")
            alone = simulate(agreement.apart(rows), processor, dataflow=run.dataflow)
            energies = agreement.energies(rows, results, whole, alone, technology)
            spent.append(energies.assign(**run.labels))
    counted, spent = pd.concat(counted), pd.concat(spent)
    report(counted, agreement.ratios(spent))
    print(measured.write("peers_cycles", counted))
    print(measured.write("peers_energy", spent))


def report(counted, ratios):
    """Print how far the numbers agree."""
    equal = counted["ours"] == counted["theirs"]
    groups = counted.assign(equal=equal, equal_where_same=equal & counted["same"])
    keys = ["peer", "network", "method", "array", "dataflow"]
    columns = {
        "convolutions": ("equal", "size"),
        "equal": ("equal", "sum"),
        "same_mapping": ("same", "sum"),
    }
    summary = groups.groupby(keys, sort=False).agg(
        **columns, equal_where_same=("equal_where_same", "sum")
    )
    print("\ncycles of stated convolutions (ZigZag: without fill, drain and stalls)")
    print(summary.reset_index().to_string(index=False))
    print("\nenergy of NZP over that of SD, transposed convolutions, same constants")
    print("(alone: each convolution reads its input from DRAM, as ZigZag has it)")
    print(ratios.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main(*sys.argv[1:])

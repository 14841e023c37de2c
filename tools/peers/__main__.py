"""Compare the processor model with other simulators: ``python -m tools.peers FOLDER [missing]``.

FOLDER holds their environments, `peers` and, where Python 3.12 is at hand, `accelforge`; see the
Makefile. Exports networks, runs the simulators, prints how far the numbers agree, and writes
data/measured/peers_cycles.csv, peers_energy.csv and peers_traffic.csv. With "missing", only runs of
which these files have no rows are made, and accelforge is left out; the rows that there are stay.
"""

import json
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from splitdeconv.dlp.export.convolutions import convolutions, export
from splitdeconv.dlp.processor import load_processor
from splitdeconv.dlp.workload import workload
from splitdeconv.study import measured

from . import agreement, report
from .jobs import Job, run_all
from .shared import least, shape

NETWORKS = ("dcgan", "sngan", "artgan", "gpgan", "mde", "fst")
METHODS = ("nzp", "sd")
PROCESSORS = ("pe_array_16x16", "pe_array_32x7")
#: Those that each simulator runs; a ZigZag search takes 10 s a convolution, SCALE-Sim a fraction.
DATAFLOWS = {
    "scalesim": ("output_stationary", "weight_stationary", "input_stationary"),
    "zigzag": ("output_stationary", "weight_stationary"),
}
PEERS = {"scalesim": "SCALE-Sim 3.0.0", "zigzag": "ZigZag 3.9.1"}
ACCELFORGE = "accelforge 1.0.467"
#: Tables of all runs of SCALE-Sim and ZigZag.
WRITTEN = ("peers_cycles", "peers_energy")
#: Up to so many cycles, SCALE-Sim steps its memories: some 10,000 in a second.
STEPPED = 20_000
#: Words of the buffer that accelforge shares among all operands: so small that most of `LAYERS`
#: move more than everything once.
SHARED = 32_768
#: What accelforge maps: network, method, layer. Stored zeros, one phase of a split layer and plain
#: convolutions; strides, large maps, many channels, few.
LAYERS = (
    ("dcgan", "nzp", "deconv1"),
    ("dcgan", "nzp", "deconv2"),
    ("dcgan", "nzp", "deconv3"),
    ("dcgan", "sd", "deconv1"),
    ("sngan", "nzp", "deconv2"),
    ("sngan", "nzp", "to_rgb"),
    ("artgan", "sd", "deconv3"),
    ("gpgan", "nzp", "conv2"),
    ("mde", "nzp", "conv5"),
    ("mde", "nzp", "upconv5"),
    ("mde", "sd", "upconv1"),
    ("mde", "nzp", "disp1"),
    ("fst", "nzp", "conv3"),
)


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

    @property
    def table(self):
        """The layers: to ZigZag, which takes its time, the transposed convolutions alone."""
        table = workload(self.network)
        return table[table["kind"] == "deconv"] if self.peer == "zigzag" else table

    def folder(self, runs):
        """Where it is exported to."""
        return runs / "_".join(
            (self.peer, self.network, self.method, self.processor, self.dataflow)
        )

    def compared(self, runs):
        """Cycles beside ours and, of ZigZag, energies; else None."""
        rows = convolutions(self.table, self.method)
        results = pd.read_csv(self.folder(runs) / "results.csv")
        processor = load_processor(self.processor)
        compare = getattr(agreement, self.peer)
        counted = compare(rows, results, processor, self.dataflow).assign(**self.labels)
        if self.peer != "zigzag":
            return counted, None
        spent = agreement.energies(rows, results, self.table, processor, self.method, self.dataflow)
        return counted, spent.assign(**self.labels)


def main(environments, which="all"):
    """Run everything or what is missing, print and write the tables."""
    environments = Path(environments)
    folder = environments / "peers" / "runs"
    every = [
        Run(peer, *parts)
        for peer in PEERS
        for parts in product(NETWORKS, METHODS, PROCESSORS, DATAFLOWS[peer])
    ]
    kept = [measured.read(name) if which == "missing" else pd.DataFrame() for name in WRITTEN]
    runs = [run for run in every if not len(rows_of(run, kept[0]))]
    for run in runs:
        export(run.table, run.processor, run.folder(folder), run.peer, run.method, run.dataflow)
    jobs = []
    for peer, processor in product(PEERS, PROCESSORS):
        folders = [
            run.folder(folder) for run in runs if (run.peer, run.processor) == (peer, processor)
        ]
        if not folders:
            continue
        python, options = environments / "peers/bin/python", [STEPPED] * (peer == "scalesim")
        jobs.append(Job(peer, python, f"{peer}_{processor}", options, folders))
    python = environments / "accelforge/bin/python"
    mapped = folder / "accelforge"
    if accelforge := which == "all" and python.exists():
        mapped.mkdir(parents=True, exist_ok=True)
        single = stated()
        entries = single.to_dict("records")
        best = [least(shape(row), SHARED) for row in entries]
        asked = [{**row, "nest": one.nest} for row, one in zip(entries, best, strict=True)]
        (mapped / "layers.json").write_text(json.dumps(asked))
        jobs.append(Job("accelforge", python, "accelforge", [SHARED], [mapped]))
    run_all(jobs)
    found = [
        run.compared(folder) if run in runs else [rows_of(run, table) for table in kept]
        for run in every
    ]
    counted, spent = (pd.concat(parts) for parts in zip(*found, strict=True))
    print(report.cycles(counted))
    print(report.energies(agreement.ratios(spent)))
    for name, table in zip(WRITTEN, (counted, spent), strict=True):
        print(measured.write(name, table))
    if accelforge:
        moved = agreement.accelforge(single, pd.read_csv(mapped / "results.csv"), best)
        moved = moved.assign(peer=ACCELFORGE)
        print(report.traffic(moved))
        print(measured.write("peers_traffic", moved, digits=9))
    elif which == "all":
        print(f"{ACCELFORGE} was left out: it needs python3.12")


def rows_of(run, table):
    """The rows of a run in a table of many; of an empty table none."""
    if table.empty:
        return table
    return table[(table[list(run.labels)] == list(run.labels.values())).all(axis=1)]


def stated():
    """The convolutions of `LAYERS`, each run once."""
    parts = []
    for network, method, layer in LAYERS:
        rows = convolutions(network, method)
        (row,) = rows[rows["layer"] == layer].to_dict("records")
        name = f"{network}_{method}_{layer}"
        parts.append({**row, "name": name, "network": network, "method": method})
    return pd.DataFrame(parts)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run ZigZag on an exported folder and write results.csv there.

``build/peers/bin/python run_zigzag.py FOLDER``, in the environment of the simulators, where this
project is not installed. ZigZag looks for the order of loops whose product of energy and delay is
least.
"""

import csv
import logging
import os
import sys
import tempfile

import yaml
from zigzag.api import get_hardware_performance_zigzag

COLUMNS = ("name", "cycles", "latency", "energy_pj", "mac_pj")
FILES = ("workload", "accelerator", "mapping")


def main(folder):
    """Run every convolution of different sizes once."""
    logging.disable(logging.CRITICAL)
    workload, accelerator, mapping = (os.path.join(folder, f"{name}.yaml") for name in FILES)
    with open(workload) as file:
        layers = yaml.safe_load(file)
    # Equal convolutions, which large networks repeat, are run once.
    same = {
        layer["name"]: str([layer[key] for key in ("loop_sizes", "dimension_relations")])
        for layer in layers
    }
    first = {sizes: name for name, sizes in reversed(same.items())}
    chosen = [layer for layer in layers if first[same[layer["name"]]] == layer["name"]]
    options = {"dump_folder": os.path.join(folder, "zigzag"), "loma_show_progress_bar": False}
    *_, results = get_hardware_performance_zigzag(
        chosen, accelerator, mapping, opt="EDP", **options
    )
    found = {result.layer.name: result for result, _ in results[0][1]}
    rows = []
    for name, sizes in same.items():
        cost = found[first[sizes]]
        cycles = cost.ideal_temporal_cycle, cost.latency_total2
        rows.append((name, *cycles, cost.energy_total, cost.mac_energy))
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    os.replace(file.name, os.path.join(folder, "results.csv"))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run ZigZag on exported folders and write results.csv into each.

``build/peers/bin/python run_zigzag.py KNOWN FOLDER...``, in the environment of the simulators,
where this project is not installed. ZigZag looks for the order of loops whose product of energy and
delay is least. KNOWN keeps results; equal convolutions on equal machines are run once.
"""

import csv
import logging
import os
import sys
import tempfile

import yaml
from known import Known
from zigzag.api import get_hardware_performance_zigzag

OPERANDS = {"input": "I", "weight": "W", "output": "O"}
COLUMNS = ("name", "cycles", "latency", "energy_pj", "mac_pj", *(f"dram_{n}_pj" for n in OPERANDS))
FILES = ("workload", "accelerator", "mapping")
#: What tells layers of different results apart.
SIZES = ("loop_sizes", "dimension_relations", "operand_precision")


def main(kept, *folders):
    """Run every convolution of different sizes once."""
    logging.disable(logging.CRITICAL)
    known = Known(kept)
    for folder in folders:
        paths = {name: os.path.join(folder, f"{name}.yaml") for name in FILES}
        layers, machine, mappings = (read(paths[name]) for name in FILES)
        mapped = {entry["name"]: entry["spatial_mapping"] for entry in mappings}
        rows = []
        for layer in layers:
            sizes = [layer[key] for key in SIZES]
            asked = [*sizes, mapped[layer["name"]], machine]
            found = known.get(asked, lambda layer=layer, paths=paths: run(layer, paths))
            rows.append((layer["name"], *found))
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
        os.replace(file.name, os.path.join(folder, "results.csv"))


def read(path):
    """The content of a YAML file."""
    with open(path) as file:
        return yaml.safe_load(file)


def run(layer, paths):
    """Cycles and energies of one convolution."""
    folder = os.path.join(os.path.dirname(paths["workload"]), "zigzag")
    options = {"dump_folder": folder, "loma_show_progress_bar": False}
    *_, results = get_hardware_performance_zigzag(
        [layer], paths["accelerator"], paths["mapping"], opt="EDP", **options
    )
    ((cost, _),) = results[0][1]
    # DRAM is the last memory of each operand.
    dram = {str(operand): parts[-1] for operand, parts in cost.mem_energy_breakdown.items()}
    cycles, energies = (
        (cost.ideal_temporal_cycle, cost.latency_total2),
        (
            cost.energy_total,
            cost.mac_energy,
        ),
    )
    return [*map(float, (*cycles, *energies, *(dram[name] for name in OPERANDS.values())))]


if __name__ == "__main__":
    main(*sys.argv[1:])

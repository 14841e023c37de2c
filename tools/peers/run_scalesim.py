"""Run SCALE-Sim on an exported folder and write results.csv there.

``build/peers/bin/python run_scalesim.py FOLDER CYCLES``, in the simulators' own environment, where
this project is not installed. SCALE-Sim steps its memories cycle by cycle, which takes minutes for
a large layer and, with the bandwidth that the array asks for, stalls it never. So only convolutions
of at most CYCLES cycles go through the memories; the column `memory` says which. For the others the
cycles are the length of the demand that SCALE-Sim's array makes of them, which is what its memories
count.
"""

import csv
import os
import sys
import tempfile

from scalesim import single_layer_sim
from scalesim.scale_sim import scalesim

FILES = {"config": "scale.cfg", "topology": "topology.csv", "layout": "layout.csv"}
COLUMNS = ("name", "cycles", "stalls", "memory", "input_reads", "weight_reads", "output_writes")


class Memories(single_layer_sim.mem_dbsp):
    """SCALE-Sim's memories, which answer a long demand at once."""

    most = 0

    def service_memory_requests(self, ifmap, filters, ofmap):
        """Answer demands, a row of addresses for each cycle."""
        self.stepped = len(ofmap) <= self.most
        if self.stepped:
            super().service_memory_requests(ifmap, filters, ofmap)
        else:
            # Cycles count from 0, and the last one is reported.
            self.total_cycles, self.stall_cycles, self.traces_valid = len(ofmap) - 1, 0, True


def main(folder, most):
    """Run every convolution of different sizes once."""
    Memories.most = int(most)
    single_layer_sim.mem_dbsp = Memories
    paths = {key: os.path.join(folder, name) for key, name in FILES.items()}
    simulation = scalesim(save_disk_space=True, verbose=False, **paths)
    known, rows = {}, []
    for index, entry in enumerate(simulation.topo.topo_arrays):
        sizes = tuple(entry[1:])
        if sizes not in known:
            known[sizes] = run(simulation, index)
        rows.append((entry[0], *known[sizes]))
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    os.replace(file.name, os.path.join(folder, "results.csv"))


def run(simulation, index):
    """The cycles and counters of one convolution."""
    layer = single_layer_sim.single_layer_sim()
    parts = {
        "config_obj": simulation.config,
        "topology_obj": simulation.topo,
        "layout_obj": simulation.layout,
    }
    layer.set_params(layer_id=index, verbose=False, **parts)
    layer.run()
    memory, array = layer.memory_system, layer.compute_system
    counters = array.get_ifmap_requests(), array.get_filter_requests(), array.get_ofmap_requests()
    stepped = "stepped" if memory.stepped else "ideal"
    cycles = memory.get_total_compute_cycles(), memory.get_stall_cycles()
    return (*cycles, stepped, *map(int, counters))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run SCALE-Sim on exported folders and write results.csv into each.

``build/peers/bin/python run_scalesim.py KNOWN CYCLES FOLDER...``, in the simulators' own
environment, where this project is not installed. SCALE-Sim writes the addresses that its array
demands into matrices, a row for each cycle, and steps its memories along them; with the bandwidth
that the array asks for, they never stall. That takes minutes and gigabytes for a large layer. So
each convolution first goes through the code of SCALE-Sim's array with matrices that have shapes
but no addresses: their length is what its memories count. Convolutions of at most CYCLES cycles
then run as they are, memories included, and must come out the same; the column `memory` says which.
KNOWN keeps results; equal convolutions on equal machines are run once.
"""

import csv
import os
import sys
import tempfile
from contextlib import ExitStack
from unittest.mock import patch

import numpy
from known import Known
from scalesim import single_layer_sim
from scalesim.compute import systolic_compute_is, systolic_compute_os, systolic_compute_ws
from scalesim.compute.operand_matrix import operand_matrix
from scalesim.scale_sim import scalesim

FILES = {"config": "scale.cfg", "topology": "topology.csv", "layout": "layout.csv"}
COLUMNS = ("name", "cycles", "stalls", "memory", "input_reads", "weight_reads", "output_writes")
#: The arrays that write demands; one for each dataflow.
ARRAYS = (systolic_compute_os, systolic_compute_ws, systolic_compute_is)


class Shapes:
    """NumPy for an array of SCALE-Sim, but joined matrices have a shape only."""

    def __getattr__(self, name):
        return getattr(numpy, name)

    @staticmethod
    def concatenate(parts, axis=0):
        """A matrix as large as its parts."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return blank(*shape)


class Operands(operand_matrix):
    """SCALE-Sim's operands, but those of the input have a shape only."""

    def create_ifmap_matrix(self):
        """A row for each output, a column for each element of its window."""
        rows, columns = self.batch_size * self.ofmap_px_per_filt, self.conv_window_size
        self.ifmap_addr_matrix = self.ifmap_addr_matrix_original = blank(rows, columns)
        return 0


class Ideal:
    """Memories that answer every demand at once."""

    def set_params(self, **_):
        """Nothing to set."""

    def service_memory_requests(self, ifmap, filters, ofmap):
        """Answer demands, a row for each cycle."""
        assert len(ifmap) == len(filters) == len(ofmap)
        # Cycles count from 0, and the last one is reported.
        self.cycles = len(ofmap) - 1

    def get_total_compute_cycles(self):
        """The last cycle."""
        return self.cycles

    def get_stall_cycles(self):
        """None."""
        return 0


def blank(*shape):
    """A matrix that takes no memory."""
    return numpy.broadcast_to(numpy.int8(-1), shape)


def main(kept, most, *folders):
    """Run every convolution of different sizes once."""
    known = Known(kept)
    for folder in folders:
        paths = {key: os.path.join(folder, name) for key, name in FILES.items()}
        with open(paths["config"]) as file:
            machine = file.read()
        simulation = scalesim(save_disk_space=True, verbose=False, **paths)
        rows = []
        for index, (name, *sizes) in enumerate(simulation.topo.topo_arrays):
            asked = [sizes, machine, int(most)]
            run = lambda index=index, of=simulation: both(of, index, int(most))  # noqa: E731
            rows.append((name, *known.get(asked, run)))
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
        os.replace(file.name, os.path.join(folder, "results.csv"))


def both(simulation, index, most):
    """The cycles and counters of one convolution, with memories if it is small."""
    layer = single_layer_sim.single_layer_sim()
    layer.op_mat_obj = Operands()
    layer.set_memory_system(Ideal())
    with ExitStack() as stack:
        for array in ARRAYS:
            stack.enter_context(patch.object(array, "np", Shapes()))
        cycles, *counters = run(layer, simulation, index)
    if cycles > most:
        return [cycles, 0, "ideal", *counters]
    layer = single_layer_sim.single_layer_sim()
    stepped = run(layer, simulation, index)
    assert stepped == [cycles, *counters], f"{stepped} with memories, {cycles} without"
    return [cycles, layer.memory_system.get_stall_cycles(), "stepped", *counters]


def run(layer, simulation, index):
    """The cycles and counters of one layer."""
    parts = {
        "config_obj": simulation.config,
        "topology_obj": simulation.topo,
        "layout_obj": simulation.layout,
    }
    layer.set_params(layer_id=index, verbose=False, **parts)
    # They are for memories of limited bandwidth.
    layer.compute_system.get_prefetch_matrices = lambda: (None, None)
    layer.run()
    array = layer.compute_system
    counters = array.get_ifmap_requests(), array.get_filter_requests(), array.get_ofmap_requests()
    return [int(layer.memory_system.get_total_compute_cycles()), *map(int, counters)]


if __name__ == "__main__":
    main(*sys.argv[1:])

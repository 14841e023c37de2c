"""Time the processor model on one core: a million layers, cycles, traffic and energy each.

python benchmarks/dlp_sweep.py [MILLIONS]

Networks are the published tables of layers, so that no framework is loaded; nothing is in a cache
at the start. The aim is 2 s per million and 1 GiB of memory.
"""

import resource
import sys
import time
from math import prod

import dask
import numpy as np

from splitdeconv.dlp import sweep
from splitdeconv.study.published import layer_table

NETWORKS = ("DCGAN", "SNGAN", "GP-GAN", "MDE", "FST")
METHODS, SKIPS = ("nzp", "sd"), ("none", "WA")


def main(millions):
    tables = {name: layer_table(name) for name in NETWORKS}
    axes = {
        "rows": (8, 16, 24, 32, 48, 64, 96, 128),
        "cols": (7, 8, 16, 32, 64),
        "input_buffer_kib": (16.0, 64.0, 256.0, 1024.0),
        "weight_buffer_kib": (16.0, 64.0, 256.0),
    }
    layers = sum(map(len, tables.values()))
    runs = layers * len(METHODS) * len(SKIPS) * prod(map(len, axes.values()))
    axes["dram_gb_s"] = np.linspace(1, 100, round(millions * 1e6 / runs)).tolist()
    runs *= len(axes["dram_gb_s"])
    # What the sweep imports is not what is timed.
    sweep({"DCGAN": tables["DCGAN"]}, "pe_array_32x7", {"batch": [3]})
    for name in ("pe_array_32x7", "dot_product_16x16"):
        start, busy = time.perf_counter(), time.process_time()
        with dask.config.set(num_workers=1):
            sweep(tables, name, axes, methods=METHODS, skips=SKIPS)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        print(
            f"{name}: {runs:,} layers on processors in {seconds:.2f} s, "
            f"{busy:.2f} s of the processor's; "
            f"{busy / runs * 1e6:.2f} s per million"
        )
    # KiB on Linux.
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)

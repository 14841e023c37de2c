"""Time on the accelerator that JAX finds here, a GPU or a TPU: data/measured/accelerators.csv.

python benchmarks/measure_accelerator.py [NETWORK ...]

Every transposed convolution of the benchmark networks and the whole networks, native (cuDNN's on a
GPU) against each form, batches 1, 8 and 64, float32 and bfloat16. JAX must know the device: pip
install 'jax[cuda12]' or 'jax[tpu]'. It can be interrupted: what the table holds of this device and
version is not timed again; delete rows for that. The repository holds no such table yet.
"""

import sys
from itertools import product

import pandas as pd
from rich.progress import track

from splitdeconv import networks
from splitdeconv.study import measured
from splitdeconv.toolchains import libtpu
from splitdeconv.toolchains.libtpu import find_device

NAME = "accelerators"
BATCHES = (1, 8, 64)


def main(names):
    """Time what the table lacks, keep it after each subject, print what it amounts to."""
    reason = libtpu.available(libtpu.HERE)
    device, reason = (None, reason) if reason else find_device()
    if reason or device.startswith("cpu"):
        print(f"nothing is timed: {reason or f'JAX finds no accelerator here, only {device}'}")
        return
    table = measured.read(NAME)
    held = (
        set()
        if table.empty
        else set(table[[*libtpu.KEY, "device", "compiler"]].itertuples(index=False, name=None))
    )
    steps = list(product(names or networks.names(), libtpu.DTYPES, BATCHES))
    for name, dtype, batch in track(steps, f"timing on {device}"):
        for subject in (*libtpu.layers(name), libtpu.whole(name)):
            grid = {"generations": [libtpu.HERE], "batches": [batch], "dtypes": [dtype]}
            cases = libtpu.cases([subject], **grid)
            said = device, libtpu.compiler()
            if held.issuperset((*(case[key] for key in libtpu.KEY), *said) for case in cases):
                continue
            rows = libtpu.measure(cases, turns=31, budget=10.0)
            rows = measured.stamp(rows.assign(device=device))
            table = pd.concat([table, rows], ignore_index=True).drop_duplicates(
                [*libtpu.KEY, "device"], keep="last"
            )
            measured.write(NAME, table)
    ours = table[(table["device"] == device) & (table["compiler"] == libtpu.compiler())]
    print(
        libtpu.best(ours)
        .groupby(["dtype", "batch"])[["speedup", "over_nzp"]]
        .median()
        .round(2)
        .to_string()
    )


if __name__ == "__main__":
    main(sys.argv[1:])

"""What Google's TPU compiler makes of each form: evidence for splitdeconv/convert/targets.

python benchmarks/measure_libtpu.py [GENERATION ...]

Compiles, for every generation of Cloud TPU, every transposed convolution of the benchmark networks,
the whole networks and their chains of transposed convolutions, in each form, batches 1, 8 and 64,
bfloat16 and float32, and writes the compiler's own estimates of cycles to data/measured/libtpu.csv.
No TPU is needed. It can be interrupted: what the table holds of this version of the compiler is not
compiled again; delete rows for that.
"""

import sys
from itertools import product

import pandas as pd
from rich.progress import track

from splitdeconv import networks
from splitdeconv.means import geometric_mean
from splitdeconv.study import gains, measured
from splitdeconv.toolchains import libtpu

NAME = "libtpu"
# One transposed convolution after the other, nothing else between.
CHAINS = ("dcgan", "sngan", "gpgan", "fst")
BATCHES, DTYPES = (1, 64, 8), ("bfloat16", "float32")
STEP = 6  # programs between two writings of the table
APART = (("apart", "concat"),)


def main(generations):
    """Compile what the table lacks, keep it after every few programs, print what it amounts to."""
    reason = libtpu.available()
    unknown = set(generations).difference(libtpu.GENERATIONS)
    if unknown:
        known = ", ".join(libtpu.GENERATIONS)
        reason = reason or f"unknown generation: {', '.join(sorted(unknown))}; known: {known}"
    if reason:
        sys.exit(reason)
    names = networks.names()
    layers = [layer for name in names for layer in libtpu.layers(name)]
    wholes, chains = [libtpu.whole(name) for name in names], [libtpu.chain(name) for name in CHAINS]
    cases = []
    for dtype, batch in product(DTYPES, BATCHES):
        grid = {
            "generations": generations or list(libtpu.GENERATIONS),
            "batches": [batch],
            "dtypes": [dtype],
        }
        cases += libtpu.cases(layers, **grid)
        cases += libtpu.cases(chains, variants=(*libtpu.VARIANTS, *APART), **grid)
        cases += libtpu.cases(wholes, variants=(*libtpu.VARIANTS, ("auto", "concat")), **grid)
    table = measured.read(NAME)
    if table.empty:
        table = pd.DataFrame(columns=[*libtpu.KEY, "compiler", "reason"])
    known = table[table["compiler"] == libtpu.compiler()]
    done = set(known[libtpu.KEY].itertuples(index=False, name=None))
    # Minutes to compile, and twice the cycles of rows where it was: from stride 8 on, 64
    # convolutions or more.
    cases = [
        c for c in cases if c["form"] != "split" or max(row["stride_h"] for row in c["layers"]) < 8
    ]
    cases.sort(key=_urgency)
    left = [case for case in cases if tuple(case[name] for name in libtpu.KEY) not in done]
    parts = [left[start : start + STEP] for start in range(0, len(left), STEP)]
    for part in track(parts, f"compiling {len(left)} programs"):
        new = measured.stamp(libtpu.measure(part, timeout=120))
        table = pd.concat([table, new], ignore_index=True)
        table = table.drop_duplicates(libtpu.KEY, keep="last")
        measured.write(NAME, table)
    report(table)


def _urgency(case):
    """What is read most comes first."""
    where = DTYPES.index(case["dtype"]), case["batch"] == 8, case["network"] not in gains.NETWORKS
    whole = case["kind"] == "network"
    return (
        *where,
        BATCHES.index(case["batch"]),
        whole,
        whole and case["form"] not in ("native", "auto"),
    )


def report(table):
    """Geometric means over the layers of `gains.NETWORKS`, and the worst of them."""
    layers = table[table["network"].isin(gains.NETWORKS)]
    won = libtpu.best(layers[~layers["layer"].isin(["chain", "whole network"])])
    groups = won.groupby(["generation", "dtype", "batch"])[["speedup", "over_nzp"]]
    means = groups.agg([geometric_mean, "median", "min"])
    print("best form over native and over zero insertion\n" + means.round(2).to_string())


if __name__ == "__main__":
    main(sys.argv[1:])

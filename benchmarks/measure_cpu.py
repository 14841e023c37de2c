"""Time every benchmark network in this CPU's runtimes, by layer and whole: cpu_runtimes.csv.

python benchmarks/measure_cpu.py [--busy SHARE] [--part layers] [--runtime litert] [NETWORK ...]

LiteRT (XNNPACK) in float32 and full int8, ONNX Runtime and OpenVINO in float32, batch 1, one thread
and two. "auto" is each target's choice. What the table holds is not timed again: delete its rows
for that. A machine that does something else gives no times worth keeping: it waits until other
processes use less than SHARE of all cores, and times again what they disturbed. The column busy
tells their share in the end.
"""

import argparse
import os
import time
from itertools import product
from pathlib import Path

import pandas as pd
from rich.progress import track

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.study import gains, measured
from splitdeconv.toolchains import cpu
from splitdeconv.toolchains.cpu import litert
from splitdeconv.toolchains.models import benchmark, onnx

NAME = "cpu_runtimes"
KINDS = [
    ("litert", "float32"),
    ("litert", "int8"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
]
FORMS = {
    "litert": benchmark.FORMS,
    "onnxruntime": ("native", "nzp", "split"),
    "openvino": ("native", "nzp", "split"),
}
KEY = ["network", "layer", "runtime", "dtype"]
STEPS = {"layers": {"turns": 41, "budget": 8.0}, "whole": {"turns": 21, "budget": 30.0}}
ATTEMPTS = 3


def main(names, share, parts, only=None):
    """Time what is missing, keep the table after each model, print what it amounts to."""
    table = measured.read(NAME)
    names = names or [
        *gains.NETWORKS,
        *(name for name in networks.names() if name not in gains.NETWORKS),
    ]
    steps = product(parts, [kind for kind in KINDS if only in (None, kind[0])], names)
    for part, (runtime, dtype), name in track(list(steps), "timing networks"):
        held = set() if table.empty else set(table[KEY].itertuples(index=False, name=None))
        wanted = [gains.WHOLE] if part == "whole" else list(deconvs(name)["name"])
        if held.issuperset((name, layer, runtime, dtype) for layer in wanted):
            continue
        for layer, forms in sources(part, runtime, dtype, name):
            if (name, layer, runtime, dtype) not in held:
                rows = undisturbed(
                    share, timed, runtime, dtype, forms, reasons(name, layer), **STEPS[part]
                )
                rows = rows.assign(network=name, layer=layer, **facts(part, name, layer))
                table = pd.concat([table, measured.stamp(rows)], ignore_index=True)
                measured.write(NAME, table)
    report(table)


def deconvs(name):
    """The network's transposed convolutions."""
    return networks.layer_table(name).query("kind == 'deconv'")


def facts(part, name, layer):
    """Useful multiply-accumulates of what is timed, and the options it was built with."""
    options = benchmark.REDUCED.get(name, {}) if part == "whole" else {}
    macs = networks.layer_table(name, **options).set_index("name")["macs"]
    written = ", ".join(f"{option} {value}" for option, value in options.items())
    return {"macs": macs.sum() if part == "whole" else macs[layer], "options": written}


def sources(part, runtime, dtype, name):
    """(layer, function from form and target to file and choices, or why there are none)."""
    left = [gains.WHOLE] if part == "whole" else list(deconvs(name)["name"])
    try:
        for layer, make in exported(part, runtime, dtype, name):
            left.remove(layer)
            yield layer, make
    except sd.SplitDeconvError as error:
        yield from ((layer, f"{error.problem}: {error.got}") for layer in left)


def exported(part, runtime, dtype, name):
    """What `sources` gives where nothing goes wrong."""
    options = benchmark.REDUCED.get(name, {}) if part == "whole" else {}
    if runtime == "litert":
        native = benchmark.network if part == "whole" else benchmark.layers
        made = native(name, dtype=dtype, **options)
        pairs = [(gains.WHOLE, made)] if part == "whole" else made
        yield from (
            (layer, lambda *to, file=file: benchmark.rewritten(file, *to)) for layer, file in pairs
        )
    else:
        model = networks.build(name, "native", **options)
        pairs = [(gains.WHOLE, model)] if part == "whole" else benchmark.alone(model)
        yield from ((layer, lambda *to, one=one: onnx.rewritten(one, *to)) for layer, one in pairs)


def reasons(name, layer):
    """Forms that are not tried, and why."""
    rows = deconvs(name)
    rows = rows if layer == gains.WHOLE else rows[rows["name"] == layer]
    zeros = int((rows["stride_h"] * rows["stride_w"]).max())
    return {"nzp": f"{zeros:,} times the useful operations"} if zeros > benchmark.MOST_ZEROS else {}


def timed(runtime, dtype, make, reasons, turns, budget):
    """A row for each form and thread count: times, the file, what of it is delegated."""
    files, about = {}, []
    for form in (*FORMS[runtime], "auto"):
        row = {"form": form, "chosen": ""}
        try:
            if isinstance(make, str) or form in reasons:
                raise sd.SplitDeconvError(make if isinstance(make, str) else reasons[form])
            files[form], kept = make(form, *([cpu.TARGETS[runtime]] if form == "auto" else []))
            row["bytes"] = len(files[form])
            if form == "auto":
                row["chosen"] = ", ".join(
                    f"{name} {kept.count(name)}" for name in dict.fromkeys(kept)
                )
            if runtime == "litert":
                row |= litert.describe(files[form])
        except sd.SplitDeconvError as error:
            files[form] = files.get(form, error.problem)
        about.append(row)
    found = cpu.measure(runtime, files, turns=turns, budget=budget)
    return found.merge(pd.DataFrame(about), on="form").assign(runtime=runtime, dtype=dtype)


def undisturbed(share, measure, *arguments, **settings):
    """A measurement while other processes let it alone; of several attempts the least disturbed."""
    best = None
    for _ in range(ATTEMPTS):
        while others(time.sleep, 3)[1] > share:
            time.sleep(5)
        rows, busy = others(measure, *arguments, **settings)
        if best is None or busy < best["busy"].iloc[0]:
            best = rows.assign(busy=round(busy, 3))
        if busy <= share:
            break
    return best


def others(function, *arguments, **settings):
    """(what a function returns, share of all cores that others used meanwhile), as Linux counts."""
    start, used = time.monotonic(), _used_by_others()
    returned = function(*arguments, **settings)
    return returned, max(0.0, _used_by_others() - used) / (
        time.monotonic() - start
    ) / os.cpu_count()


def _used_by_others():
    """CPU seconds since boot that were neither idle nor this process' or its ended children's."""
    user, nice, system, _, _, *interrupts = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + sum(interrupts[:3])) / os.sysconf("SC_CLK_TCK") - sum(
        os.times()[:4]
    )


def report(table):
    """Print means over layers, the median and the worst."""
    print(gains.summary(cpu.costs(table), cost="cost").round(2).to_string(index=False))
    every = pd.concat([cpu.costs(table), gains.best(cpu.costs(table), cost="cost")])
    print("with the best form of each layer")
    print(gains.summary(every, form="best", cost="cost").round(2).to_string(index=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--busy", type=float, default=0.1)
    parser.add_argument("--part", choices=list(STEPS))
    parser.add_argument("--runtime", choices=list(FORMS))
    given = parser.parse_args()
    main(given.networks, given.busy, [given.part] if given.part else list(STEPS), given.runtime)

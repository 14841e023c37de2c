"""Tune every benchmark layer, network and fetched model in this CPU's runtimes: tune.csv.

python benchmarks/measure_tune.py [--part layers] [--runtime litert] [--dtype int8] [--threads 2]
    [NETWORK ...]

Each model is tuned as `splitdeconv tune` does it, and then timed as a whole against the original
once more: these are the times that the table holds, not those that the choice was made by. What the
table holds is not measured again: delete its rows for that. Nothing else should run meanwhile.
"""

import argparse

import pandas as pd
from measure_cpu import KINDS, deconvs, exported
from rich.progress import track

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.study import gains, measured
from splitdeconv.toolchains import cpu

NAME = "tune"
KEY = ["network", "layer", "runtime", "dtype", "threads"]
PARTS = ("layers", "whole", "files")
#: The fetched models, the runtime of each, and the sizes of their inputs where these are open.
FILES = {
    "selfie_segmentation": ("litert", None),
    "ppocr_detector": ("onnxruntime", (1, 3, 320, 320)),
}


def main(names, parts, kinds, threads):
    """Tune what is missing, keep the table after each model, print what it amounts to."""
    table = measured.read(NAME)
    for part in parts:
        for subject in track(list(subjects(part, names, kinds)), f"tuning {part}"):
            for count in threads:
                known = table[KEY].values.tolist() if len(table) else []
                for key, make, options in models(part, *subject):
                    if [*key, count] in known:
                        continue
                    row = tuned(make(), key[2], count, options)
                    row = dict(zip(KEY, [*key, count], strict=True)) | row
                    table = pd.concat([table, measured.stamp(pd.DataFrame([row]))])
                    measured.write(NAME, table)
    print(gains.tuned(table).round(2).to_string(index=False))


def subjects(part, names, kinds):
    """What `models` is called with, for one part."""
    if part == "files":
        return [(name, *FILES[name]) for name in FILES if FILES[name][0] in dict(kinds)]
    return [(name, *kind) for kind in kinds for name in names or networks.names()]


def models(part, name, runtime, more):
    """(the key but for the threads, function that makes the model, options of tune) of each."""
    if part == "files":
        options = {"input_shape": more} if more else {}
        key = [name, gains.WHOLE, runtime, "as given"]
        yield key, lambda: sd.pretrained.fetch(name).read_bytes(), options
        return
    if part == "layers":
        layers = list(deconvs(name)["name"])
        made = {}
        for layer in layers:
            key = [name, layer, runtime, more]
            yield key, lambda layer=layer: _native(made, part, runtime, more, name)[layer], {}
        return
    key = [name, gains.WHOLE, runtime, more]
    yield key, lambda: _native({}, part, runtime, more, name)[gains.WHOLE], {}


def _native(made, part, runtime, dtype, name):
    """The native files of a network by layer, made once."""
    if not made:
        # OpenVINO times the same .onnx files as ONNX Runtime.
        for layer, make in exported(part, runtime, dtype, name):
            made[layer] = make("native")[0]
    return made


def tuned(model, runtime, threads, options):
    """The columns of a row: what was chosen, and how the whole compares with the original."""
    done = sd.tune(model, on=runtime, threads=threads, **options)
    rows = done.frame()
    again = done.whole
    if done.changed:
        # The times that the layers were chosen by flatter the chosen ones.
        from splitdeconv.tuning.oracles import oracle

        again = oracle(runtime, threads=threads).whole(model, done.result.content, [])
    chosen = [layer.variant.form for layer in done.layers]
    return {
        "version": cpu.version(runtime),
        "chosen": ", ".join(f"{form} {chosen.count(form)}" for form in dict.fromkeys(chosen)),
        "variants": "; ".join(map(str, rows["chosen"])),
        "changed": done.changed,
        "gain": again.gain if done.changed else 1.0,
        "low": again.low if done.changed else 1.0,
        "high": again.high if done.changed else 1.0,
        "best": "; ".join(map(str, rows["best"])),
        "best_gain": rows["best_gain"].iloc[0] if len(rows) == 1 else float("nan"),
        "notes": "; ".join(done.notes),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--runtime", choices=list(cpu.RUNTIMES))
    parser.add_argument("--dtype", choices=["float32", "int8"])
    parser.add_argument("--threads", type=int, choices=[1, 2])
    given = parser.parse_args()
    main(
        given.networks,
        [given.part] if given.part else PARTS,
        [
            (runtime, dtype)
            for runtime, dtype in KINDS
            if given.runtime in (None, runtime) and given.dtype in (None, dtype)
        ],
        [given.threads] if given.threads else [1, 2],
    )

"""Tune the transposed convolutions of published decoders in PyTorch on this CPU: torch.csv.

python benchmarks/measure_torch.py [--threads 2] [NETWORK ...]

DCGAN, HiFi-GAN, DAC, nnU-Net and UNETR, float32, one image, one thread and two, in every form and
interleave, and the trained DCGAN as a whole. Programs run as they are exported, operator by
operator. What the table holds is not measured again: delete its rows for that. PyTorch is in
build/torch (`make test-torch`), whose Python runs this. Nothing else should run meanwhile.
"""

import argparse
from collections import Counter

import pandas as pd
from rich.progress import track

import splitdeconv as sd
from splitdeconv.errors import check_choice
from splitdeconv.study import gains, measured
from splitdeconv.toolchains import cpu
from splitdeconv.toolchains.models import torch as models
from splitdeconv.tuning.oracle import Cost
from splitdeconv.tuning.oracles import oracle

NAME = "torch"
KEY = ["network", "layer", "threads"]
TRAINED = "face_dcgan"


def main(names, threads):
    """Tune what is missing, and keep the table after each model."""
    reason = cpu.torch.available()
    if reason is not None:
        print(f"nothing was measured: {reason}")
        return
    table = measured.read(NAME)
    for network, layer in track(subjects(names), "tuning in PyTorch"):
        for count in threads:
            known = table[KEY].values.tolist() if len(table) else []
            if [network, layer, count] in known:
                continue
            rows = tuned(network, layer, count)
            rows = rows.assign(network=network, layer=layer, threads=count)
            rows = measured.stamp(rows[[*KEY, *rows.columns.drop(KEY)]])
            table = pd.concat([table, rows], ignore_index=True)
            measured.write(NAME, table)
    chosen = table[table["variant"] == "tuned"]
    print(chosen.groupby(["network", "threads"])["gain"].agg(["min", "median", "max"]).round(2))


def subjects(names):
    """(network, layer) of everything that is tuned."""
    layers = models.decoders()[["network", "layer"]].itertuples(index=False, name=None)
    every = [*layers, (TRAINED, gains.WHOLE)]
    for name in names:
        check_choice(name, tuple(dict.fromkeys(network for network, _ in every)), "network")
    return [subject for subject in every if not names or subject[0] in names]


def tuned(network, layer, threads):
    """The rows of one model: each variant of a layer, and the tuned model against the original."""
    model = program(network, layer)
    done = sd.tune(model, on="torch", threads=threads, fresh=True)
    rows = (
        [] if layer == gains.WHOLE else [row(v, cost) for v, cost in done.layers[0].costs.items()]
    )
    # The times that the form was chosen by flatter it, so both models are timed once more.
    again = oracle("torch", threads=threads).whole(model, done.result.content, [])
    again = again if done.changed else Cost(again.amount, 1.0, 1.0, 1.0)
    chosen = Counter(str(one.variant) for one in done.layers)
    text = ", ".join(f"{name} {count}" for name, count in chosen.items())
    rows.append(row("tuned", again) | {"chosen": text, "notes": "; ".join(done.notes)})
    return pd.DataFrame(rows).assign(version=cpu.version("torch"))


def row(variant, cost):
    """The columns of a cost; the gain of a variant that had a short look only has no interval."""
    numbers = {"seconds": cost.amount, "gain": cost.gain, "low": cost.low, "high": cost.high}
    return {"variant": str(variant), **numbers, "skipped": cost.reason}


def program(network, layer):
    """The .pt2 file of a layer, or of the trained generator."""
    if layer == gains.WHOLE:
        module = models.generator(network)
        return models.program(module, latent(module))
    return models.program(*models.layer(network, layer))


def latent(module):
    """The input of a generator: one vector of normals, from a fixed seed."""
    import torch

    draw = torch.Generator().manual_seed(0)
    return torch.randn(1, next(module.parameters()).shape[0], 1, 1, generator=draw)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--threads", type=int, choices=[1, 2])
    given = parser.parse_args()
    main(given.networks, [given.threads] if given.threads else [1, 2])

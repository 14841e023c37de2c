"""Run accelforge on a folder's layers.json and write results.csv there.

``build/accelforge/bin/python run_accelforge.py KNOWN CAPACITY FOLDER``, in an environment of its
own, where this project is not installed. The machine is DRAM and one on-chip buffer of CAPACITY
words that holds all tensors, a sum being a word; the map holds its padding. Two questions are asked
of each convolution: what accelforge's model counts for its nest (`given`), and what
its mapper finds where only what moves from and to DRAM costs energy (`found`). KNOWN keeps answers.
"""

import csv
import json
import os
import sys
import tempfile
from unittest.mock import patch

import accelforge
from accelforge.mapper.FFM.mappings import Mappings
from known import Known

OPERANDS = ("input", "weight", "output")
COLUMNS = ("name", *(f"{kind}_{name}" for kind in ("given", "found") for name in OPERANDS))
SIZES = ("out", "taps", "stride", "dilation")
WORKLOAD = """\
workload:
  rank_sizes: {{M: {c_out}, C: {c_in}, P: {out_h}, Q: {out_w}, R: {taps_h}, S: {taps_w},
    H: {in_h}, W: {in_w}}}
  einsums:
  - name: convolution
    tensor_accesses:
    - name: input
      projection: {{C: c, H: {stride_h}*p+{dilation_h}*r, W: {stride_w}*q+{dilation_w}*s}}
      bits_per_value: 1
    - {{name: weight, projection: [m, c, r, s], bits_per_value: 1}}
    - {{name: output, projection: [m, p, q], bits_per_value: 1, output: True}}
"""
ARCHITECTURE = """\
arch:
  nodes:
  - !Memory
    {{name: dram, size: inf, leak_power: 0, area: 0, tensors: {{keep: All}}, actions: [
    {{name: read, energy: 1, throughput: inf}}, {{name: write, energy: 1, throughput: inf}}]}}
  - !Memory
    {{name: buffer, size: {size}, leak_power: 0, area: 0, tensors: {{keep: All}}, actions: [
    {{name: read, energy: 0, throughput: inf}}, {{name: write, energy: 0, throughput: inf}}]}}
  - !Compute
    {{name: mac, leak_power: 0, area: 0, actions: [
    {{name: compute, energy: 0, throughput: 1}}]}}
"""


def main(kept, capacity, folder):
    """Ask about every convolution."""
    accelforge.set_n_parallel_jobs(1)
    known, rows = Known(kept), []
    with open(os.path.join(folder, "layers.json")) as file:
        layers = json.load(file)
    for row in layers:
        sizes = {f"{name}_{side}": row[f"{name}_{side}"] for name in SIZES for side in "hw"}
        sizes |= {name: row[name] for name in ("c_in", "c_out")}
        texts = [WORKLOAD.format(**sizes, **extents(sizes)), ARCHITECTURE.format(size=capacity)]
        nest = [*texts, mapping(row["nest"])]
        given = known.get(nest, lambda texts=nest: run(texts))
        rows.append((row["name"], *given, *known.get(texts, lambda texts=texts: run(texts))))
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    os.replace(file.name, os.path.join(folder, "results.csv"))


def extents(sizes):
    """Rows and columns of the map with its padding."""
    steps = {
        side: (sizes[f"out_{side}"] - 1) * sizes[f"stride_{side}"]
        + (sizes[f"taps_{side}"] - 1) * sizes[f"dilation_{side}"]
        for side in "hw"
    }
    return {f"in_{side}": last + 1 for side, last in steps.items()}


def mapping(nest):
    """A nest as accelforge writes it: operands kept in the buffer, and loops of some tile."""
    nodes = ["!Storage {tensors: [input, weight, output], component: dram}"]
    for name, size in nest:
        if size is None:
            nodes.append(f"!Storage {{tensors: [{name}], component: buffer}}")
        else:
            nodes.append(f"!Temporal {{rank_variable: {name}, tile_shape: {size}}}")
    nodes += [f"!Temporal {{rank_variable: {name}, tile_shape: 1}}" for name in "pqcrsm"]
    nodes.append("!Compute {einsum: convolution, component: mac}")
    return "\n  - ".join(["mapping:\n  nodes:", *nodes]) + "\n"


def run(texts):
    """Words of inputs, filters and outputs from and to DRAM, of a given or of the best mapping."""
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{index}.yaml") for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            with open(path, "w") as file:
                file.write(text)
        spec = accelforge.Spec.from_yaml(*paths)
        spec.mapper.metrics = accelforge.Metrics.ENERGY
        # It draws what it finds, by graphviz, into the current folder.
        os.chdir(folder)
        with patch.object(Mappings, "render", return_value=""):
            if len(texts) > 2:
                found = spec.evaluate_mapping()
            else:
                found = spec.map_workload_to_arch(print_progress=False)
        os.chdir(home)
    (full,) = [
        number
        for name, number in found.to_dict().items()
        if name.startswith("reservation<SEP>buffer")
    ]
    assert full <= 1, f"the buffer would have to hold {full:.3f} times its size"
    words = dict.fromkeys(OPERANDS, 0)
    for (component, tensor, _), number in found.actions(per_tensor=True).items():
        if component == "dram":
            words[tensor] += round(float(number))
    return list(words.values())


if __name__ == "__main__":
    main(*sys.argv[1:])

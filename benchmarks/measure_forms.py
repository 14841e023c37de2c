"""Which form of each transposed convolution is fastest on this CPU: evidence for `auto_form`.

python benchmarks/measure_forms.py

Times every layer of the benchmark networks in each form against TensorFlow's own operator (float32,
batch 1, medians of interleaved turns), writes data/measured/forms.csv, and prints the geometric
mean of each form, of the choice that `splitdeconv.core.plan.auto_form` makes, and of the best
choice there is.
"""

import pandas as pd
from rich.progress import track

from splitdeconv import networks
from splitdeconv.core.plan import auto_form
from splitdeconv.means import geometric_mean
from splitdeconv.networks.table import layers
from splitdeconv.study import measured, networks as measure

FORMS = ("native", "split", "rows", "stacked")


def main():
    """Time all layers, keep the table, print what it amounts to."""
    tables = [_time(name) for name in track(networks.names(), "timing layers")]
    times = pd.concat(tables, ignore_index=True)
    print("written to", measured.write("forms", times).name)
    keys = ["network", "layer", "auto"]
    table = times.pivot(index=keys, columns="form", values="speedup")[list(FORMS)]
    print(table.round(2).to_string())
    # A form that is not run cannot be chosen; for the means it stands at native's speed.
    chosen = [row[index[-1]] for index, row in table.iterrows()]
    means = geometric_mean(table.fillna(1).assign(auto=chosen, best=table.max(axis=1)))
    print("\ngeometric mean speedup over native\n" + means.round(3).to_string())


def _time(name):
    deconvolutions = [layer for layer in layers(name) if layer.kind == "deconv"]
    auto = {row.name: auto_form(row.plan().axes, row.c_out, row.groups) for row in deconvolutions}
    times = measure.time_layers(name, forms=FORMS, turns=31, budget=6.0)
    return times.assign(network=name, auto=times["layer"].map(auto))


if __name__ == "__main__":
    main()

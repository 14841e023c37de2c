"""Which form runs fastest on this CPU, transposed convolution by transposed convolution: the evidence for `auto_form`.

python benchmarks/forms.py [NETWORK ...]

Prints, for every layer of the benchmark networks, the speedup of each form over TensorFlow's own operator (float32,
batch 1, constant filters, medians of interleaved turns), and the geometric mean of each form, of the choice that
`splitdeconv.plan.auto_form` makes, and of the best choice there is.
"""

import sys

import numpy as np
import pandas as pd
from rich.progress import track

from splitdeconv import networks
from splitdeconv.networks import measure
from splitdeconv.networks.counts import layer_plan
from splitdeconv.plan import auto_form

FORMS = ("native", "split", "rows", "stacked")


def main(names):
    """Time the layers of `names`, or of all networks."""
    tables = []
    for name in track(names or networks.names(), "timing layers"):
        times = measure.time_layers(name, forms=FORMS, turns=31, budget=6.0)
        tables.append(
            times.pivot(index="layer", columns="form", values="speedup")[list(FORMS[1:])].assign(auto=_auto(name))
        )
    table = pd.concat(tables, keys=names or networks.names())
    forms = table[list(FORMS[1:])]
    chosen = np.array([row[choice] for choice, (_, row) in zip(table["auto"], forms.iterrows(), strict=True)])
    print(table.round(2).to_string())
    # A form that was not run cannot be chosen; for the means it stands at native's speed.
    means = np.exp(np.log(forms.fillna(1).assign(auto=chosen, best=forms.max(axis=1))).mean())
    print("\ngeometric mean speedup over native\n" + means.round(3).to_string())


def _auto(name):
    """The form `auto_form` chooses, by layer."""
    rows = networks.layer_table(name).query("kind == 'deconv'").itertuples(index=False)
    return pd.Series({row.name: auto_form(layer_plan(row).axes, row.c_out, row.groups) for row in rows})


if __name__ == "__main__":
    main(sys.argv[1:])

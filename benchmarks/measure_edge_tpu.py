"""Which operators of every benchmark network the Edge TPU takes, by form: edge_tpu.csv.

python benchmarks/measure_edge_tpu.py [NETWORK ...]

Full int8, held against the target's profile; neither compiler nor device is needed. It is kept
because exporting takes minutes. What the table holds already is not exported again. The FCNs are
smaller and have fewer channels, as the column options tells: the operators are the same, and the
export of 134 million weights took more than 9.8 GB.
"""

import sys

import pandas as pd
from rich.progress import track

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.study import measured
from splitdeconv.toolchains import edgetpu
from splitdeconv.toolchains.models import benchmark

NAME = "edge_tpu"
FORMS = (*benchmark.FORMS, "auto")
SMALLER = {name: {"size": 128, "width": 64} for name in ("fcn32s", "fcn16s", "fcn8s")}


def main(names):
    """Check what is missing, keep the table after each network."""
    table = measured.read(NAME).convert_dtypes()
    for name in track(names or networks.names(), "checking networks"):
        if not len(table) or name not in set(table["network"]):
            rows = measured.stamp(checked(name))
            rows.insert(0, "network", name)
            rows.insert(
                2,
                "options",
                ", ".join(f"{key}={value}" for key, value in SMALLER.get(name, {}).items()),
            )
            table = pd.concat([table, rows.convert_dtypes()], ignore_index=True)
            measured.write(NAME, table)
    print(
        table.groupby(["network", "form"], sort=False)["verdict"]
        .value_counts()
        .unstack(fill_value=0)
        .to_string()
    )


def checked(name):
    """The rows of one network; one with the reason where it cannot be exported."""
    try:
        native = benchmark.network(name, count=1, **SMALLER.get(name, {}))
    except sd.SplitDeconvError as error:
        reason = f"{error.problem}: {error.got}" if error.got else error.problem
        return edgetpu.checks(dict.fromkeys(FORMS, reason))
    return edgetpu.checks({form: benchmark.rewritten(native, form, NAME)[0] for form in FORMS})


if __name__ == "__main__":
    main(sys.argv[1:])

"""What Vela makes of every benchmark network, by layer and whole, by form: ethos_u.csv.

python benchmarks/measure_ethos_u.py [NETWORK ...]

Full int8, batch 1, calibrated by seeded latents or photographs; the forms are rewritten in place
from the native file. "auto" is each target's choice. What the table holds already is not compiled
again: delete its rows for that. A whole network that Vela needs longer than LIMIT for, or of too
many weights to export, is left out, and the table says so.
"""

import sys

import pandas as pd
from rich.progress import track

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.study import gains, measured
from splitdeconv.toolchains import vela
from splitdeconv.toolchains.models import benchmark

NAME = "ethos_u"
FORMS = (*benchmark.FORMS, "auto")
LIMIT = 60.0  # seconds; there are 24 compilations of each network
# at 134 million, FCN-32s', the export took more than 9.8 GB and the system ended it
MOST_WEIGHTS = 100_000_000


def main(names):
    """Compile what is missing, keep the table after each model, print what it amounts to."""
    reason = vela.available()
    if reason:
        sys.exit(reason)  # or every row would keep it, and never be compiled
    table = measured.read(NAME).convert_dtypes()
    names = names or networks.names()
    # Whole networks take longest: last.
    steps = [(source, name) for source in (layers, whole) for name in names]
    for source, name in track(steps, "compiling networks"):
        held = set(table.loc[table["network"] == name, "layer"]) if len(table) else set()
        for layer, native in source(name, held):
            rows = measured.stamp(estimate(native))
            rows.insert(0, "layer", layer)
            rows.insert(0, "network", name)
            table = pd.concat([table, rows], ignore_index=True)
            measured.write(NAME, table)
    print(gains.summary(table).round(2).to_string(index=False))
    print("with the best form of each layer")
    every = pd.concat([table, gains.best(table)])
    print(gains.summary(every, form="best").round(2).to_string(index=False))


def layers(name, held):
    """(layer, native file) of the network's transposed convolutions, if any of them is not held."""
    wanted = [
        row.name
        for row in networks.layer_table(name).query("kind == 'deconv'").itertuples(index=False)
    ]
    if not held.issuperset(wanted):
        yield from (
            (layer, native) for layer, native in benchmark.layers(name) if layer not in held
        )


def whole(name, held):
    """The whole network's native file, or why it cannot be had or compiled, if neither is held."""
    if gains.WHOLE not in held:
        table = networks.layer_table(name)
        weights = int(
            (table["c_in"] * table["c_out"] * table["k_h"] * table["k_w"] // table["groups"]).sum()
        )
        try:
            if weights > MOST_WEIGHTS:
                raise sd.SplitDeconvError(
                    f"not tried: {weights / 1e6:.0f} million weights take too much memory"
                )
            native = benchmark.network(name)
            vela.compile_model(native, next(iter(vela.CONFIGURATIONS)), timeout=LIMIT)
            yield gains.WHOLE, native
        except sd.SplitDeconvError as error:
            yield gains.WHOLE, error


def estimate(native):
    """A row for each form and configuration, and what auto chose; or why there is nothing."""
    if isinstance(native, sd.SplitDeconvError):
        reason = f"{native.problem}: {native.got}" if native.got else native.problem
        names = [(form, name, False, reason) for form in FORMS for name in vela.CONFIGURATIONS]
        return pd.DataFrame(names, columns=["form", "configuration", "complete", "skipped"])
    targets = {name: configuration.target for name, configuration in vela.CONFIGURATIONS.items()}
    files = {form: benchmark.rewritten(native, form)[0] for form in benchmark.FORMS}
    auto = {
        target: benchmark.rewritten(native, "auto", target)
        for target in dict.fromkeys(targets.values())
    }
    files["auto"] = {name: auto[target][0] for name, target in targets.items()}
    table = vela.estimate(files)
    forms = {name: auto[target][1] for name, target in targets.items()}
    chosen = [forms[row.configuration] if row.form == "auto" else [] for row in table.itertuples()]
    table["chosen"] = [
        ", ".join(f"{form} {kept.count(form)}" for form in dict.fromkeys(kept)) for kept in chosen
    ]
    whole = [column for column in table if column.startswith("cycles") or column == "macs"]
    return table.astype(dict.fromkeys(whole, "Int64"))


if __name__ == "__main__":
    main(sys.argv[1:])

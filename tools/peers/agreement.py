"""Our numbers beside those of SCALE-Sim and ZigZag, on the convolutions exported to them."""

import numpy as np

from splitdeconv.dlp import cycles
from splitdeconv.dlp.export.zigzag import rectangle
from splitdeconv.dlp.steps import input_tiles, issued, weight_tiles


def scalesim(rows, results, processor, dataflow):
    """Cycles, stated convolution by stated convolution.

    Args:
        rows: what `splitdeconv.dlp.export.convolutions.export` returned.
        results: what tools/peers/run_scalesim.py wrote.
        processor, dataflow: as exported.

    Returns:
        DataFrame: layer, times, ours, theirs (cycles), same (True: the mapping is the same) and
            memory ("stepped" where SCALE-Sim's memories were run, too).
    """
    found = _beside(rows, results)
    pixels, taps = found["out_h"] * found["out_w"], found["taps_h"] * found["taps_w"]
    formula = getattr(cycles, dataflow)
    ours = formula(pixels, taps, found["c_in"], found["c_out"], processor.rows, processor.cols)
    theirs = found["cycles"].astype(np.int64)
    columns = {"ours": ours, "theirs": theirs, "same": True, "memory": found["memory"]}
    return found[["layer", "times"]].assign(**columns)


def zigzag(rows, results, processor, dataflow):
    """Cycles without fill, drain or stalls; arguments as for `scalesim`.

    Returns:
        DataFrame: layer, times, ours, theirs, and same: whether the two mappings take as many
            steps. ZigZag's tiles of pixels are rectangles; its rows of a weight- or
            input-stationary array are channels of one tap.
    """
    found = _beside(rows, results)
    if dataflow == "output_stationary":
        steps = issued(found, processor.rows, processor.cols, 1, "none", "tiles") * found["c_in"]
        same = _tiles_are_rectangles(found, processor.rows)
    else:
        taps = found["taps_h"] * found["taps_w"]
        per_tap = -(-found["c_in"] // processor.rows)
        same = -(-taps * found["c_in"] // processor.rows) == taps * per_tap
        if dataflow == "weight_stationary":
            tiles = weight_tiles(found, processor.rows, processor.cols, "none")
            steps = tiles * found["out_h"] * found["out_w"]
        else:
            steps = input_tiles(found, processor.rows, processor.cols, 1, "none") * found["c_out"]
            same &= _tiles_are_rectangles(found, processor.cols)
    theirs = found["cycles"].round().astype(np.int64)
    return found[["layer", "times"]].assign(
        ours=steps.astype(np.int64), theirs=theirs, same=same, memory=""
    )


def _tiles_are_rectangles(rows, pixels):
    """Whether as few rectangles as runs of `pixels` cover each map."""
    maps = list(zip(rows["out_h"], rows["out_w"], strict=True))
    wide, high = np.array([rectangle(h, w, pixels) for h, w in maps]).T
    rectangles = -(-rows["out_w"] // wide) * -(-rows["out_h"] // high)
    return -(-rows["out_h"] * rows["out_w"] // pixels) == rectangles


def energies(rows, results, simulated, alone, technology):
    """Energy of each layer, all without leakage and interleaving, which ZigZag does not know.

    The convolution of NZP that ZigZag was given reads its zeros from DRAM, as ours does with zeros
    "stored".

    Args:
        rows, results: as for `zigzag`.
        simulated: what `splitdeconv.dlp.simulate` returned of the same run.
        alone: the same of `apart(rows)`.
        technology: the `Technology` of all.

    Returns:
        DataFrame: layer, kind, ours_pj; alone_pj, ours if each convolution reads its input from
            DRAM, as ZigZag has it, which runs them one by one; theirs_pj.
    """
    found = _beside(rows, results)
    layers = simulated[["name", "kind"]].rename(columns={"name": "layer"})
    columns = {
        "alone_pj": comparable(alone, technology).to_numpy(),
        "theirs_pj": found["energy_pj"],
    }
    products = {name: found["times"] * values for name, values in columns.items()}
    sums = found[["layer"]].assign(**products)
    sums = sums.groupby("layer", sort=False).sum().reindex(layers["layer"]).reset_index(drop=True)
    return layers.assign(ours_pj=comparable(simulated, technology), **sums)


def apart(rows):
    """Stated convolutions as a network of their own, each of which is a layer."""
    window = {"k": "taps", "stride": "stride", "dilation": "dilation", "in": "in"}
    table = rows[["name", "c_in", "c_out"]].assign(kind="conv", padding="EXPLICIT")
    for side in "hw":
        sizes = {name: rows[f"{field}_{side}"] for name, field in window.items()}
        reach = sizes["dilation"] * (sizes["k"] - 1) + 1
        span = (rows[f"out_{side}"] - 1) * sizes["stride"] + reach
        added = (span - sizes["in"]).clip(lower=0)
        sizes |= {"before": added // 2, "end": added - added // 2}
        table = table.assign(**{f"{name}_{side}": values for name, values in sizes.items()})
    return table


def comparable(simulated, technology):
    """Our energy of each layer without leakage, interleaving and inserted zeros."""
    interleaving = simulated["dram_interleave_bytes"] / 8 * technology.dram_pj
    return simulated["energy_pj"] - simulated["energy_leakage_pj"] - interleaving


def ratios(table):
    """NZP's energy over SD's, in the transposed convolutions of each network, array and dataflow.

    Args:
        table: rows of `energies` with the columns network, method, array and dataflow.

    Returns:
        DataFrame: network, array, dataflow; ours, alone, theirs (ratios); difference and
            difference_alone, relative to theirs.
    """
    keys, columns = ["network", "array", "dataflow"], ["ours", "alone", "theirs"]
    chosen = table[table["kind"] == "deconv"].groupby([*keys, "method"])
    sums = chosen[[f"{column}_pj" for column in columns]].sum().set_axis(columns, axis=1)
    found = (sums.xs("nzp", level="method") / sums.xs("sd", level="method")).reset_index()
    differences = {"difference": found["ours"], "difference_alone": found["alone"]}
    return found.assign(
        **{name: ratio / found["theirs"] - 1 for name, ratio in differences.items()}
    )


def _beside(rows, results):
    """The convolutions with the results of their names."""
    found = rows.merge(results, on="name", how="left", validate="one_to_one")
    lost = found.loc[found[results.columns].isna().any(axis=1), "name"]
    if not lost.empty:
        raise ValueError(f"there are no results for {', '.join(lost)}")
    return found

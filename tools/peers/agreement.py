"""Our numbers beside those of other simulators, on the convolutions exported to them."""

from dataclasses import replace

import numpy as np

from splitdeconv.dlp import cycles
from splitdeconv.dlp.energy import sram_pj
from splitdeconv.dlp.export.zigzag import rectangle
from splitdeconv.dlp.processor import load_technology
from splitdeconv.dlp.simulate import simulate
from splitdeconv.dlp.steps import input_tiles, issued, weight_tiles

_BUFFERS = ("input_buffer_kib", "weight_buffer_kib", "output_buffer_kib")


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


def energies(rows, results, table, processor, method, dataflow):
    """Energy of each layer, all without leakage and interleaving, which ZigZag does not know.

    The convolution of NZP that ZigZag was given reads its zeros from DRAM, as ours does with zeros
    "stored".

    Args:
        rows, results: as for `zigzag`.
        table: the layers.
        processor, method, dataflow: as exported.

    Returns:
        DataFrame: layer, kind, times; ours_pj; alone_pj, ours as ZigZag has the memories (see
            `alone`); theirs_pj; least_pj, theirs if ZigZag had moved as few words as `alone`;
            alone_words and theirs_words, moved from and to DRAM.
    """
    technology = load_technology(processor.technology)
    found = _beside(rows, results)
    whole = simulate(table, processor, method, dataflow=dataflow, zeros="stored")
    layers = whole[["name", "kind"]].rename(columns={"name": "layer"})
    single = alone(rows, processor, dataflow)
    byte = technology.dram_pj / 8
    dram = found[["dram_input_pj", "dram_weight_pj", "dram_output_pj"]].sum(axis=1)
    columns = {
        "alone_pj": comparable(single, technology).to_numpy(),
        "theirs_pj": found["energy_pj"],
        "alone_words": single["dram_bytes"].to_numpy() * 8 / processor.word_bits,
        "theirs_words": dram / byte * 8 / processor.word_bits,
    }
    # What a word costs in DRAM, and in the buffer that it passes.
    cost = byte + float(sram_pj(technology, _kib(processor))) / 8
    more = (columns["theirs_words"] - columns["alone_words"]) * processor.word_bits / 8
    columns["least_pj"] = columns["theirs_pj"] - more * cost
    products = {name: found["times"] * values for name, values in columns.items()}
    sums = found[["layer"]].assign(times=found["times"], **products)
    sums = sums.groupby("layer", sort=False).sum().reindex(layers["layer"]).reset_index(drop=True)
    return layers.assign(ours_pj=comparable(whole, technology), **sums)


def alone(rows, processor, dataflow):
    """Stated convolutions simulated with memories as ZigZag has them.

    Each runs by itself and reads its padding from DRAM; what is worked on may fill a buffer, where
    ours keeps half of it for what comes next; sums may go to DRAM and back.
    """
    technology = load_technology(processor.technology)
    kib = _kib(processor)
    # The double of a buffer, at the energy of the buffer.
    access = float(sram_pj(technology, kib))
    machine = replace(processor, sums="dram", **dict.fromkeys(_BUFFERS, 2 * kib))
    costs = replace(technology, sram_pj=((kib, access), (2 * kib, access)))
    return simulate(apart(rows), machine, dataflow=dataflow, technology=costs)


def apart(rows):
    """Stated convolutions as a network of their own, each a layer over a map with its padding."""
    table = rows[["name", "c_in", "c_out"]].assign(kind="conv", padding="VALID")
    for side in "hw":
        k, stride, dilation = (rows[f"{name}_{side}"] for name in ("taps", "stride", "dilation"))
        span = (rows[f"out_{side}"] - 1) * stride + dilation * (k - 1) + 1
        sizes = {"in": span, "k": k, "stride": stride, "dilation": dilation}
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
        DataFrame: network, array, dataflow; ours, alone, theirs, least (ratios); difference and
            difference_alone, relative to theirs; difference_least, of alone to least; nzp_words
            and sd_words, what ZigZag moves from and to DRAM over what `alone` does.
    """
    keys, columns = ["network", "array", "dataflow"], ["ours", "alone", "theirs", "least"]
    names = [*(f"{column}_pj" for column in columns), "alone_words", "theirs_words"]
    chosen = table[table["kind"] == "deconv"].groupby([*keys, "method"])[names].sum()
    nzp, sd = (chosen.xs(method, level="method") for method in ("nzp", "sd"))
    found = (nzp / sd)[names[:4]].set_axis(columns, axis=1)
    found = found.assign(
        difference=found["ours"] / found["theirs"] - 1,
        difference_alone=found["alone"] / found["theirs"] - 1,
        difference_least=found["alone"] / found["least"] - 1,
        nzp_words=nzp["theirs_words"] / nzp["alone_words"],
        sd_words=sd["theirs_words"] / sd["alone_words"],
    )
    return found.reset_index()


def accelforge(rows, results, best):
    """Words from and to DRAM of convolutions run once, with one buffer for all operands.

    Args:
        rows, results: as for `scalesim`, but of tools/peers/run_accelforge.py.
        best: the `tools.peers.shared.Least` of each.

    Returns:
        DataFrame: network, method, layer; words of input, weight and output (sums that go and
            return included): `ours_`; `given_`, what accelforge counts for our nest; `found_`, for
            the one that it finds; and same: whether tiles cut rows and columns evenly. Where they
            do not, accelforge counts fractions of a tile.
    """
    found = _beside(rows, results)
    names = ("input", "weight", "output")
    columns = {f"ours_{name}": [getattr(one, name) for one in best] for name in names}
    columns |= {name: found[name] for name in results.columns if name != "name"}
    sizes = [{"p": row.out_h, "q": row.out_w} for row in rows.itertuples()]
    same = [
        all(name not in whole or whole[name] % size == 0 for name, size in one.nest)
        for one, whole in zip(best, sizes, strict=True)
    ]
    return found[["network", "method", "layer"]].assign(**columns, same=same)


def _kib(processor):
    """The size of all three buffers."""
    (kib,) = {getattr(processor, name) for name in _BUFFERS}
    return kib


def _beside(rows, results):
    """The convolutions with the results of their names."""
    found = rows.merge(results, on="name", how="left", validate="one_to_one")
    lost = found.loc[found[results.columns].isna().any(axis=1), "name"]
    if not lost.empty:
        raise ValueError(f"there are no results for {', '.join(lost)}")
    return found

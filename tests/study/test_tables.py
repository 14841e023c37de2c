"""The tables of notebooks hold the numbers of the library, in few columns."""

import numpy as np
import pandas as pd
import pytest

import splitdeconv as sd
from splitdeconv.study import tables


def test_layers_are_told_by_shape_and_operations():
    table = tables.layers(sd.dlp.workload("fst"))
    assert table.shape[1] == 9
    row = table.loc["deconv1"]
    assert row[["input", "output", "kernel", "stride"]].tolist() == [
        "64x64x128",
        "128x128x64",
        "3x3",
        "2x2",
    ]
    counts = sd.plan((64, 64), 3, 2).macs(128, 64)
    for name in ("useful", "nzp", "split", "paper"):
        assert row[f"{name}, M"] == pytest.approx(counts[name] / 1e6, abs=0.005), name
    other = table[table["kind"] == "conv"]
    assert (other["useful, M"] == other["nzp, M"]).all()


def test_rows_of_some_layers_keep_their_own_operations():
    whole = sd.dlp.workload("dcgan")
    part = whole[whole["kind"] == "deconv"]
    pd.testing.assert_frame_equal(tables.layers(part), tables.layers(whole).loc[part["name"]])


def test_the_numbers_of_processors_stand_beside_their_origins():
    machines = [sd.dlp.load_processor(name) for name in ("eyeriss_like", "tpu_v5e_like")]
    table = tables.origins(machines)
    assert len(table) == sum(len(machine.origins) for machine in machines)
    for machine in machines:
        assert table.loc[(machine.name, "rows"), "value"] == str(machine.rows)
        assert table.loc[(machine.name, "dram_gb_s"), "value"] == f"{machine.dram_gb_s:g}"
        assert table.loc[(machine.name, "rows"), "origin"] == machine.origins["rows"]


def test_the_energies_are_those_of_the_technologies():
    names = list(sd.dlp.technologies())
    table = tables.energies(names)
    assert list(table) == names
    for name in names:
        known = sd.dlp.load_technology(name)
        assert table.loc["64 bits of DRAM, pJ", name] == f"{known.dram_pj:g}"
        assert f"int8 {known.mac_pj['int8']:g}" in table.loc["multiply-accumulate, pJ", name]
        size, energy = known.sram_pj[1]
        assert f"{energy:g} at {size:g} KiB" in table.loc["64 bits of a buffer, pJ", name]
        assert "{" not in "".join(table[name])


@pytest.mark.parametrize("square", [True, False])
def test_the_gain_is_the_ratio_of_cycles_at_the_buffer_nearest_64_kib(square):
    arrays = {"8x16": {"rows": 8, "cols": 16}}
    if square:
        arrays["12x12"] = {"rows": 12, "cols": 12}
    kinds = ("input", "weight", "output")
    axes = {
        "array": arrays,
        "buffer": {str(n): {f"{kind}_buffer_kib": n for kind in kinds} for n in (16, 100)},
        "dram_gb_s": [1.5, 12.0],
    }
    space = sd.dlp.sweep(["dcgan"], "pe_array_32x7", axes, methods=["nzp", "sd"])
    table, kib = tables.gain_by_bandwidth(space, arrays, (16, 100))
    assert kib == 100
    assert set(table["array"]) == ({"12x12"} if square else {"8x16"})
    assert len(table) == 2
    for row in table.itertuples():
        one = space["cycles"].sel(
            {
                "network": "dcgan",
                "part": "deconv",
                "skip": "none",
                "array": row.array,
                "buffer": "100",
                "dram_gb_s": row.dram_gb_s,
            }
        )
        cycles = {method: float(one.sel({"method": method})) for method in ("nzp", "sd")}
        assert row.speedup == pytest.approx(cycles["nzp"] / cycles["sd"], rel=1e-12)
    assert np.isfinite(table["speedup"]).all()

"""Energies of the package's technologies follow from the table that they cite."""

import math
from pathlib import Path

import pandas as pd
import pytest

from splitdeconv.dlp import load_technology


@pytest.fixture(scope="module")
def energy_constants():
    return pd.read_csv(Path(__file__).parents[2] / "data/reference/energy_constants.csv")


def test_energies_of_memories_are_those_of_the_table_they_cite(energy_constants):
    for name, source, node in (("horowitz_45nm", "Horowitz", 45), ("cacti_40nm", "CACTI", 40)):
        technology = load_technology(name)
        rows = energy_constants.query("width_bits == 64")
        chosen = (
            rows["item"].str.startswith("SRAM")
            & rows["source"].str.startswith(source)
            & (rows["node_nm"] == node)
        )
        rows = rows[chosen]
        kib = [
            float(size) * {"KB": 1, "MB": 1024}[unit]
            for _, size, unit, _ in rows["item"].str.split()
        ]
        assert technology.sram_pj == tuple(zip(kib, rows["energy_pj"], strict=True))
        dram = energy_constants.set_index("item")["energy_pj"]
        assert technology.dram_pj == dram["DRAM read (low)"]
        assert technology.dram_pj * technology.high["dram"] == dram["DRAM read (high)"]


@pytest.mark.parametrize("name", ["horowitz_45nm", "cacti_40nm"])
def test_energies_of_multipliers_are_those_of_the_table_or_follow_from_it(name, energy_constants):
    mac = load_technology(name).mac_pj
    known = energy_constants.set_index(["item", "width_bits"])["energy_pj"].to_dict()
    sums = {"int": known["int add", 32], "float": known["float add", 32]}
    for kind, short, bits in (("int", "int", 8), ("int", "int", 32), ("float", "fp", 32)):
        product = known[f"{kind} multiply", bits]
        assert mac[f"{short}{bits}"] == pytest.approx(product + sums[kind])
    half = known["float multiply", 16]
    assert mac["fp16"] == pytest.approx(half + sums["float"])
    # Derived, and rounded to a hundredth.
    slope = math.log(known["int multiply", 32] / known["int multiply", 8]) / math.log(32 / 8)
    for bits in (4, 16):
        product = known["int multiply", 8] * (bits / 8) ** slope
        assert mac[f"int{bits}"] == pytest.approx(product + sums["int"], abs=0.005)
    ratio = known["bfloat multiply (7 nm)", 16] / known["float multiply (7 nm)", 16]
    assert mac["bf16"] == pytest.approx(half * ratio + sums["float"], abs=0.005)
    assert mac["fp8"] == pytest.approx(mac["int8"] * math.sqrt(1.5 * 2.8), abs=0.005)

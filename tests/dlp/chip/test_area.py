"""Area and peak power by hand, from the sources they cite, and against a simulated network."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from splitdeconv.dlp import area, load_processor, load_technology, processors, simulate
from splitdeconv.dlp.checks import PARTS
from splitdeconv.dlp.chip.area import area_of
from tests.dlp.tables import layer, table
from tests.refusals import refused

PROCESSOR = load_processor("pe_array_32x7")
TECHNOLOGY = replace(
    load_technology("cacti_40nm"),
    mac_pj={"int8": 0.5, "fp16": 2.0},
    mac_um2={"int8": 500.0, "fp16": 4000.0},
    register_pj=0.1,
    register_um2_per_bit=5.0,
    sram_pj=((1.0, 8.0), (1024.0, 8.0)),
    sram_um2_per_kib=3000.0,
    dram_pj=1000.0,
    leakage_uw_per_kib=20.0,
    leakage_uw_per_mac=4.0,
)
SMALL = replace(
    PROCESSOR,
    rows=10,
    cols=4,
    clock_mhz=500.0,
    dram_gb_s=4.0,
    input_buffer_kib=16.0,
    weight_buffer_kib=8.0,
    output_buffer_kib=40.0,
    accumulator_bits=24,
)


@pytest.fixture(scope="module")
def constants():
    rows = pd.read_csv(Path(__file__).parents[3] / "data/reference/area_constants.csv")
    return rows.set_index(["node_nm", "item", "width_bits"])["area_um2"].to_dict()


@pytest.mark.parametrize(("name", "node"), [("cacti_40nm", 40), ("horowitz_45nm", 45)])
def test_areas_are_those_of_the_table_or_follow_from_it(name, node, constants):
    technology, found = load_technology(name), {}
    for (at, item, bits), value in constants.items():
        if at == node:
            found[item, bits] = value
    adders = {"int": found["int add", 32], "fp": found["float add", 32]}
    wide, full = found["int multiply", 32], found["float multiply", 32]
    exponent = 2.0
    if node == 45:
        exponent = math.log(wide / found["int multiply", 8]) / math.log(32 / 8)
    half = found.get(("float multiply", 16), full * (11 / 24) ** 2)
    products = {f"int{bits}": wide * (bits / 32) ** exponent for bits in (4, 8, 16, 32)}
    products |= {"fp32": full, "fp16": half, "bf16": half * (8 / 11) ** 2}
    for key, product in products.items():
        total = product + adders["int" if key.startswith("int") else "fp"]
        # Rounded to a square micrometre.
        assert technology.mac_um2[key] == pytest.approx(total, abs=0.6), key
    fp8 = technology.mac_um2["int8"] * math.sqrt(1.5 * 2.8)
    assert technology.mac_um2["fp8"] == pytest.approx(fp8, abs=1.5)
    assert set(technology.mac_um2) == {*products, "fp8"} == set(technology.mac_pj)
    memories = [
        value / float(item.split()[1])
        for (item, _), value in found.items()
        if item.startswith("SRAM")
    ]
    assert len(memories) == 5
    assert technology.sram_um2_per_kib == pytest.approx(np.mean(memories), abs=5)
    register = constants[40, "register", 1] * (node / 40) ** 2
    assert technology.register_um2_per_bit == pytest.approx(register, abs=0.005)


def test_the_parts_of_a_systolic_array_are_those_worked_out_by_hand():
    found = area(SMALL, TECHNOLOGY)
    # 40 multipliers of 500 um2, 40 bits of registers each, 64 KiB.
    assert found["area_multiplier_mm2"] == pytest.approx(0.02)
    assert found["area_register_mm2"] == pytest.approx(40 * 40 * 5 / 1e6)
    assert found["area_buffer_mm2"] == pytest.approx(0.192)
    assert found["area_mm2"] == pytest.approx(0.02 + 0.008 + 0.192)
    low, high = TECHNOLOGY.low["area"], TECHNOLOGY.high["area"]
    assert found["area_low_mm2"] == pytest.approx(0.22 * low)
    assert found["area_high_mm2"] == pytest.approx(0.22 * high)
    # 40 multiplications at 500 MHz are 20 a nanosecond: 20 mW for each picojoule.
    assert found["peak_power_mac_w"] == pytest.approx(0.02 * 0.5)
    # 4 GB/s are half a 64-bit word a nanosecond: 0.5 W for 1000 pJ.
    assert found["peak_power_dram_w"] == pytest.approx(0.5)
    assert found["peak_power_leakage_w"] == pytest.approx((20 * 64 + 4 * 40) / 1e6)
    # Weight stationary takes most: 3 words of 8 bits and a sum of 24 read and written in registers,
    # a quarter of a word of input and a fifth of a sum in buffers, at 8 pJ for 64 bits; and what
    # DRAM moves.
    assert found["peak_power_register_w"] == pytest.approx(0.02 * 0.1 * (3 * 8 + 48) / 8)
    buffers = 0.02 * (8 / 4 + 24 / 5) / 64 * 8 + 0.5 * 8 / 1e3
    assert found["peak_power_buffer_w"] == pytest.approx(buffers)
    total = sum(found[f"peak_power_{part}_w"] for part in PARTS)
    assert found["peak_power_w"] == pytest.approx(total)
    assert found["peak_power_low_w"] < total < found["peak_power_high_w"]
    assert found["tops_per_w"] == pytest.approx(2 * 40 * 500e6 / 1e12 / total)


def test_a_unit_of_a_dot_product_array_has_one_sum_and_shares_what_it_latches():
    dot = replace(load_processor("dot_product_16x16"), rows=8, cols=5, stripe_pixels=4)
    found = area(dot, TECHNOLOGY)
    assert found["area_register_mm2"] == pytest.approx(40 * (16 + 32 / 8) * 5 / 1e6)
    macs, moved = 40 * 800e6 * 1e-12, 12.8e9 / 8 * 8e-12
    assert found["peak_power_register_w"] == pytest.approx(macs * 0.1 * (16 + 64 / 8) / 8)
    buffers = macs * (8 / 5 + 8 / 4) / 64 * 8 + moved
    assert found["peak_power_buffer_w"] == pytest.approx(buffers)


def test_floats_are_larger_and_take_more():
    floats = replace(
        SMALL,
        word_bits=16,
        number_type="fp16",
        origins=SMALL.origins | {"number_type": "an experiment"},
    )
    found = area(floats, TECHNOLOGY)
    assert found["area_multiplier_mm2"] == pytest.approx(40 * 4000 / 1e6)
    assert found["peak_power_mac_w"] == pytest.approx(0.02 * 2.0)
    with refused("does not have this number type"):
        area(replace(SMALL, word_bits=16), TECHNOLOGY)


@pytest.mark.parametrize("name", processors())
def test_parts_add_up_and_power_exceeds_that_of_any_layer(name):
    processor = load_processor(name)
    found = area(name)
    parts = sum(found[f"area_{part}_mm2"] for part in ("multiplier", "register", "buffer"))
    assert found["area_mm2"] == pytest.approx(parts)
    assert found["area_low_mm2"] < found["area_mm2"] < found["area_high_mm2"]
    # Large in every direction and a multiple of every array, so that the multipliers are busy.
    one = table(layer("conv", (512, 512), (3, 3), (1, 1), (512, 512), 1024, 1024))
    one["macs"] = 512 * 512 * 9 * 1024 * 1024
    for flow in processor.dataflows:
        (row,) = simulate(one, processor, "sd", dataflow=flow).to_dict("records")
        spent = {part: row[f"energy_{part}_pj"] / row["latency_us"] / 1e6 for part in PARTS}
        for part in ("mac", "dram", "leakage"):
            assert spent[part] <= found[f"peak_power_{part}_w"] * (1 + 1e-9), (flow, part)
        assert sum(spent.values()) <= found["peak_power_w"] * 1.02


def test_arrays_of_processors_are_each_of_them():
    fields = {
        "rows": np.array([8, 16, 64]),
        "cols": np.array([32, 16, 5]),
        "weight_buffer_kib": np.array([8.0, 64.0, 4096.0]),
        "clock_mhz": np.array([100.0, 800.0, 200.0]),
    }
    many = SimpleNamespace(**vars(PROCESSOR) | fields, peak=fields["rows"] * fields["cols"])
    found = area_of(many, load_technology("horowitz_45nm"))
    for index in range(3):
        one = replace(PROCESSOR, **{name: values[index].item() for name, values in fields.items()})
        for name, value in area(one, "horowitz_45nm").items():
            assert np.broadcast_to(found[name], 3)[index] == pytest.approx(value, rel=1e-12), name

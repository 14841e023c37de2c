"""Floats and narrow integers from end to end: what changes, and what must not."""

from dataclasses import replace

import pytest

from splitdeconv.dlp import load_processor, load_technology, simulate, sweep
from tests.dlp.tables import networks

DCGAN = networks("DCGAN")
PROCESSOR = load_processor("pe_array_32x7")
ORIGINS = PROCESSOR.origins | {"number_type": "an experiment"}


def run(name, bits):
    one = replace(PROCESSOR, number_type=name, word_bits=bits, origins=ORIGINS)
    return simulate(DCGAN, one, "sd", "WA")


def test_types_of_as_many_bits_differ_in_their_multiplications_alone():
    macs = load_technology(PROCESSOR.technology).mac_pj
    integers, floats = run(None, 16), run("bf16", 16)
    ratio = macs["bf16"] / macs["int16"]
    energies = floats["energy_mac_pj"] / integers["energy_mac_pj"]
    assert energies.tolist() == pytest.approx([ratio] * len(DCGAN))
    changed = {"energy_pj", "energy_mac_pj", "energy_low_pj", "energy_high_pj"}
    for name in set(floats) - changed:
        assert floats[name].equals(integers[name]), name


def test_half_as_many_bits_are_half_the_traffic_in_as_many_cycles_of_the_array():
    # Where every map and filter fits anyway; bursts are not filled by pixels of 3 channels.
    large = {f"{name}_buffer_kib": 1e6 for name in ("input", "weight", "output")}
    int4, int8 = (
        simulate(DCGAN, replace(PROCESSOR, word_bits=bits, **large), "sd") for bits in (4, 8)
    )
    assert (2 * int4["dram_bytes"]).tolist() == int8["dram_bytes"].tolist()
    assert int4["compute_cycles"].tolist() == int8["compute_cycles"].tolist()


def test_types_are_swept_with_their_bits():
    axes = {
        "operands": {
            "int8": {"word_bits": 8},
            "fp8": {"word_bits": 8, "number_type": "fp8"},
            "bf16": {"word_bits": 16, "number_type": "bf16"},
        }
    }
    cube = sweep({"dcgan": DCGAN}, PROCESSOR, axes, methods=["sd"], skips=["WA"])
    energies = cube.energy_pj.sel(part="network").values.ravel().tolist()
    expected = [run(*one)["energy_pj"].sum() for one in ((None, 8), ("fp8", 8), ("bf16", 16))]
    assert energies == pytest.approx(expected)

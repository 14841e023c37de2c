"""ZigZag's accelerators as processors: what our own export writes, and a file of another chip."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from splitdeconv.dlp import (
    export,
    import_processor,
    load_processor,
    processors,
    simulate,
)
from tests.dlp.imports.accelerators import ZIGZAG, changed
from tests.dlp.tables import networks
from tests.refusals import refused

#: The loops over rows and columns.
FLOW = "dataflows:\n  D1: ['{}, 6']\n  D2: ['{}, 10']\n"


@pytest.fixture
def imported(tmp_path):
    def imported(text, **options):
        path = tmp_path / "chip.yaml"
        path.write_text(text, encoding="utf-8")
        return import_processor(path, **options)

    return imported


@pytest.mark.parametrize("name", processors())
def test_an_export_is_imported_with_the_same_numbers(tmp_path, name):
    table, source = networks("DCGAN"), load_processor(name)
    export(table, source, tmp_path, "zigzag")
    found, technology = import_processor(tmp_path / "accelerator.yaml", start=source)
    # ZigZag's bandwidths are whole bits per cycle.
    bits = int(source.dram_gb_s * 8000 / source.clock_mhz)
    assert found.dram_gb_s == pytest.approx(bits * source.clock_mhz / 8000)
    given = {"title": found.title, "origins": found.origins, "dram_gb_s": found.dram_gb_s}
    assert found == replace(source, **given)
    theirs = simulate(table, replace(source, dram_gb_s=found.dram_gb_s), "sd")
    ours = simulate(table, found, "sd", technology=technology)
    assert (ours["cycles"] == theirs["cycles"]).all()
    for part in ("mac", "register", "buffer", "dram"):
        column = f"energy_{part}_pj"
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-12, err_msg=part)
    assert not ours["energy_leakage_pj"].any()  # ZigZag has none


def test_each_value_is_where_the_file_has_it(imported):
    processor, technology = imported(ZIGZAG)
    assert (processor.name, processor.title) == ("small chip", "Imported from ZigZag: chip.yaml")
    assert (processor.array, processor.rows, processor.cols) == ("systolic", 6, 10)
    assert (processor.word_bits, processor.accumulator_bits) == (8, 24)
    sizes = (processor.input_buffer_kib, processor.weight_buffer_kib, processor.output_buffer_kib)
    assert sizes == (12, 24, 12)
    # 48 bits a cycle are 6 bytes, at the clock of the processor to start from.
    start = load_processor("pe_array_32x7")
    assert processor.clock_mhz == start.clock_mhz
    assert processor.dram_gb_s == pytest.approx(6 * start.clock_mhz / 1000)
    assert technology.mac_pj == {"int8": 0.25}
    # pJ a bit: inputs and weights 0.02 / 8 each way, sums 0.06 / 24 and 0.12 / 24; in the mean
    # 0.0175 / 6.
    assert technology.register_pj == pytest.approx(8 * 0.0175 / 6)
    assert technology.low["register"] == pytest.approx(0.0025 / (0.0175 / 6))
    assert technology.high["register"] == pytest.approx(0.005 / (0.0175 / 6))
    # 12 KiB: inputs 16 / 80 = 0.2 pJ a bit, twice; outputs 36 / 240 = 0.15 and 60 / 240 = 0.25.
    expected = [(12, 64 * 0.2), (24, 64 * 0.3)]
    np.testing.assert_allclose(technology.sram_pj, expected, rtol=1e-12)
    assert (technology.low["buffer"], technology.high["buffer"]) == pytest.approx((0.75, 1.25))
    # 600 / 48 and 840 / 48 pJ a bit: 15 in the mean, a sixth less or more.
    assert technology.dram_pj == pytest.approx(64 * 15)
    assert (technology.low["dram"], technology.high["dram"]) == pytest.approx((5 / 6, 7 / 6))
    assert (technology.leakage_uw_per_kib, technology.leakage_uw_per_mac) == (0, 0)


def test_origins_say_what_is_of_the_file_and_what_is_not(imported):
    processor, technology = imported(ZIGZAG, start="pe_array_16x16")
    assert processor.origins["rows"] == "from chip.yaml, key operational_array.sizes (D1)"
    assert processor.origins["weight_buffer_kib"] == "from chip.yaml, key memories.sram_w.size"
    assumed = {name for name, text in processor.origins.items() if text.startswith("assumed")}
    assert assumed == {
        *("dataflows", "skipping", "clock_mhz", "number_type", "burst_bytes", "stripe_pixels"),
        *("strided_writes", "sums", "zero_gating", "native"),
    }
    expected = "assumed: that of pe_array_16x16; chip.yaml does not say"
    assert processor.origins["burst_bytes"] == expected
    assert technology.origins["dram_pj"] == "from chip.yaml, key memories.dram"
    assert technology.origins["mac_um2"].startswith("assumed: that of cacti_40nm")


@pytest.mark.parametrize(
    ("loops", "flow", "sizes"),
    [
        (("OX", "K"), "output_stationary", (6, 10)),
        (("K", "OY"), "output_stationary", (10, 6)),
        (("C", "K"), "weight_stationary", (6, 10)),
        (("K", "FX"), "weight_stationary", (10, 6)),
        (("C", "B"), "input_stationary", (6, 10)),
        (("OX", "C"), "input_stationary", (10, 6)),
    ],
)
def test_unrolled_loops_mean_a_dataflow(imported, loops, flow, sizes):
    processor, _ = imported(ZIGZAG + FLOW.format(*loops))
    assert processor.dataflows == (flow,)
    assert (processor.rows, processor.cols) == sizes
    assert processor.origins["dataflows"] == "from chip.yaml, key dataflows"


def test_one_sum_for_all_rows_is_a_dot_product(imported):
    content = yaml.safe_load(ZIGZAG)
    content["memories"]["reg_out"]["served_dimensions"] = ["D1"]
    processor, _ = imported(yaml.safe_dump(content, sort_keys=False))
    assert (processor.array, processor.dataflows) == ("dot_product", ("dot_product",))
    assert processor.origins["stripe_pixels"].startswith("assumed: that of dot_product_16x16")
    with refused("another kind of array") as caught:
        imported(yaml.safe_dump(content, sort_keys=False), start="pe_array_32x7")
    assert caught.value.got == "pe_array_32x7, systolic"


def test_words_of_another_width_are_integers(imported):
    content = yaml.safe_load(ZIGZAG)
    for name in ("reg_in", "reg_w"):
        content["memories"][name]["size"] = 4
        for port in content["memories"][name]["ports"]:
            port["bandwidth_max"] = 4
    processor, technology = imported(yaml.safe_dump(content, sort_keys=False), start="tpu_v5e_like")
    assert (processor.word_bits, processor.number_type) == (4, None)
    assert list(technology.mac_pj) == ["int4"]


def test_energies_of_nothing_are_the_least_possible(imported):
    content = yaml.safe_load(ZIGZAG)
    for name in ("reg_in", "reg_w", "reg_out"):
        content["memories"][name] |= {"r_cost": 0, "w_cost": 0}
    _, technology = imported(yaml.safe_dump(content, sort_keys=False))
    assert technology.register_pj == 1e-9


WRONG = {
    "dimensions: [D1, D2]\n  sizes: [6, 10]": (
        "dimensions: [D1, D2, D3]\n  sizes: [6, 10, 2]",
        "operational_array.dimensions: expected [D1, D2]",
    ),
    "unit_energy: 0.25": ("unit_energy: 0.25\n  is_imc: true", "operational_array.is_imc: "),
    "unit_area: 1": ("colour: 1", "operational_array.colour: unknown key"),
    "name: small chip": ("name: small chip\nmapping: {}", "mapping: unknown key"),
    "sizes: [6, 10]": ("sizes: [6.5, 10]", "operational_array.sizes.D1: expected a whole number"),
    "operands: [I2]": ("operands: [I1, I2]", "memories.sram_w: shared by I1, I2"),
    "size: 98304\n    r_cost: 16": (
        "size: 98304\n    auto_cost_extraction: true\n    r_cost: 16",
        "memories.sram_in.auto_cost_extraction: expected False, got True",
    ),
    "bandwidth_max: 80": ("bandwidth_max: 40", "memories.sram_in (read port): expected 6 words"),
    "size: 24\n": ("size: 48\n", "memories.reg_out.size: expected one word"),
    "served_dimensions: []": ("served_dimensions: [D2]", "memories.reg_in.served_dimensions: "),
    "type: read_write": ("type: read", "memories.dram: as the last memory, expected DRAM"),
    "r_cost: 600": ("r_cost: -600", "memories.dram.r_cost: expected a number of 0 or more"),
    "w_cost: 840": ("w_cost: high", "memories.dram.w_cost: expected a number of 0 or more"),
    "latency: 1": ("latency: 3", "memories.reg_in.latency: expected 1, got 3"),
    '"I1, tl"]': ('"I1, fh"]', "memories.reg_in.ports.0.allocation: expected "),
}


@pytest.mark.parametrize("old", WRONG)
def test_what_the_model_does_not_have_is_refused_by_name(imported, old):
    new, message = WRONG[old]
    with refused("the model has no such architecture") as caught:
        imported(changed(ZIGZAG, (old, new)))
    assert message in caught.value.got


@pytest.mark.parametrize(
    "loops", [("K", "K"), ("C", "OX, 2', 'C"), ("G", "K"), ("OX", "FY, 2', 'K")]
)
def test_other_dataflows_are_refused(imported, loops):
    with refused("the model has no such architecture") as caught:
        imported(ZIGZAG + FLOW.format(*loops))
    assert caught.value.got.startswith("dataflows: expected ")


def test_all_that_is_refused_is_named_at_once(imported):
    extra = (
        "  l2:\n    size: 9\n    r_cost: 1\n    w_cost: 1\n    latency: 2\n    operands: [I1, O]\n"
    )
    extra += "    served_dimensions: [D1, D2]\n    ports: []\n    wordlines: 4\n  dram:\n"
    with refused("7 entries of it do not fit") as caught:
        imported(changed(ZIGZAG, ("  dram:\n", extra), ("sizes: [6, 10]", "sizes: [6, 0]")))
    for name in (
        *("memories.l2.wordlines: unknown key", "memories.l2.latency: ", "memories.l2: shared by "),
        *(
            "memories of I1: ",
            "memories of O: expected register, buffer, DRAM, got reg_out, sram_out",
        ),
        "operational_array.sizes.D2: ",
    ):
        assert name in caught.value.got
    # Where reasons are too many for an error, every name is still there.
    many = "".join(f"  key_{index:02}: 1\n" for index in range(30))
    with refused("30 entries of it do not fit") as caught:
        imported(changed(ZIGZAG, ("memories:\n", f"{many}memories:\n")))
    assert all(f"operational_array.key_{index:02}" in str(caught.value) for index in range(30))

"""accelforge's architectures as processors: each value, and what is refused."""

import numpy as np
import pytest

from splitdeconv.dlp import import_processor, load_processor, simulate
from splitdeconv.dlp.imports.components import arithmetic
from tests.dlp.imports.accelerators import ACCELFORGE, changed
from tests.dlp.tables import networks
from tests.refusals import refused


@pytest.fixture
def imported(tmp_path):
    def imported(text, **options):
        path = tmp_path / "arch.yaml"
        path.write_text(text, encoding="utf-8")
        return import_processor(path, **options)

    return imported


def test_each_value_is_where_the_file_has_it(imported):
    processor, technology = imported(ACCELFORGE)
    assert (processor.name, processor.title) == ("arch", "Imported from accelforge: arch.yaml")
    # Outputs are shared by the rows, which add up, and inputs by the columns.
    assert (processor.rows, processor.cols, processor.dataflows) == (4, 12, ("weight_stationary",))
    sizes = (processor.input_buffer_kib, processor.weight_buffer_kib, processor.output_buffer_kib)
    assert sizes == (4, 16, 8)
    assert processor.word_bits == 16
    assert (processor.clock_mhz, processor.dram_gb_s) == pytest.approx((500, 5))
    assert technology.node_nm == 28
    assert technology.mac_pj == {"int16": pytest.approx(0.4)}
    assert technology.register_pj == 1e-9  # a dummy costs nothing
    # pJ a bit: inputs 3 / 16, weights 8 / 32, outputs 0.25 and 0.15; DRAM 6 and 9.
    expected = [(4, 64 * 3 / 16), (8, 64 * 0.2), (16, 64 / 4)]
    np.testing.assert_allclose(technology.sram_pj, expected, rtol=1e-12)
    assert (technology.low["buffer"], technology.high["buffer"]) == pytest.approx((0.75, 1.25))
    assert technology.dram_pj == pytest.approx(64 * 7.5)
    assert (technology.low["dram"], technology.high["dram"]) == pytest.approx((0.8, 1.2))
    # 6 uW and 7000 um2 of 28 KiB; 7 nW of a multiplier, whose area the file does not give.
    assert technology.leakage_uw_per_kib == pytest.approx(6 / 28)
    assert technology.sram_um2_per_kib == pytest.approx(7000 / 28)
    assert technology.leakage_uw_per_mac == pytest.approx(0.007)
    assert technology.origins["mac_um2"].startswith("assumed: that of cacti_40nm")


def test_origins_name_the_nodes(imported):
    processor, technology = imported(ACCELFORGE)
    assert processor.origins["cols"] == "from arch.yaml, key arch.nodes.4.Array.spatial"
    assert processor.origins["word_bits"] == "from arch.yaml, key arch.nodes.5.WeightRegister.size"
    assert processor.origins["array"].startswith("assumed: that of pe_array_32x7")
    assert technology.origins["dram_pj"] == "from arch.yaml, key arch.nodes.0.MainMemory.actions"
    assert technology.origins["node_nm"].endswith("_component_models.tech_node")


def test_energy_is_that_of_the_file(imported):
    """A bit of DRAM costs 7.5 pJ, a multiplication 0.4; whatever the network."""
    processor, technology = imported(ACCELFORGE)
    layers = simulate(networks("DCGAN"), processor, technology=technology)
    dram = 8 * 7.5 * layers["dram_bytes"]
    np.testing.assert_allclose(layers["energy_dram_pj"], dram, rtol=1e-12)
    multiplications = layers["macs_issued"] - layers["macs_gated"]
    np.testing.assert_allclose(layers["energy_mac_pj"], 0.4 * multiplications, rtol=1e-12)


@pytest.mark.parametrize(
    ("shared", "stays", "flow", "sizes"),
    [
        (("input", "weight"), "output", "output_stationary", (4, 12)),
        (("weight", "input"), "output", "output_stationary", (12, 4)),
        (("weight", "output"), "input", "input_stationary", (4, 12)),
    ],
)
def test_what_is_shared_means_a_dataflow(imported, shared, stays, flow, sizes):
    text = changed(
        ACCELFORGE,
        ("reuse: output, may_reuse: output", f"reuse: {shared[1]}"),
        ("fanout: 12, reuse: input", f"fanout: 12, reuse: {shared[0]}"),
        ("Dummy\n    tensors: {keep: weight}", f"Dummy\n    tensors: {{keep: {stays}}}"),
        ("throughput: 64 * 5e8 / 16", "throughput: inf"),
    )
    processor, _ = imported(text)
    assert (processor.dataflows, (processor.rows, processor.cols)) == ((flow,), sizes)
    assert processor.array == "systolic"
    with refused("another kind of array"):
        imported(text, start="dot_product_16x16")


def test_sums_of_channels_are_a_dot_product_if_the_processor_to_start_from_is_one(imported):
    processor, _ = imported(ACCELFORGE, start="dot_product_16x16")
    assert (processor.array, processor.dataflows) == ("dot_product", ("dot_product",))
    assert (processor.rows, processor.cols) == (4, 12)


def test_without_energies_there_is_no_technology(imported):
    lines = [line for line in ACCELFORGE.splitlines() if "leak" not in line and "area" not in line]
    text = "\n".join(lines)
    for energy in ("6", "9", "3", "8", "0.25", "0.15", "0.4"):
        text = text.replace(f"energy: {energy}e-12, ", "")
    processor, technology = imported(text, start="eyeriss_like")
    assert technology is None
    assert processor.technology == load_processor("eyeriss_like").technology
    with refused("no such architecture") as caught:
        imported(changed(text, ("name: MAC\n", "name: MAC\n    leak_power: 1e-9\n")))
    assert "MAC: has leak_power or area, but no node has an energy" in caught.value.got


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1024 * 64*8", 524288),
        ("1 / (8 * 2e9)", 6.25e-11),
        (" -(2 + .5) - 1", -3.5),
        ("inf", float("inf")),
        *(
            (text, None)
            for text in ("2 ** 9", "9 // 2", "size * 8", "abs(3)", "3(4)", "", "1 if 2")
        ),
        *((text, None) for text in ("(" * 90, "1 / 0", "0x10", "True", "'a' * 3", "infinite")),
        ("1" + " * 1" * 200, None),
    ],
)
def test_arithmetic_is_of_numbers_only(text, value):
    assert arithmetic(text) == (None if value is None else pytest.approx(value))


WRONG = {
    "size: 4*1024*8": ("size: weight.bits_per_value", "InputBuffer.size: expressions are not eval"),
    "size: 16*1024*8": ("size: inf", "WeightBuffer.size: expected bits, got inf"),
    "keep: output}": ("keep: input | output}", "OutputBuffer.tensors.keep: expected All"),
    "{keep: output}": ("{keep: All}", "OutputBuffer: keeps All, expected one of input"),
    "{keep: input}": ("{keep: weight}", "WeightBuffer: further buffers for weight"),
    "reuse: input,": ("reuse: Nothing,", "Array.spatial.0.reuse: expected one of input"),
    "fanout: 2 * 2": ("fanout: 5 / 2", "Array.spatial.1.fanout: expected a whole number"),
    "may_reuse: output": ("may_reuse: All", "Array.spatial.1.may_reuse: expected 'output'"),
    "size: 16\n    component_class: Dummy": (
        "size: 16\n    actions: [{name: read, energy: 1}, {name: write, energy: 1}]",
        "registers of an element: none for input, output",
    ),
    "Dummy\n    tensors: {keep: weight}": (
        "Dummy\n    tensors: {keep: input}",
        "registers of an element: expected one that keeps weight",
    ),
    "bits_per_action: 32": ("bits_per_value: {weight: 4}", "WeightBuffer.bits_per_value: "),
    "leak_power: 7e-9": ("n_parallel_instances: 2", "MAC.n_parallel_instances: expected 1, got 2"),
    "leak_power: 3e-6\n    ": ("", "WeightBuffer: no leak_power, as others have"),
    "name: MAC": ("name: MAC\n    enabled: len(All) == 3", "MAC.enabled: expected True"),
    "64 * 5e8 / 16": ("63 * 5e8 / 16", "InputBuffer.actions (read, throughput): expected 3.2e+10"),
    "1 / (2e-9)": ("inf", "MAC.actions: expected a finite throughput"),
    "energy: 9e-12, throughput: 8 * 5e9": (
        "energy: 9e-12, throughput: 8 * 4e9",
        "MainMemory.actions: expected one finite throughput",
    ),
    "{name: write, energy: 9e-12": ("{name: write", "MainMemory.actions: no energy of write"),
    "{name: compute": ("{name: multiply", "MAC.actions.0.name: expected compute"),
    "{tech_node: 28e-9}": ("{cycle: 1}", "component_models.cycle: unknown key"),
    "arch:\n": ("variables: {a: 3}\narch:\n", "variables: expected None or {}, got {'a': 3}"),
    "  - !Container\n": ("  - {}\n  - !Container\n", "arch.nodes.4: expected a node tagged"),
    "total_latency: max(a.n_calls": ("total_latency: len(a.n_calls", "total_latency: expected"),
}


@pytest.mark.parametrize("old", WRONG)
def test_what_the_model_does_not_have_is_refused_by_name(imported, old):
    new, message = WRONG[old]
    with refused("the model has no such architecture") as caught:
        imported(changed(ACCELFORGE, (old, new)))
    assert message in caught.value.got


@pytest.mark.parametrize("tag", ["!Toll", "!Fork", "!!python/object/apply:os.system"])
def test_other_tags_are_refused_by_name(imported, tag):
    with refused("tags are not supported") as caught:
        imported(changed(ACCELFORGE, ("!Container", tag)))
    assert tag.strip("!").split("/")[-1] in caught.value.got


def test_files_of_other_tools_are_told(imported):
    with refused("of no tool that can be read") as caught:
        imported("architecture: {version: 0.4}")
    assert "arch (accelforge)" in caught.value.expected
    with refused("unknown tool") as caught:
        imported(ACCELFORGE, tool="timeloop")
    assert caught.value.expected == "zigzag, accelforge"

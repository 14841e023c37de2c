"""Every misfit of a user's processor or technology is told by its path, with what is expected."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from splitdeconv.dlp import load_processor, load_technology
from tests.dlp.files import changed, data, written
from tests.refusals import refused

PROCESSOR = load_processor("pe_array_32x7")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("cols", 0, "an integer of at least 1"),
        ("burst_bytes", -64, "an integer of at least 1"),
        ("rows", 10**12, "at most 1,000,000,000"),
        ("dram_gb_s", -2.5, "a positive number, 1e-09 or more"),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_bound(field, value, expected):
    with refused(f"invalid value of {field}\n") as caught:
        load_processor(replace(PROCESSOR, **{field: value}))
    assert (caught.value.expected, caught.value.got) == (expected, repr(value))


def test_a_name_close_to_a_processor_s_is_proposed():
    with refused("there is no such processor or file") as caught:
        load_processor("dot_product_16")
    assert caught.value.fix == "did you mean dot_product_16x16?"
    with refused("there is no such technology or file") as caught:
        load_technology(Path("mine.yml"))
    assert (caught.value.where, caught.value.fix) == ("technology", None)
    assert "an existing .yaml file" in caught.value.expected


MISFITS = {
    "rows": [
        (KeyError, "missing key"),
        ("16", "invalid value"),
        (16.5, "invalid value"),
        (True, "invalid value"),
    ],
    "cols": [(0, "invalid value"), (-7, "invalid value"), (math.nan, "invalid value")],
    "accumulator_bits": [(10**30, "invalid value")],
    "dram_gb_s": [(1e-300, "invalid value"), (1e300, "invalid value")],
    "clock_mhz": [
        (math.nan, "invalid value"),
        (math.inf, "invalid value"),
        (-1.0, "invalid value"),
    ],
    "weight_buffer_kib": [(0, "invalid value"), (None, "invalid value")],
    "burst_bytes": [(-64, "invalid value")],
    "stripe_pixels": [(0, "invalid value")],
    "array": [("vector", "invalid value")],
    "dataflows": [([], "invalid value")],
    "dataflows.0": [("dot_product", "invalid value"), ("row_stationary", "invalid value")],
    "skipping": [(["A"], "invalid value")],
    "skipping.1": [("AW", "invalid value")],
    "native": [("transpose", "invalid value")],
    "strided_writes": [("yes", "invalid value")],
    "technology": [("tsmc_3nm", "invalid value")],
    "origins.rows": [(5, "invalid value")],
    "origins.colour": [("assumed", "invalid value")],
    "origins.technology": [("assumed", "invalid value")],
    "colour": [("red", "unknown key")],
}
TECHNOLOGY_MISFITS = {
    "node_nm": [(0, "invalid value")],
    "register_pj": [(KeyError, "missing key"), (-0.1, "invalid value")],
    "mac_pj": [({}, "invalid value")],
    "mac_pj.int8": [(0.0, "invalid value"), (math.nan, "invalid value"), ("low", "invalid value")],
    "mac_pj.8": [(0.3, "invalid value")],
    "mac_um2": [({}, "invalid value"), (KeyError, "missing key")],
    "mac_um2.fp16": [(-1.0, "invalid value"), (math.inf, "invalid value")],
    "mac_um2.half": [(500.0, "invalid value")],
    "register_um2_per_bit": [(0, "invalid value")],
    "sram_um2_per_kib": [(math.nan, "invalid value")],
    "high.area": [(0.9, "invalid value")],
    "mac_pj.float16": [(0.3, "invalid value")],
    "sram_pj": [([[8, 1.0]], "invalid value"), ([[64, 2.0], [8, 1.0]], "invalid value")],
    "sram_pj.1": [
        ([32, -1.0], "invalid value"),
        ([32, math.nan], "invalid value"),
        ([32], "invalid value"),
    ],
    "dram_pj": [(math.inf, "invalid value")],
    "leakage_uw_per_kib": [(-1.0, "invalid value"), (math.nan, "invalid value")],
    "low": [({"mac": 1.0}, "invalid value")],
    "low.dram": [(1.5, "invalid value"), (math.nan, "invalid value")],
    "high.dram": [(0.5, "invalid value"), (math.inf, "invalid value")],
    "colour": [("red", "unknown key")],
}
CASES = [("processors", path, *misfit) for path, misfits in MISFITS.items() for misfit in misfits]
CASES += [
    ("technologies", path, *misfit)
    for path, misfits in TECHNOLOGY_MISFITS.items()
    for misfit in misfits
]


@pytest.mark.parametrize(("folder", "dotted", "value", "problem"), CASES, ids=str)
def test_a_misfit_is_told_by_its_dotted_path(tmp_path, folder, dotted, value, problem):
    load, name = {
        "processors": (load_processor, "pe_array_32x7"),
        "technologies": (load_technology, "cacti_40nm"),
    }[folder]
    content = data(folder, name)
    index = dotted.rpartition(".")[2]
    at = int(index) if index.isdigit() and not dotted.startswith("mac_") else None
    if at is None:
        content = changed(content, dotted, value)
    else:
        content[dotted[:-2]][at] = value
    with refused(rf"{problem}(?: of|:) {dotted}\b") as caught:
        load(written(tmp_path / "own.yaml", content))
    assert "own.yaml" in caught.value.where


@pytest.mark.parametrize(
    ("field", "value"),
    [("rows", "16"), ("rows", -1), ("clock_mhz", None), ("dram_gb_s", math.nan), ("native", 1)],
)
def test_a_processor_made_in_python_is_checked_likewise(field, value):
    with refused(rf"invalid value of {field}\b") as caught:
        load_processor(replace(PROCESSOR, **{field: value}))
    assert caught.value.where == "pe_array_32x7"


@pytest.mark.parametrize("flow", ["output_stationary", "weight_stationary", "input_stationary"])
def test_a_dot_product_array_has_one_dataflow(flow):
    dot = load_processor("dot_product_16x16")
    with refused("invalid value of dataflows.1\n") as caught:
        load_processor(replace(dot, dataflows=("dot_product", flow)))
    assert caught.value.expected == "one of dot_product"
    assert load_processor(replace(PROCESSOR, dataflows=(flow,))).dataflows == (flow,)


def test_a_technology_made_in_python_is_checked_likewise():
    with refused(r"invalid value of register_pj\b"):
        load_technology(replace(load_technology("cacti_40nm"), register_pj=0.0))


@pytest.mark.parametrize("source", ["pe_array_33x7", "no/such/file.yaml", 5, None])
def test_unknown_names_are_told_with_those_that_are_known(source):
    with refused("no such processor or file") as caught:
        load_processor(source)
    assert "pe_array_32x7" in caught.value.expected
    with refused("no such technology or file") as caught:
        load_technology(source)
    assert "cacti_40nm" in caught.value.expected


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "own.yaml").write_text("rows: [16")
    with refused("not valid YAML"):
        load_processor(tmp_path / "own.yaml")
    with refused("the file has another structure"):
        load_processor(written(tmp_path / "list.yaml", [1, 2]))

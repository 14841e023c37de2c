"""Processors and technologies as files: the package's, and every misfit of a user's own."""

import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from splitdeconv import dlp
from splitdeconv.dlp import load_processor, load_technology, processors, summary, technologies
from splitdeconv.dlp.cycles import dot_product
from splitdeconv.dlp.steps import ceil
from tests.refusals import refused

PROCESSOR = load_processor("pe_array_32x7")
SHIPPED = {"processors": processors, "technologies": technologies}


def data(folder, name):
    return yaml.safe_load((files(dlp) / folder / f"{name}.yaml").read_text(encoding="utf-8"))


def written(path, content):
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def changed(content, dotted, value):
    """The content with another value at a dotted path; `KeyError` as the value removes the key."""
    *parents, last = dotted.split(".")
    at = content
    for key in parents:
        at = at[key]
    if value is KeyError:
        del at[last]
    else:
        at[last] = value
    return content


def test_those_that_come_along_are_read_and_found_by_name():
    assert {"dot_product_16x16", "pe_array_16x16", "pe_array_32x7"} <= set(processors())
    assert {"eyeriss_like", "edge_tpu_like", "tpu_v5e_like"} <= set(processors())
    assert "coral_npu_like" in processors()
    assert technologies() == ["cacti_40nm", "horowitz_45nm"]
    for name in processors():
        assert load_processor(name).name == name
    for name in technologies():
        assert load_technology(name).name == name


def test_sizes_that_the_paper_s_arrays_are_named_after_are_marked_as_quoted_from_memory():
    for name, shape in {"dot_product_16x16": (16, 16), "pe_array_32x7": (32, 7)}.items():
        processor = load_processor(name)
        assert (processor.rows, processor.cols, processor.peak) == (*shape, math.prod(shape))
        assert all("from memory" in processor.origins[key] for key in ("rows", "cols", "clock_mhz"))


def test_the_coral_npu_s_peak_is_the_published_one_and_its_engine_s_cycles():
    coral = load_processor("coral_npu_like")
    assert summary(coral)["tops"] == 0.512
    # 8 pixels by 8 channels over 4 input channels in a cycle.
    for pixels, taps, c_in, c_out in ((64, 9, 256, 128), (1024, 4, 64, 3), (8, 1, 32, 9)):
        engine = ceil(pixels, 8) * ceil(c_out, 8) * ceil(c_in, 4) * taps
        assert dot_product(pixels, taps, c_in, c_out, coral.rows, coral.cols) == engine


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


def test_a_number_type_has_the_bits_of_a_word():
    bf16 = load_processor("tpu_v5e_like")
    assert (bf16.number_type, bf16.word_bits) == ("bf16", 16)
    origins = PROCESSOR.origins | {"number_type": "datasheet, page 3"}
    for name in ("fp8", "int8", "bf8", None):
        assert load_processor(replace(PROCESSOR, number_type=name, origins=origins)) is not None
    for name in ("fp16", "int", "int08", "8", "float8", "fp8 ", ""):
        with refused("invalid value of number_type\n") as caught:
            load_processor(replace(PROCESSOR, number_type=name, origins=origins))
        assert caught.value.expected.startswith("'int8', 'fp8' or 'bf8'")
    with refused("values without an origin: number_type\n"):
        load_processor(replace(PROCESSOR, number_type="fp8"))


@pytest.fixture(scope="module")
def energy_constants():
    return pd.read_csv(Path(__file__).parents[2] / "data/reference/energy_constants.csv")


def test_a_file_of_one_s_own_is_read_like_those_that_come_along(tmp_path):
    path = written(tmp_path / "own.yaml", changed(data("processors", "pe_array_32x7"), "rows", 24))
    assert load_processor(path) == load_processor(str(path)) == replace(PROCESSOR, rows=24)


def test_what_has_a_default_needs_no_origin(tmp_path):
    content = changed(data("processors", "pe_array_32x7"), "stripe_pixels", KeyError)
    path = written(tmp_path / "own.yaml", changed(content, "origins.stripe_pixels", KeyError))
    assert load_processor(path).stripe_pixels == 1


def test_all_missing_origins_are_named_at_once(tmp_path):
    content = changed(data("processors", "pe_array_32x7"), "origins", {"cols": "datasheet, page 3"})
    path = written(tmp_path / "own.yaml", content)
    with refused("values without an origin: ") as caught:
        load_processor(path)
    values = set(content) - {"name", "title", "technology", "origins", "cols"}
    # What is as it is by default needs no origin.
    values -= {"stripe_pixels", "sums"}
    assert set(caught.value.problem.partition(": ")[2].split(", ")) == values
    assert "origins" in caught.value.expected
    assert caught.value.got == "origins of cols"


@pytest.mark.parametrize("origin", [KeyError, ""])
@pytest.mark.parametrize(
    "field", ["rows", "array", "dataflows", "skipping", "strided_writes", "zero_gating", "native"]
)
def test_a_missing_origin_of_a_number_or_a_policy_is_told(tmp_path, field, origin):
    content = changed(data("processors", "pe_array_32x7"), f"origins.{field}", origin)
    with refused(f"values without an origin: {field}\n"):
        load_processor(written(tmp_path / "own.yaml", content))


@pytest.mark.parametrize("origin", [KeyError, ""])
@pytest.mark.parametrize("field", ["dram_pj", "mac_pj", "high"])
def test_a_missing_origin_of_an_energy_is_told(tmp_path, field, origin):
    content = changed(data("technologies", "cacti_40nm"), f"origins.{field}", origin)
    with refused(f"values without an origin: {field}\n"):
        load_technology(written(tmp_path / "own.yaml", content))


def test_every_key_of_a_shipped_file_says_where_it_comes_from():
    for folder, names in SHIPPED.items():
        for name in names():
            content = data(folder, name)
            described = set(content) - {"name", "title", "technology", "origins"}
            assert set(content["origins"]) == described, name
            assert list(content["origins"]) == [key for key in content if key in described], name


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


def test_a_processor_made_in_python_may_hold_numpy_s_numbers():
    made = load_processor(replace(PROCESSOR, rows=np.int64(8), dram_gb_s=np.float64(3.5)))
    assert (made, type(made.rows)) == (replace(PROCESSOR, rows=8, dram_gb_s=3.5), int)


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


def test_a_technology_beside_the_processor_s_file_is_found_from_anywhere(tmp_path, monkeypatch):
    chips, elsewhere = tmp_path / "chips", tmp_path / "elsewhere"
    for folder in (chips, elsewhere):
        folder.mkdir()
    energies = data("technologies", "horowitz_45nm") | {"dram_pj": 77.0}
    written(chips / "energies.yaml", energies)
    path = written(
        chips / "own.yaml", data("processors", "pe_array_32x7") | {"technology": "energies.yaml"}
    )
    monkeypatch.chdir(elsewhere)
    processor = load_processor(path)
    assert load_technology(processor.technology).dram_pj == 77
    # From the current folder as well; and a name that comes along stays one.
    written(elsewhere / "others.yaml", energies | {"dram_pj": 55.0})
    path = written(
        chips / "own.yaml", data("processors", "pe_array_32x7") | {"technology": "others.yaml"}
    )
    assert load_technology(load_processor(path).technology).dram_pj == 55
    written(chips / "cacti_40nm", energies)
    path = written(
        chips / "own.yaml", data("processors", "pe_array_32x7") | {"technology": "cacti_40nm"}
    )
    assert load_processor(path).technology == "cacti_40nm"

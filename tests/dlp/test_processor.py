"""Processors and technologies as files: the package's, a user's own, and origins of values."""

import math
from dataclasses import replace

import numpy as np
import pytest

from splitdeconv.dlp import load_processor, load_technology, processors, summary, technologies
from splitdeconv.dlp.cycles import dot_product
from splitdeconv.dlp.steps import ceil
from tests.dlp.files import changed, data, written
from tests.refusals import refused

PROCESSOR = load_processor("pe_array_32x7")
SHIPPED = {"processors": processors, "technologies": technologies}


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


@pytest.mark.parametrize("origin", [KeyError, "", " \n"])
@pytest.mark.parametrize(
    "field", ["rows", "array", "dataflows", "skipping", "strided_writes", "zero_gating", "native"]
)
def test_a_missing_origin_of_a_number_or_a_policy_is_told(tmp_path, field, origin):
    content = changed(data("processors", "pe_array_32x7"), f"origins.{field}", origin)
    with refused(f"values without an origin: {field}\n"):
        load_processor(written(tmp_path / "own.yaml", content))


@pytest.mark.parametrize("origin", [KeyError, "", " \n"])
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


def test_a_processor_made_in_python_may_hold_numpy_s_numbers():
    made = load_processor(replace(PROCESSOR, rows=np.int64(8), dram_gb_s=np.float64(3.5)))
    assert (made, type(made.rows)) == (replace(PROCESSOR, rows=8, dram_gb_s=3.5), int)


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

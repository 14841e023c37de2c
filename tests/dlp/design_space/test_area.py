"""Area and peak power as variables of a sweep."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from splitdeconv.dlp import area, load_processor, load_technology, sweep
from splitdeconv.dlp.design_space.jobs import OF_CHIP
from tests.dlp.tables import layer, table
from tests.refusals import refused

SMALL = {"small": table(layer("deconv", (3, 4), (5, 4), (2, 3), (6, 12), 7, 5, before=(1, 0)))}


@pytest.mark.parametrize("name", ["pe_array_16x16", "dot_product_16x16"])
def test_area_and_peak_power_follow_the_axes_that_they_depend_on(name):
    axes = {"cols": [5, 9], "weight_buffer_kib": [3, 40, 7], "dram_gb_s": [2, 11]}
    found = sweep(SMALL, name, {**axes, "word_bits": [8, 16]})
    processor = load_processor(name)
    for cols, kib, speed, bits in itertools.product(*axes.values(), [8, 16]):
        at = {"cols": cols, "weight_buffer_kib": kib, "dram_gb_s": speed, "word_bits": bits}
        chip = area(replace(processor, **{**at, "weight_buffer_kib": float(kib)}))
        for variable in OF_CHIP:
            values = found[variable].sel(at).values
            # Equal sums of a few float64 numbers.
            np.testing.assert_allclose(values, np.full(values.shape, chip[variable]), rtol=1e-14)
    assert len(np.unique(found.area_mm2)) == 2 * 3 * 2
    assert len(np.unique(found.peak_power_w)) == 2 * 3 * 2 * 2


def test_a_technology_that_lacks_an_area_serves_where_none_is_asked_for():
    known = load_technology("cacti_40nm")
    some = replace(known, mac_um2={"int16": known.mac_um2["int16"]})
    how = {"axes": {"rows": [4, 8]}, "technology": some}
    found = sweep(SMALL, "pe_array_16x16", variables=["energy_pj"], **how)
    expected = sweep(SMALL, "pe_array_16x16", axes=how["axes"], technology=known)
    assert found.energy_pj.equals(expected.energy_pj)
    with refused("the technology does not have this number type"):
        sweep(SMALL, "pe_array_16x16", **how)

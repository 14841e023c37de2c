"""A box of points is computed axis by axis; each point by itself gives the same bits."""

import numpy as np
import pytest

from splitdeconv.dlp.design_space import jobs
from splitdeconv.dlp.design_space.jobs import VARIABLES, Job
from splitdeconv.dlp.lowering import lower
from splitdeconv.dlp.processor import load_processor
from tests.dlp.tables import networks

AXES = {
    "rows": np.array([5, 16, 31]),
    "batch": np.array([1, 4]),
    "input_buffer_kib": np.array([0.5, 6.0, 64.0]),
    "weight_buffer_kib": np.array([2.0, 40.0]),
    "output_buffer_kib": np.array([1.0, 300.0]),
    "dram_gb_s": np.array([0.3, 5.0]),
    "burst_bytes": np.array([32, 128]),
    "clock_mhz": np.array([200.0, 930.0]),
    "cols": np.array([4, 7]),
}


def job(name, processor, method, columns, **options):
    table, machine = networks(name), load_processor(processor)
    options = {"technology": None, "dataflow": None} | options
    return Job(lower(table, method), table, machine, method, 1, options, columns)


@pytest.mark.parametrize(
    ("network", "processor", "method", "options"),
    [
        ("MDE", "pe_array_32x7", "sd", {"skip": "WA", "zeros": "generated"}),
        ("FST", "pe_array_16x16", "nzp", {"skip": "A", "zeros": "stored"}),
        ("DCGAN", "dot_product_16x16", "rows", {"skip": "none", "zeros": "generated"}),
        (
            "SNGAN",
            "pe_array_16x16",
            "sd",
            {"skip": "W", "zeros": "generated", "dataflow": "weight_stationary"},
        ),
    ],
)
def test_a_box_equals_its_points_one_by_one(network, processor, method, options):
    sizes = [len(values) for values in AXES.values()]
    columns = [{name: values} for name, values in AXES.items()]
    whole = job(network, processor, method, columns, **options)([0] * len(sizes), sizes)
    assert whole.shape == (len(VARIABLES), 2, *sizes)
    rng = np.random.default_rng(11)
    at = np.ravel_multi_index([rng.integers(0, size, 40) for size in sizes], sizes)
    places = np.unravel_index(at, sizes)
    # The same points along one axis whose labels set all fields, as (K, 1) arrays.
    flat = [{name: AXES[name][place] for name, place in zip(AXES, places, strict=True)}]
    drawn = job(network, processor, method, flat, **options)
    listed = drawn([0], [len(at)])
    assert listed.tobytes() == np.ascontiguousarray(whole[:, :, *places]).tobytes()
    for point in (0, 17, 39):
        assert (drawn([point], [point + 1])[..., 0] == listed[..., point]).all()


def test_chosen_variables_are_the_same_and_large_boxes_are_divided(monkeypatch):
    columns = [{name: AXES[name]} for name in ("rows", "dram_gb_s", "cols")]
    made = job("DCGAN", "pe_array_32x7", "sd", columns, skip="WA", zeros="generated")
    whole = made([0, 1, 0], [3, 2, 2])
    names = ("energy_pj", "compute_cycles")
    some = made([0, 1, 0], [3, 2, 2], names)
    assert (some == whole[[list(VARIABLES).index(name) for name in names]]).all()
    monkeypatch.setattr(jobs, "_MOST_CELLS", 30)
    assert (made([0, 1, 0], [3, 2, 2]) == whole).all()


@pytest.mark.parametrize("layers", [1, 2, 7, 8, 9, 30])
def test_sums_do_not_depend_on_what_is_summed_beside_them(layers):
    values = np.random.default_rng(layers).lognormal(size=(50, layers))
    whole = jobs._sum(values)
    np.testing.assert_allclose(whole, [sum(row) for row in values.tolist()], rtol=layers * 2**-53)
    assert whole.tolist() == [float(jobs._sum(row[None])[0]) for row in values]
    assert whole.tolist() == jobs._sum(np.asfortranarray(values)).tolist()

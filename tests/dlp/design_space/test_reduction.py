"""Reduced sweeps equal what is found by brute force in the whole result."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.dlp import Front, Least, Quantiles, pareto, sweep
from splitdeconv.dlp.design_space import quantiles, reduction
from splitdeconv.dlp.design_space.jobs import VARIABLES
from tests.dlp.design_space.spaces import AXES, HOW, TABLES
from tests.refusals import refused

LABELS = ["network", "method", "skip", "part", *AXES]
BY = [LABELS[:4], ["part", "network"], ["dram_gb_s", "array", "part"], ["word_bits"], []]


@pytest.fixture(scope="module")
def points():
    return sweep(TABLES, axes=AXES, **HOW).to_dataframe().reset_index()


def same(found, expected):
    """The same rows, bit by bit, in any order; labels may be of other types."""
    found, expected = (
        table.sort_values(LABELS, ignore_index=True)[list(found)] for table in (found, expected)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


@pytest.mark.parametrize("chunk", [12, 10**6])
@pytest.mark.parametrize("by", BY, ids=str)
def test_a_front(points, by, chunk):
    front = Front("energy_pj", "cycles", by=by)
    found = sweep(TABLES, axes=AXES, reduce=front, chunk=chunk, **HOW)
    expected = pareto(points, ("energy_pj", "cycles"), by=by)
    assert len(expected) < len(points) / 2
    assert list(found) == [*LABELS, *VARIABLES]
    same(found, expected)


@pytest.mark.parametrize("chunk", [12, 10**6])
@pytest.mark.parametrize("by", BY, ids=str)
def test_a_front_of_three_variables(points, by, chunk):
    needs = ("latency_us", "energy_pj", "area_mm2")
    found = sweep(TABLES, axes=AXES, reduce=Front(*needs, by=by), chunk=chunk, **HOW)
    rows = points[list(needs)].to_numpy()
    groups = points.groupby(by, sort=False).indices.values() if by else [np.arange(len(rows))]
    kept = []
    for group in groups:
        for place in group:
            others = rows[group]
            better = (others <= rows[place]).all(1) & (others < rows[place]).any(1)
            equal = (others == rows[place]).all(1) & (group < place)
            kept += [] if (better | equal).any() else [place]
    same(found, points.loc[kept])
    # Small chips are on it that no front of two variables has, unless all of a group are the same.
    both = sweep(TABLES, axes=AXES, reduce=Front(*needs[:2], by=by), chunk=chunk, **HOW)
    assert len(both) + (by != BY[2]) <= len(found) < len(points)


@pytest.mark.parametrize("variable", ["latency_us", "compute_cycles", "area_mm2"])
@pytest.mark.parametrize("by", BY, ids=str)
def test_the_least_point_is_the_first_of_equal_ones(points, variable, by):
    found = sweep(TABLES, axes=AXES, reduce=Least(variable, by=by), chunk=12, **HOW)
    expected = [
        table.loc[[table[variable].idxmin()]]
        for _, table in (points.groupby(by, sort=False) if by else [((), points)])
    ]
    same(found, pd.concat(expected))
    # Cycles without memory do not depend on DRAM, so that there are equal points.
    assert (found["dram_gb_s"] == 0.7).all() or variable != "compute_cycles" or by == BY[2]


def test_equal_points_are_told_apart_by_their_index():
    space_order = ({"dram_gb_s": [9, 3, 6], "rows": [8]}, {"rows": [8], "dram_gb_s": [6, 3, 9]})
    for axes in space_order:
        for made in (Least("compute_cycles"), Front("compute_cycles", "dram_bytes")):
            found = sweep(TABLES, axes=axes, reduce=made, chunk=1, **HOW)
            assert len(found) == 2 * 2 * 2 * 2
            assert (found["dram_gb_s"] == axes["dram_gb_s"][0]).all()


@pytest.mark.parametrize("bins", [2**20, 2])
@pytest.mark.parametrize("by", BY, ids=str)
def test_quantiles(points, by, bins, monkeypatch):
    monkeypatch.setattr(quantiles, "_MOST_BINS", bins)
    at, names = (0, 0.03, 1 / 3, 0.5, 0.77, 1.0), ["cycles", "energy_low_pj"]
    found = sweep(
        TABLES, axes=AXES, reduce=Quantiles(names, at, by=by), chunk=12, variables=["cycles"], **HOW
    )
    groups = points.groupby([name for name in LABELS if name in by], sort=False) if by else ()
    tables = [table for _, table in groups] or [points]
    assert len(found) == len(tables) * len(at)
    for number, table in enumerate(tables):
        rows = found[number * len(at) : (number + 1) * len(at)]
        assert rows["quantile"].tolist() == list(at)
        for name in by:
            assert set(rows[name]) == set(table[name])
        for name in names:
            assert rows[name].tolist() == np.quantile(table[name], at).tolist()


def test_keys_are_in_the_order_of_the_floats():
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(size=500) * 10.0 ** rng.integers(-300, 300, 500), [0, 1]])
    keys = quantiles._keys(values)
    assert (values[np.argsort(keys)] == np.sort(values)).all()
    assert [quantiles._value(int(key)) for key in keys] == values.tolist()


def test_partial_results_are_reduced_on_the_way(monkeypatch):
    monkeypatch.setattr(reduction, "_MOST_ROWS", 10)
    sizes = []

    def least(table):
        sizes.append(len(table))
        return table.nsmallest(3, "value")

    parts = (pd.DataFrame({"value": [n * 37 % 101, n]}) for n in range(101))
    found = reduction.merged(parts, least)
    assert found["value"].tolist() == [0, 0, 1]
    assert len(sizes) > 15
    assert max(sizes) <= 12


def test_only_chosen_variables_are_in_the_table():
    found = sweep(
        TABLES,
        axes=AXES,
        reduce=Front("latency_us", "energy_pj"),
        variables=["dram_bytes", "latency_us"],
        **HOW,
    )
    assert list(found) == [*LABELS, "dram_bytes", "latency_us"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"reduce": Front("latency_us", "area")}, "unknown variable"),
        ({"reduce": Front("latency_us", "area_mm2", "power")}, "unknown variable"),
        ({"reduce": Least("time")}, "unknown variable"),
        ({"reduce": Least("cycles", by=["rows"])}, "unknown dimension"),
        ({"reduce": Least("cycles", by="method")}, "invalid dimensions"),
        ({"reduce": Quantiles("cycles", [0.5, 1.5])}, "invalid quantiles"),
        ({"reduce": Quantiles("cycles", [])}, "invalid quantiles"),
        ({"reduce": Quantiles("cycles", 0.5)}, "invalid quantiles"),
        ({"reduce": Quantiles("cycles", [float("nan")])}, "invalid quantiles"),
        ({"reduce": "front"}, "invalid reduction"),
        ({"reduce": Least("cycles"), "to": "x.zarr"}, "a reduced sweep is not written"),
        ({"variables": ["area"]}, "unknown variable"),
        ({"variables": "cycles"}, "invalid variables"),
        ({"variables": []}, "invalid values"),
    ],
)
def test_what_does_not_fit(options, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with refused(match):
        sweep(TABLES, axes=AXES, **options, **HOW)
    assert not list(tmp_path.iterdir())

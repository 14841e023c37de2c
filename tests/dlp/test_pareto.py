import numpy as np
import pandas as pd
import pytest

from splitdeconv.dlp import pareto
from tests.refusals import refused


def beaten(rows, index):
    """Whether another row is no worse in both columns and better in one, or equal and earlier."""
    x, y = rows[index]
    return any(
        (a <= x and b <= y and (a < x or b < y)) or (a == x and b == y and other < index)
        for other, (a, b) in enumerate(rows)
        if other != index
    )


def test_the_front_is_what_no_row_beats():
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "kind": random.choice(["a", "b"], 200),
            "x": random.integers(0, 60, 200),
            "y": random.integers(0, 60, 200),
        }
    )
    expected = {
        label
        for _, group in table.groupby("kind")
        for index, label in enumerate(group.index)
        if not beaten(group[["x", "y"]].to_numpy().tolist(), index)
    }
    found = pareto(table, ("x", "y"), by=["kind"])
    assert set(found.index) == expected
    assert 4 < len(found) < 40, len(found)
    for _, group in found.groupby("kind"):
        assert group.x.is_monotonic_increasing
        assert group.y.is_monotonic_decreasing


def test_the_front_of_three_columns_is_what_no_row_beats():
    random = np.random.default_rng(8)
    table = pd.DataFrame({name: random.integers(0, 9, 300) for name in "xyz"})
    table["kind"] = random.choice(["a", "b", "c"], 300)
    expected = set()
    for _, group in table.groupby("kind"):
        rows = list(group[["x", "y", "z"]].itertuples(index=True, name=None))
        for label, *row in rows:
            others = [(other, values) for other, *values in rows if other != label]
            beaten = any(
                all(a <= b for a, b in zip(values, row, strict=True))
                and (values != row or other < label)
                for other, values in others
            )
            expected |= set() if beaten else {label}
    found = pareto(table, ("x", "y", "z"), by=["kind"])
    assert set(found.index) == expected
    assert len(pareto(table, ("x", "y"), by=["kind"])) < len(found) < 100
    for _, group in found.groupby("kind"):
        assert group.x.is_monotonic_increasing


@pytest.mark.parametrize("columns", ["wxyz", "xyz"])
@pytest.mark.parametrize("values", [3, 40, 10**6])
def test_a_front_of_any_length_is_what_no_row_beats(columns, values):
    random = np.random.default_rng(values)
    table = pd.DataFrame(random.integers(-values, values, (250, len(columns))), columns=[*columns])
    # Of these rows none beats another; a few others beat some of them.
    table.loc[20:, "z"] = -table.loc[20:, [*columns[:-1]]].sum(axis=1)
    table = table.sample(frac=1, random_state=values, ignore_index=True)
    rows = table.to_numpy()
    beaten = [
        any(
            (other <= row).all() and ((other < row).any() or place < index)
            for place, other in enumerate(rows)
            if place != index
        )
        for index, row in enumerate(rows)
    ]
    found = pareto(table, [*columns])
    assert sorted(found.index) == np.flatnonzero(~np.array(beaten)).tolist()
    assert values < 10**6 or 80 < len(found) < 250


def test_one_front_for_all():
    table = pd.DataFrame({"x": [3, 1, 2, 2, 4], "y": [1.0, 9.0, 5.0, 5.0, 1.0]})
    assert pareto(table, ("x", "y")).index.tolist() == [1, 2, 0]


def test_a_column_that_is_not_there():
    with refused("unknown column"):
        pareto(pd.DataFrame({"x": [1], "y": [2]}), ("x", "z"))

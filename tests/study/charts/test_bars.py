"""Charts show every number of their table, and say why one is missing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import bars as charts


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_speedups_are_drawn_with_their_intervals_and_reasons():
    table = pd.DataFrame(
        [
            ("a", "native", 1.0, 1.0, 1.0, None),
            ("a", "nzp", 0.4, 0.3, 0.5, None),
            ("a", "split", 3.0, 2.5, 3.25, None),
            ("b", "native", 1.0, 1.0, 1.0, None),
            ("b", "nzp", np.nan, np.nan, np.nan, "too slow"),
            ("b", "split", 1.5, 1.25, 2.0, None),
        ],
        columns=["layer", "form", "speedup", "low", "high", "skipped"],
    )
    (ax,) = charts.speedups(table).get_axes()
    drawn = {bars.get_label(): bars for bars in ax.containers}
    assert list(drawn) == ["nzp", "split"]
    points, _, (intervals,) = drawn["split"]
    np.testing.assert_array_equal(points.get_xdata(), [3.0, 1.5])
    np.testing.assert_allclose(
        [segment[:, 0] for segment in intervals.get_segments()], [[2.5, 3.25], [1.25, 2.0]]
    )
    assert {text.get_text() for text in ax.texts} == {
        "0.40",
        "3.00",
        "1.50",
        "nzp not run: too slow",
    }
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    left, right = ax.get_xlim()
    assert left < 0.3
    assert right > 3.25


def test_image_grids_count_what_differs():
    native = np.zeros((2, 3, 3, 3), "uint8")
    other = native.copy()
    other[1, 0, 0] = (1, 0, 7)
    axes = charts.image_grid({"native": native, "split": other}).get_axes()
    assert len(axes) == 4
    assert axes[0].get_ylabel() == "native"
    assert "2 of 54\nvalues differ" in axes[2].get_ylabel()
    np.testing.assert_array_equal(axes[3].images[0].get_array(), other[1])

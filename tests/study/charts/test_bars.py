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
    assert list(drawn) == ["zero insertion", "split"]
    points, _, (intervals,) = drawn["split"]
    np.testing.assert_array_equal(points.get_xdata(), [3.0, 1.5])
    np.testing.assert_allclose(
        [segment[:, 0] for segment in intervals.get_segments()], [[2.5, 3.25], [1.25, 2.0]]
    )
    assert {text.get_text() for text in ax.texts} == {
        "0.40",
        "3.00",
        "1.50",
        "zero insertion not run: too slow",
    }
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    left, right = ax.get_xlim()
    assert left < 0.3
    assert right > 3.25


def test_a_ring_marks_the_form_that_another_one_runs():
    rows = [
        ("a", "native", 1.0, 1.0, 1.0, None, "native"),
        ("a", "split", 3.0, 2.5, 3.25, None, "split"),
        ("a", "auto", 3.0, 2.5, 3.25, None, "split"),
        ("b", "native", 1.0, 1.0, 1.0, None, "native"),
        ("b", "split", 0.5, 0.4, 0.6, None, "split"),
        ("b", "auto", 1.5, 1.25, 2.0, None, "stacked"),
    ]
    names = ["layer", "form", "speedup", "low", "high", "skipped", "runs"]
    (ax,) = charts.speedups(pd.DataFrame(rows, columns=names)).get_axes()
    drawn = {bars.get_label(): bars for bars in ax.containers}
    split, auto = (drawn[charts.method_name(form)][0].get_xdata() for form in ("split", "auto"))
    np.testing.assert_array_equal(split, [3.0, 0.5])
    np.testing.assert_array_equal(auto.astype(float), [np.nan, 1.5])
    (ring,) = [line for line in ax.lines if line.get_markersize() == 11]
    np.testing.assert_array_equal(ring.get_xdata(), [3.0])
    assert not any("not run" in text.get_text() for text in ax.texts)
    _, words = ax.get_legend_handles_labels()
    assert words.count(charts.method_name("auto")) == 1


def test_a_single_form_is_named_at_the_axis():
    rows = [("a", "native", 1.0, 1.0, 1.0, None), ("a", "split", 3.0, 2.5, 3.25, None)]
    names = ["layer", "form", "speedup", "low", "high", "skipped"]
    (ax,) = charts.speedups(pd.DataFrame(rows, columns=names)).get_axes()
    assert ax.get_legend() is None
    assert ax.get_xlabel().startswith("speedup of split over native operator")


def test_image_grids_show_one_row_and_the_greatest_difference():
    native = np.full((2, 3, 3, 3), 100, "uint8")
    split, nzp = native.copy(), native.copy()
    split[1, 0, 0] = (101, 100, 97)
    nzp[1, 0, 0] = (100, 98, 100)
    axes = charts.image_grid({"native": native, "split": split, "nzp": nzp}, times=50).get_axes()
    assert len(axes) == 4
    assert axes[0].get_ylabel() == "native operator"
    words = axes[2].get_ylabel().replace("\n", " ")
    assert words == "greatest difference of split and zero insertion, \u00d7 50"
    np.testing.assert_array_equal(axes[1].images[0].get_array(), native[1])
    assert not axes[2].images[0].get_array().any()
    # Beyond 255 a difference stays white.
    np.testing.assert_array_equal(axes[3].images[0].get_array()[0, 0], (50, 100, 150))
    split[0, 2, 2] = 200
    axes = charts.image_grid({"native": native, "split": split}, times=50).get_axes()
    np.testing.assert_array_equal(axes[2].images[0].get_array()[2, 2], (255, 255, 255))

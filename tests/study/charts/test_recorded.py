"""The chart of live and recorded times: both are drawn, hollow and filled, and written beside."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts.recorded import beside_recorded

matplotlib.use("Agg")
NAMES = ["layer", "form", "speedup", "low", "high", "skipped"]
NAMES += ["speedup_recorded", "low_recorded", "high_recorded"]


@pytest.fixture
def ax():
    table = pd.DataFrame(
        [
            ("a", "native", 1.0, 1.0, 1.0, None, 1.0, 1.0, 1.0),
            ("a", "split", 3.0, 2.5, 40.0, None, 1.5, 1.4, 1.6),
            ("b", "native", 1.0, 1.0, 1.0, None, np.nan, np.nan, np.nan),
            ("b", "split", np.nan, np.nan, np.nan, "no runtime", np.nan, np.nan, np.nan),
        ],
        columns=NAMES,
    )
    (axes,) = beside_recorded(table, here="this one", there="an abacus").get_axes()
    yield axes
    matplotlib.pyplot.close("all")


def test_each_time_has_its_dot_its_interval_and_its_number(ax):
    lines = [line for line in ax.lines if line.get_xdata()[0] not in (0, 1)]
    intervals = [list(line.get_xdata()) for line in lines if line.get_marker() == "None"]
    assert intervals == [[2.5, 40.0], [1.4, 1.6]]
    dots = {line.get_xdata()[0]: line for line in lines if line.get_marker() == "o"}
    assert set(dots) == {3.0, 1.5}
    assert dots[1.5].get_markerfacecolor() == "white" != dots[3.0].get_markerfacecolor()
    # The recorded one is right under the live one.
    assert 0 < dots[1.5].get_ydata()[0] - dots[3.0].get_ydata()[0] < 0.3
    words = [text.get_text() for text in ax.texts]
    assert {"3.00", "1.50", "\N{EN DASH}", "split: no runtime", "now", "recorded"} == set(words)


def test_a_wide_interval_does_not_widen_the_axis(ax):
    left, right = ax.get_xlim()
    assert left <= 0.5
    assert 3.0 < right < 10


def test_the_legend_names_both_processors(ax):
    words = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert words == ["split", "now: this one", "recorded: an abacus"]

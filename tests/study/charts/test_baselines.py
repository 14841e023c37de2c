"""The charts show what they are given."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import baselines

ROWS = [("a", 16, 0.1), ("a", 32, 0.2), ("b", 16, 0.7)]
TABLE = pd.DataFrame(ROWS, columns=["array", "kib", "share"])


def test_shares_add_up_by_value():
    fig = baselines.shares(TABLE, {"array": "Array", "kib": "KiB"}, "share", "Title")
    array, kib, *rest = fig.axes
    assert [bar.get_width() for bar in array.patches] == pytest.approx([0.3, 0.7])
    assert [bar.get_width() for bar in kib.patches] == pytest.approx([0.8, 0.2])
    assert not any(ax.get_visible() for ax in rest)
    assert fig.get_suptitle() == "Title"


def test_every_structure_is_a_point_at_either_end():
    ends = {"speed_low": 2.0, "speed_high": 4.0, "saving_low": 0.25, "saving_high": 0.5}
    fig = baselines.joint(TABLE.assign(**ends), "array", "Title")
    low, high = fig.axes
    assert [len(points.get_offsets()) for points in low.collections] == [2, 1, 1]
    assert low.collections[0].get_offsets()[0].tolist() == [2, 25]
    assert high.collections[0].get_offsets()[0].tolist() == [4, 50]
    np.testing.assert_allclose(low.collections[-1].get_offsets(), [[2.41, 27.7]])


def test_lines_are_in_per_cent():
    table = pd.DataFrame({"DCGAN": [0.3, 0.4], "MDE": [0.1, 0.2]}, index=[5, 9])
    fig = baselines.by_network(table, {9: "nine"}, "Title")
    (line,) = fig.axes[0].lines
    assert line.get_label() == "nine"
    assert list(line.get_ydata()) == [40, 20]


def test_choices_are_named_once():
    rows = [("as fitted", "", 0.1, 0.3), ("kib", "16", 0.0, 0.2), ("kib", "64", 0.2, 0.4)]
    table = pd.DataFrame(rows, columns=["knob", "value", "saving_low", "saving_high"])
    ax = baselines.knobs(table, "Title").axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["as fitted", "kib: 16", "64"]

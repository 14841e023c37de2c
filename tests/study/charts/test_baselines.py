"""The charts show what they are given."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import baselines

ROWS = [("a", 16, 0.1), ("a", 32, 0.2), ("b", 16, 0.7)]
TABLE = pd.DataFrame(ROWS, columns=["array", "kib", "share"])


def test_shares_add_up_by_value():
    fig = baselines.shares(TABLE, {"array": "Array", "kib": "KiB"}, "share")
    array, kib, *rest = fig.axes
    assert [bar.get_width() for bar in array.patches] == pytest.approx([0.3, 0.7])
    assert [bar.get_width() for bar in kib.patches] == pytest.approx([0.8, 0.2])
    assert not any(ax.get_visible() for ax in rest)


def test_every_structure_is_a_point_at_either_end():
    ends = {"speed_low": 2.0, "speed_high": 4.0, "saving_low": 0.25, "saving_high": 0.5}
    fig = baselines.joint(TABLE.assign(**ends), "array")
    low, high = fig.axes
    assert [len(points.get_offsets()) for points in low.collections] == [2, 1, 1]
    assert low.collections[0].get_offsets()[0].tolist() == [2, 25]
    assert high.collections[0].get_offsets()[0].tolist() == [4, 50]
    np.testing.assert_allclose(low.collections[-1].get_offsets(), [[2.41, 27.7]])


def test_savings_are_in_per_cent_in_the_order_given():
    table = pd.DataFrame({"DCGAN": [0.3, 0.412], "MDE": [0.1, 0.2]}, index=[5, 9])
    ax = baselines.by_network(table, {9: "nine"}).axes[0]
    assert [text.get_text() for text in ax.texts] == ["41", "20"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["DCGAN", "MDE"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["nine"]


def test_variants_have_their_names():
    table = pd.DataFrame([("sd-W", 0.4), ("sd_trimmed", 0.6)], columns=["variant", "share"])
    ax = baselines.shares(table, {"variant": "Variant"}, "share").axes[0]
    words = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert words == ["split, filters extended, zero weights skipped", "split"]


def test_choices_are_named_once():
    rows = [("as fitted", "", 0.1, 0.3), ("kib", "16", 0.0, 0.2), ("kib", "64", 0.2, 0.4)]
    table = pd.DataFrame(rows, columns=["knob", "value", "saving_low", "saving_high"])
    ax = baselines.knobs(table).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["as fitted", "kib: 16", "64"]

"""Times and estimates are where their values are."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import timed

matplotlib.use("Agg")


@pytest.fixture
def table():
    key = {"network": "a", "generation": "v5e", "batch": 1, "dtype": "bfloat16"}
    values = [
        ("A", "v5e, batch 1", "split", 1.25, 1.1, 1.4, 1.5),
        ("A", "v5e, batch 1", "auto", 1.6, 1.5, 1.9, np.nan),
        ("B", "v5e, batch 1", "split", 0.7, 0.6, 0.8, 0.9),
        ("B", "v5e, batch 64", "auto", 3.0, 2.9, 3.3, 2.5),
    ]
    names = ["title", "configuration", "form", "speedup", "low", "high", "estimated"]
    return pd.DataFrame([{**key, **dict(zip(names, row, strict=True))} for row in values])


def test_every_time_and_estimate_is_drawn_once(table):
    fig = timed.beside_estimates(table)
    first, second = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ["v5e, batch 1", "v5e, batch 64"]
    dots = [line for line in first.lines if line.get_marker() == "o"]
    assert sorted(x for line in dots for x in line.get_xdata()) == [0.7, 1.25, 1.6]
    (hollow,) = first.collections[-1:]
    assert [label.get_text() for label in first.get_yticklabels()] == ["A", "B"]
    found = np.concatenate(
        [part.get_offsets()[:, 0] for part in fig.axes[0].collections if len(part.get_offsets())]
    )
    assert {1.5, 0.9} <= set(np.round(found, 6))
    assert hollow is not None
    left, right = second.get_xlim()
    assert left <= 0.5
    assert right > 3.3
    legend = {text.get_text() for text in fig.legends[0].get_texts()}
    assert legend == {
        "split, timed",
        "split, the compiler's estimate",
        "chosen by the target's rules, timed",
        "chosen by the target's rules, the compiler's estimate",
    }


def test_times_alone_are_drawn_without_a_word_of_estimates(table):
    fig = timed.beside_estimates(table.assign(estimated=np.nan))
    assert not [text for text in fig.legends[0].get_texts() if "estimate" in text.get_text()]

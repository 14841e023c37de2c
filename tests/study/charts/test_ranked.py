"""Dots are the gains in order, with their intervals, one panel for each runtime."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from splitdeconv.study.charts.ranked import ranked

TABLE = pd.DataFrame(
    {
        "panel": ["ONNX Runtime"] * 3 + ["LiteRT"],
        "tuned": [1.5, 1.0, 2.5, 1.2],
        "low": [1.4, 1.0, 2.25, 1.1],
        "high": [1.7, 1.0, 2.75, 1.25],
        "split": [0.6, 0.5, np.nan, 1.3],
    }
)


def test_gains_are_ranked_with_their_intervals():
    fig = ranked(TABLE)
    first, second = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ["ONNX Runtime\n3 models", "LiteRT\n1 model"]
    (bars,) = first.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(orig=False), [1.0, 1.5, 2.5])
    (ends,) = bars.lines[2]
    spans = [[float(y) for _, y in segment] for segment in ends.get_segments()]
    np.testing.assert_allclose(spans, [[1, 1], [1.4, 1.7], [2.25, 2.75]])
    split = first.collections[0].get_offsets()
    # The model whose split has no gain has no dot, and the others stay at their places.
    np.testing.assert_allclose(np.asarray(split, float)[:2], [[0, 0.5], [1, 0.6]])
    assert np.ma.getmaskarray(split)[2].any() or np.isnan(np.asarray(split)[2, 1])
    low, high = second.get_ylim()
    assert low <= 0.5 / 1.1
    assert high >= 2.5
    plt.close(fig)

"""Charts of image quality show the numbers of their tables, and images where they belong."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import images as image_charts


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_images_stand_beside_their_differences():
    rng = np.random.default_rng(0)
    native = rng.integers(0, 200, (3, 8, 9, 3)).astype("uint8")
    brighter = native + np.uint8([0, 2, 5])
    part = native[:, 1:6, 3:7]
    images = {"native": native, "brighter": brighter, "part": part}
    fig = image_charts.with_differences(images, remarks={"part": "smaller"}, count=2)
    axes = np.array(fig.get_axes()[:6]).reshape(3, 2)
    assert [row[0].get_ylabel() for row in axes] == ["native", "brighter", "part\nsmaller"]
    for i, start in enumerate((0, 10)):  # a gap of one pixel between images of 9
        own = np.s_[:, start : start + 9]
        (_, same), (shown, two), (cut, none) = (
            [np.ma.filled(ax.images[0].get_array().astype(float), np.nan)[own] for ax in row]
            for row in axes
        )
        np.testing.assert_array_equal(shown, brighter[i])
        np.testing.assert_array_equal(same, np.zeros((8, 9)))
        np.testing.assert_array_equal(two, np.full((8, 9), 5))
        np.testing.assert_array_equal(cut[1:6, 3:7], part[i])
        assert (cut[0] == 255).all()
        np.testing.assert_array_equal(none[1:6, 3:7], np.zeros((5, 4)))
        assert np.isnan(none).sum() == 8 * 9 - 5 * 4


def test_likeness_has_a_dot_and_an_interval():
    rows = [
        ("A", "split", 1.0, 1.0, 1.0),
        ("A", "chang", 0.5, 0.4, 0.7),
        ("B", "chang", 0.2, 0.1, 0.3),
    ]
    table = pd.DataFrame(rows, columns=["generator", "form", "ssim", "ssim_low", "ssim_high"])
    fig = image_charts.likeness(table)
    above, below = fig.get_axes()
    assert [label.get_text() for label in above.get_yticklabels()] == ["split", "chang"]
    points, _, (intervals,) = above.containers[0]
    np.testing.assert_array_equal(points.get_xydata(), [[1.0, 0], [0.5, 1]])
    np.testing.assert_allclose([s[:, 0] for s in intervals.get_segments()], [[1, 1], [0.4, 0.7]])
    assert [text.get_text() for text in above.texts] == ["1.000", "0.500"]
    assert below.get_title(loc="left") == "B"


def test_what_survives_is_called_exact():
    rows = [(2, 2, "a", 1e-16, True, 6), (3, 2, "a", 1.25, False, 8), (2, 2, "b", 0.5, False, 6)]
    table = pd.DataFrame(rows, columns=["k", "s", "method", "error", "exact", "outputs"]).assign(
        expected=8
    )
    left, right = image_charts.survival(table).get_axes()[:2]
    assert [text.get_text() for text in left.texts] == ["exact\n6 of 8", "1.25"]
    assert [text.get_text() for text in right.texts] == ["0.50", "–"]
    np.testing.assert_array_equal(
        np.ma.filled(left.images[0].get_array(), np.nan), [[np.nan, 1.25]]
    )

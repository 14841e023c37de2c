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
    images = {"native": native, "brighter": brighter, "split": native.copy(), "part": part}
    remarks = {"native": "no difference", "part": "smaller"}
    fig = image_charts.with_differences(images, remarks=remarks, count=2)
    axes = np.array(fig.get_axes()[:6]).reshape(3, 2)
    # The same images are drawn once.
    assert [row[0].get_ylabel() for row in axes] == ["native, split", "brighter", "part\nsmaller"]
    words = [row[1].texts[0].get_text() for row in axes]
    assert words == ["no difference", "", "the same, where there are pixels"]
    for i, start in enumerate((0, 10)):  # a gap of one pixel between images of 9
        own = np.s_[:, start : start + 9]
        (_, same), (shown, two), (cut, none) = (
            [np.ma.filled(ax.images[0].get_array().astype(float), np.nan)[own] for ax in row]
            for row in axes
        )
        np.testing.assert_array_equal(shown, brighter[i])
        assert np.isnan(same).all()
        np.testing.assert_array_equal(two, np.full((8, 9), 5))
        np.testing.assert_array_equal(cut[1:6, 3:7], part[i])
        assert (cut[0] == 255).all()
        assert np.isnan(none).all()


def test_smaller_images_are_compared_where_they_fit():
    rng = np.random.default_rng(1)
    native = rng.integers(0, 200, (2, 8, 9, 3)).astype("uint8")
    part = native[:, 1:6, 3:7] + np.uint8([3, 0, 0])
    fig = image_charts.with_differences({"native": native, "part": part}, count=1)
    (distance,) = fig.get_axes()[3].images
    found = np.ma.filled(distance.get_array().astype(float), np.nan)
    np.testing.assert_array_equal(found[1:6, 3:7], np.full((5, 4), 3))
    assert np.isnan(found).sum() == 8 * 9 - 5 * 4


def test_likeness_has_a_dot_and_an_interval_where_something_differs():
    rows = [
        ("A", "split", 1.0, 1.0, 1.0),
        ("A", "chang", 0.5, 0.4, 0.7),
        ("B", "native int8", 0.2, 0.1, 0.3),
    ]
    table = pd.DataFrame(rows, columns=["generator", "form", "ssim", "ssim_low", "ssim_high"])
    fig = image_charts.likeness(table)
    above, below = fig.get_axes()
    assert [label.get_text() for label in above.get_yticklabels()] == ["Chang"]
    points, _, (intervals,) = above.containers[0]
    np.testing.assert_array_equal(points.get_xydata(), [[0.5, 0]])
    np.testing.assert_allclose([s[:, 0] for s in intervals.get_segments()], [[0.4, 0.7]])
    assert [text.get_text() for text in above.texts] == ["0.500"]
    assert above.get_title(loc="left") == "A; 1.000: split"
    assert below.get_title(loc="left") == "B"
    assert [label.get_text() for label in below.get_yticklabels()] == ["native operator in int8"]


def test_what_survives_is_called_exact():
    rows = [(2, 2, "a", 1e-16, True, 6), (3, 2, "a", 1.25, False, 8), (2, 2, "b", 0.5, False, 6)]
    table = pd.DataFrame(rows, columns=["k", "s", "method", "error", "exact", "outputs"]).assign(
        expected=8
    )
    left, right = image_charts.survival(table).get_axes()[:2]
    assert [text.get_text() for text in left.texts] == ["exact\n2 lost", "1.25"]
    assert [text.get_text() for text in right.texts] == ["0.50", "–"]
    np.testing.assert_array_equal(
        np.ma.filled(left.images[0].get_array(), np.nan), [[np.nan, 1.25]]
    )

"""The map shows every gain in its cell, losses in the other colour, and what its marks mean."""

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from splitdeconv.study.charts import gain_map

TABLE = pd.DataFrame(
    [
        ("compiler", "one", "dcgan", "over native", 12.34, "", True),
        ("compiler", "one", "mde", "over native", 0.5, "*", False),
        ("measured", "two", "dcgan", "over native", np.nan, "\u2020", False),
        ("measured", "two", "mde", "over NZP", 2.06, "", False),
    ],
    columns=["group", "row", "column", "panel", "gain", "mark", "framed"],
)


@pytest.fixture
def figure():
    import matplotlib.pyplot as plt

    fig = gain_map.gain_map(
        TABLE, label="gain", notes={"*": "unsure", "framed": "chosen", "\u2021": "never"}
    )
    yield fig
    plt.close(fig)


def texts(ax):
    return {text.get_position(): text.get_text() for text in ax.texts}


def test_every_gain_is_written_in_its_cell(figure):
    left, right = figure.axes[:2]
    assert texts(left) == {(0, 0): "12", (1, 0): "0.50*", (0, 1): "\u2020"}
    assert texts(right) == {(1, 1): "2.1"}
    assert [ax.get_title() for ax in (left, right)] == ["over native", "over NZP"]
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "compiler one",
        "measured two",
    ]
    assert [label.get_text() for label in left.get_xticklabels()] == ["dcgan", "mde"]


def test_every_gain_has_two_digits_or_three():
    import matplotlib.pyplot as plt

    gains = {0.126: "0.13", 1.949: "1.95", 1.951: "2.0", 9.949: "9.9", 9.951: "10", 123.4: "123"}
    table = pd.DataFrame(
        {"group": "a", "row": [*map(str, gains)], "column": "b", "panel": "c", "gain": [*gains]}
    )
    fig = gain_map.gain_map(table, label="gain")
    assert [*texts(fig.axes[0]).values()] == [*gains.values()]
    plt.close(fig)


def test_losses_have_the_other_colour_and_nothing_is_no_colour(figure):
    (image,) = figure.axes[0].images
    shades = {gain: image.cmap(image.norm(gain)) for gain in (0.5, 1, 2)}
    orange, even, purple = (matplotlib.colors.rgb_to_hsv(shade[:3]) for shade in shades.values())
    assert orange[0] < 0.2 < 0.6 < purple[0]  # hue
    assert even[1] < 0.1  # saturation
    assert np.array_equal(image.get_array().mask, [[False, False], [True, True]])


def test_frames_stand_around_what_is_chosen(figure):
    (frame,) = figure.axes[0].patches
    x, y = frame.get_xy()
    assert (x < 0 < x + frame.get_width(), y < 0 < y + frame.get_height()) == (True, True)
    assert not figure.axes[1].patches


def test_only_marks_that_occur_are_explained(figure):
    assert figure.get_supxlabel() == "*: unsure\nframed: chosen"


def test_columns_and_panels_stand_as_they_are_given():
    import matplotlib.pyplot as plt

    columns = {"mde": "monocular depth", "dcgan": "DCGAN"}
    fig = gain_map.gain_map(TABLE, label="gain", columns=columns, titles={"over NZP": "zeros"})
    assert [label.get_text() for label in fig.axes[0].get_xticklabels()] == list(columns.values())
    assert texts(fig.axes[0]) == {(0, 1): "2.1"}
    plt.close(fig)


def test_groups_are_set_apart(figure):
    for ax in figure.axes[:2]:
        assert [line.get_ydata()[0] for line in ax.lines] == [0.5]

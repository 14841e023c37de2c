"""The hero draws the plan's own taps, counts the values that differ, and shows every gain."""

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

import splitdeconv as sd
from splitdeconv.study.charts.hero import hero
from splitdeconv.study.charts.plan import phase_colours

NAN = float("nan")
TABLE = pd.DataFrame(
    [("one", True, 1.5, 1.25, 3.0, 2.5, 2.0, 5.0), ("two", False, 4.26, 1.0, 6.0, NAN, NAN, NAN)],
    columns=["label", "measured"]
    + [f"{side}_{end}" for side in ("native", "nzp") for end in ("mean", "least", "most")],
)
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def drawn(plan, split=IMAGE):
    return hero(plan, {"native": IMAGE, "split": split}, TABLE)


@pytest.fixture
def figure():
    import matplotlib.pyplot as plt

    yield drawn(sd.plan((4, 4), 5, 2))
    plt.close("all")


def words(figure):
    texts = [*figure.texts, *(text for ax in figure.axes for text in ax.texts)]
    return [text.get_text() for text in texts]


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (4, 2), (7, 3)])
def test_every_tap_is_drawn_in_the_colour_of_its_phase(kernel, stride):
    import matplotlib.pyplot as plt

    plan = sd.plan((6, 6), kernel, stride)
    idea = drawn(plan).axes[0]
    squares = [patch for patch in idea.patches if isinstance(patch, Rectangle)]
    colours = [matplotlib.colors.to_hex(patch.get_facecolor()) for patch in squares]
    for (y, x), colour in phase_colours(plan).items():
        (phase,) = [phase for phase in plan.phases if phase.phases[0] == (y, x)]
        taps = phase.kernel_size[0] * phase.kernel_size[1]
        # Once in the filter, once in its part, and one output in each of 4 x 4 blocks.
        assert colours.count(colour.lower()) == 2 * taps + 16
    plt.close("all")


def test_values_that_differ_are_counted(figure):
    assert any("0 of\n90 8-bit values" in ax.get_xlabel() for ax in figure.axes)
    assert "The same image" in words(figure)
    other = IMAGE.copy()
    other[2, 3] ^= 1
    figure = drawn(sd.plan((4, 4), 5, 2), other)
    assert any("3 of\n90 8-bit values" in ax.get_xlabel() for ax in figure.axes)
    assert "The same image" not in words(figure)


def test_gains_are_those_of_the_table(figure):
    ax = figure.axes[-1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    dots = [tuple(np.round(dots.get_offsets()[0], 2)) for dots in ax.collections]
    assert dots == [(1.5, -0.17), (2.5, 0.17), (4.26, 0.83)]
    filled = [matplotlib.colors.to_hex(dots.get_facecolor()[0]) for dots in ax.collections]
    assert [colour != "#ffffff" for colour in filled] == [True, True, False]
    lines = [tuple(line.get_xdata()) for line in ax.lines]
    assert lines[:3] == [(1.25, 3.0), (2.0, 5.0), (1.0, 6.0)]
    assert "The layers run 1.5 to 4.3 times faster" in words(figure)


def test_text_is_legible_at_800_pixels(figure):
    """At that width a point of the 11.3 inches is a pixel."""
    sizes = [text.get_fontsize() for text in figure.texts]
    for ax in figure.axes:
        sizes += [text.get_fontsize() for text in (*ax.texts, ax.xaxis.label) if text.get_text()]
    assert min(sizes) >= 9
    assert figure.get_figwidth() * 72 == pytest.approx(800, rel=0.02)

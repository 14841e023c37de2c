"""The animation moves every tap to its part and every result to its pixel."""

import re
from collections import Counter
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.study.charts.animation import animation
from splitdeconv.study.charts.plan import phase_colours
from tests.refusals import refused

SVG = "{http://www.w3.org/2000/svg}"
GEOMETRIES = [(5, 2), (4, 2), (3, 2), (7, 3)]


def moved(text, kind):
    """(Colour, start, end) of every square of a class."""
    for square in ElementTree.fromstring(text).iter(f"{SVG}rect"):
        if square.get("class") == kind:
            end = np.array([float(square.get("x")), float(square.get("y"))])
            shift = re.findall(r"--[xy]:([-\d.e]+)px", square.get("style"))
            yield square.get("fill"), tuple(end + np.array(shift, float)), tuple(end)


def ranks(values):
    """Each value as its place among the different ones: a column of squares by its number."""
    order = {value: place for place, value in enumerate(sorted(set(values)))}
    return [order[value] for value in values]


@pytest.mark.parametrize(("kernel", "stride"), GEOMETRIES)
def test_every_tap_starts_in_the_filter_and_ends_in_its_part(kernel, stride):
    plan = sd.plan((4, 4), kernel, stride)
    taps = list(moved(animation(plan), "tap"))
    colours, starts, ends = zip(*taps, strict=True)
    assert len(set(starts)) == len(set(ends)) == kernel**2
    columns, rows = (ranks(values) for values in zip(*starts, strict=True))
    assert set(zip(rows, columns, strict=True)) == set(product(range(kernel), repeat=2))
    owner = {
        (u, v): colour
        for phase in plan.phases
        for colour in [phase_colours(plan)[phase.phases[0]]]
        for u, v in product(phase.windows[0].taps[0], phase.windows[1].taps[0])
    }
    assert [owner[place] for place in zip(rows, columns, strict=True)] == list(colours)
    # Ends are disjoint groups, one a part, at the right of the whole filter.
    assert min(x for x, _ in ends) > max(x for x, _ in starts)


@pytest.mark.parametrize(("kernel", "stride"), GEOMETRIES)
def test_results_are_interleaved(kernel, stride):
    plan = sd.plan((4, 4), kernel, stride)
    colours, _, ends = zip(*moved(animation(plan), "out"), strict=True)
    columns, rows = (ranks(values) for values in zip(*ends, strict=True))
    of = phase_colours(plan)
    assert len(colours) == (4 * stride) ** 2
    for colour, row, column in zip(colours, rows, columns, strict=True):
        assert colour == of[row % stride, column % stride]
    assert set(Counter(colours).values()) == {16}


def test_nothing_leaves_the_picture():
    text = animation(sd.plan((4, 4), 7, 3))
    _, _, width, height = map(float, ElementTree.fromstring(text).get("viewBox").split())
    for square in ElementTree.fromstring(text).iter(f"{SVG}rect"):
        x, y, w, h = (float(square.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_what_does_not_fit_is_refused():
    for plan in (sd.plan((4, 4), 9, 2), sd.plan((4, 4), 5, 4), sd.plan((4, 4), 4, (2, 3))):
        with refused("the plan does not fit into the animation"):
            animation(plan)
    with refused("this picture is of a 2-D plan"):
        animation(sd.plan((4,), 4, 2))


def test_the_readme_shows_what_this_draws():
    kept = Path(__file__).parents[3] / "docs" / "split.svg"
    assert kept.read_text() == animation(sd.plan((4, 4), 5, 2)), (
        "docs/split.svg is outdated: write the text of animation(sd.plan((4, 4), 5, 2)) to it"
    )

"""Blocks cover every point once, and know where it is."""

from itertools import product
from math import prod

import numpy as np
import pytest

from splitdeconv.dlp.design_space.space import Space, box, count_blocks

SIZES = {"network": 2, "method": 3, "skip": 1, "part": 2, "a": 5, "words": 4, "b": 3, "c": 7}


def space(points):
    inner = ("a", "b", "c")
    return Space(SIZES, ("words",), inner, box([SIZES[name] for name in inner], points))


@pytest.mark.parametrize(
    ("lengths", "points", "expected"),
    [
        ((5, 3, 7), 1000, (5, 3, 7)),
        ((5, 3, 7), 104, (3, 3, 7)),
        ((5, 3, 7), 42, (2, 3, 7)),
        ((5, 3, 7), 20, (1, 2, 7)),
        ((5, 3, 7), 7, (1, 1, 7)),
        ((5, 3, 7), 6, (1, 1, 4)),
        ((5, 3, 7), 1, (1, 1, 1)),
        ((), 9, ()),
    ],
)
def test_a_box_has_whole_axes_from_the_last_on(lengths, points, expected):
    assert box(lengths, points) == expected


@pytest.mark.parametrize("points", [1, 6, 20, 50, 10**6])
def test_blocks_cover_every_point_once(points):
    whole = space(points)
    blocks = list(whole.each())
    lengths = [SIZES[name] for name in whole.inner]
    assert len(blocks) == whole.blocks == whole.jobs * count_blocks(lengths, whole.box)
    found = np.concatenate([whole.index(block).ravel() for block in blocks])
    assert sorted(found.tolist()) == list(range(prod(SIZES.values())))
    assert all(
        prod(stop - start for start, stop in zip(block.start, block.stop, strict=True)) <= points
        for block in blocks
    )


def test_an_index_is_the_place_among_all_labels():
    whole = space(6)
    # Counted one by one, as Python nests loops.
    numbers = {at: n for n, at in enumerate(product(*map(range, SIZES.values())))}
    groups = {at: n for n, at in enumerate(product(range(3), range(4), range(7)))}
    for block in list(whole.each())[::7]:
        place = whole.place(block.job)
        assert set(place) == {"words", "network", "method", "skip"}
        index, group = whole.index(block), whole.index(block, ["c", "method", "words"])
        for part, *offsets in np.ndindex(index.shape):
            at = {**place, "part": part}
            at |= {n: s + o for n, s, o in zip(whole.inner, block.start, offsets, strict=True)}
            assert index[part, *offsets] == numbers[tuple(at[name] for name in SIZES)]
            assert group[part, *offsets] == groups[at["method"], at["words"], at["c"]]

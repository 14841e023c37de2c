"""Taps padded to accepted kernel sizes: the values stay, and the counts are those of the padded."""

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core.convolutions import Convolution
from splitdeconv.core.definition import conv_transpose
from splitdeconv.core.forms import COMPUTED_FORMS, FILE_FORMS
from splitdeconv.core.kernels import Kernels, padding
from splitdeconv.core.plan import SplitPlan
from tests.refusals import refused

ODD = (1, 3, 5, 7, 9)
SQUARE = ((1, 1), (3, 3), (5, 5), (7, 7), (9, 9))
# size, kernel, strides, padding, dilations, groups
GEOMETRIES = [
    ((5, 7), (4, 4), (2, 2), "SAME", 1, 1),
    ((5, 4), (5, 3), (2, 2), "VALID", 1, 1),
    ((4, 6), (5, 4), (3, 2), [(2, 1), (0, 3)], 1, 2),
    ((6, 3), (3, 2), (4, 1), "SAME", 1, 1),  # phases without taps
    ((9, 8), (4, 4), (2, 2), [(5, 2), (3, 6)], 1, 1),  # slices
    ((6,), (7,), (3,), "SAME", 1, 1),
    ((6,), (4,), (2,), "VALID", 3, 2),
    ((7,), (5,), (4,), "VALID", 2, 1),
    ((3, 4, 5), (3, 4, 2), (2, 2, 3), "SAME", 1, 2),
    ((1, 1), (4, 4), (2, 2), "SAME", 1, 1),  # a map of one element
    ((5, 4), (3, 5), (1, 1), "SAME", 1, 1),
]


def _plan(geometry, form="split", pad_to=None):
    size, kernel, strides, pads, dilations, groups = geometry
    return sd.plan(
        size, kernel, strides, pads, dilations=dilations, groups=groups, form=form, pad_to=pad_to
    )


def _data(geometry, seed=3):
    rng = np.random.default_rng(seed)
    size, kernel, groups = geometry[0], geometry[1], geometry[5]
    x = rng.standard_normal((2, *size, 3 * groups)) + 0.25
    return x, rng.standard_normal((*kernel, 5, 3 * groups)) - 0.5


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("form", COMPUTED_FORMS)
def test_padded_taps_compute_the_definition(geometry, form):
    x, filters = _data(geometry)
    sizes = [ODD, (4, 8, 12), tuple((n,) * len(geometry[0]) for n in (2, 5, 11))]
    for pad_to in sizes:
        plan = _plan(geometry, form, pad_to)
        y = sd.apply(plan, x, filters)
        # Sums of float64 in another order: up to 32 * 6 products of numbers of size 1.
        np.testing.assert_allclose(y, conv_transpose(x, filters, plan), atol=1e-12)
        made = [one.kernel_size for one in plan.convolutions if 0 not in one.kernel_size]
        assert made
        accepted = Kernels(pad_to)
        assert all(accepted.holding(size) == size for size in made)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("form", FILE_FORMS)
def test_the_operations_are_those_of_the_padded_filters(geometry, form):
    groups = geometry[5]
    plan = _plan(geometry, form, ODD)
    blocks = prod(
        axis.n + split.surplus for axis, split in zip(plan.axes, plan.axis_plans, strict=True)
    )
    taps = sum(prod(one.kernel_size) * len(one.phases) for one in plan.convolutions)
    counts = plan.macs(3 * groups, 5 * groups)
    assert counts[form] == blocks * taps * 15 * groups
    bare = _plan(geometry, form).macs(3 * groups, 5 * groups)
    assert {name: n for name, n in counts.items() if name != form} == {
        name: n for name, n in bare.items() if name != form
    }
    cost = padding(plan)
    assert (1.0 if cost is None else cost.cost) == counts[form] / bare[form]


def test_the_common_case_in_numbers():
    """4x4 stride 2: every form's 2x2 or 3x3 taps become 3x3, in reach of SAME padding."""
    geometry = ((16, 16), (4, 4), (2, 2), "SAME", 1, 1)
    plan = _plan(geometry, "split", ODD)
    assert (str(padding(plan)), padding(plan).cost) == ("2x2 -> 3x3", 2.25)
    assert {one.pads for one in plan.convolutions} == {((1, 1), (1, 1))}
    stacked = _plan(geometry, "stacked", ODD)
    # Without padding, 2x2 taps over 17x17 blocks are the cheaper way; with it, 3x3 over 16x16.
    assert [one.kernel_size for one in stacked.convolutions] == [(3, 3)]
    assert (stacked.crop, stacked.macs(1, 1)["stacked"]) == (((0, 0), (0, 0)), 9 * 4 * 256)
    assert padding(stacked).cost == 9 * 4 * 256 / (4 * 4 * 17 * 17)


def test_whole_kernels_are_not_mixed():
    plan = _plan(((8, 8), (5, 5), (2, 2), "SAME", 1, 1), "split", SQUARE)
    assert [one.kernel_size for one in plan.convolutions] == [(3, 3)] * 4
    assert str(padding(plan)) == "2x2 and 2x3 and 3x2 -> 3x3"
    rows = [*SQUARE, (1, 3), (3, 1)]
    small = _plan(((8, 8), (3, 3), (2, 2), "SAME", 1, 1), "split", rows)
    assert sorted(one.kernel_size for one in small.convolutions) == [(1, 1), (1, 3), (3, 1), (3, 3)]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("form", FILE_FORMS)
def test_sizes_that_fit_pad_nothing(geometry, form):
    bare = _plan(geometry, form)
    plan = _plan(geometry, form, tuple(range(1, 33)))
    assert plan.convolutions == bare.convolutions
    assert padding(plan) is None


def test_a_pad_on_the_wrong_side_changes_values():
    """The negative control: the same zeros, with the convolution's padding on the other side."""
    geometry = ((5, 7), (4, 4), (2, 2), "SAME", 1, 1)
    x, filters = _data(geometry)
    plan = _plan(geometry, "split", ODD)

    def wrong(one):
        start = tuple(replace(window, start=window.start + 1) for window in one.windows)
        sides = zip(plan.axis_plans, start, strict=True)
        return Convolution(start, tuple(split.pads(window) for split, window in sides))

    class Wrong(SplitPlan):
        @property
        def convolutions(self):
            return tuple(map(wrong, plan.convolutions))

    y = sd.apply(Wrong(plan.axes, 1, "split", plan.kernels), x, filters)
    expected = conv_transpose(x, filters, plan)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() > 0.1


def test_the_pads_become_as_even_as_they_can():
    """A slice shrinks before the other side grows."""
    for axis_plan, length in product(_plan(GEOMETRIES[4]).axis_plans, (3, 4, 7)):
        for window in axis_plan.windows:
            (before, after), longer = axis_plan.pads(window), axis_plan.lengthened(window, length)
            new_before, new_after = axis_plan.pads(longer)
            assert (new_before - before) + (new_after - after) == length - window.length
            assert abs(new_before - new_after) <= max(abs(before - after), 1)
            assert min(new_before, new_after) >= min(before, after)


def test_a_size_that_nothing_holds_is_refused():
    with refused("no accepted kernel holds the 2x3 taps of a phase") as caught:
        _ = _plan(((8, 8), (5, 5), (2, 2), "SAME", 1, 1), "split", (1, 2)).convolutions
    assert "kernels of size 1, 2" in str(caught.value)
    plan = _plan(((8, 8), (5, 5), (2, 2), "SAME", 1, 1), "split", (1, 2))
    assert plan.unfit == (2, 3)
    # Kernels of two axes hold none of one.
    assert _plan(((8,), (5,), (2,), "SAME", 1, 1), "split", SQUARE).unfit == (2,)


@pytest.mark.parametrize("pad_to", [(), 3, "3x3"], ids=repr)
def test_sizes_are_a_list(pad_to):
    with refused("kernel sizes must be a list"):
        sd.plan((8, 8), 5, 2, pad_to=pad_to)


@pytest.mark.parametrize("pad_to", [(0,), ((3, -1),), (1.5,)], ids=repr)
def test_sizes_are_positive(pad_to):
    with refused("the pad_to must be a positive integer"):
        sd.plan((8, 8), 5, 2, pad_to=pad_to)


def test_an_open_length_costs_per_block():
    plan = sd.plan((None, None), 4, 2, pad_to=ODD)
    assert (plan.issued, padding(plan).cost) == (36, 2.25)


def test_plain_values_make_the_sizes_again():
    kernels = Kernels((1, 3, (5, 7)))
    assert Kernels.of(kernels.plain(), "kernels") == kernels
    assert (kernels.plain(), str(kernels)) == ([1, 3, [5, 7]], "1, 3, 5x7")

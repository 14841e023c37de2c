"""The split of one axis, against the definition: every product of input and tap, once."""

from collections import Counter
from itertools import product
from math import ceil, gcd

import pytest

from splitdeconv.core.geometry import Axis
from splitdeconv.core.phases import plan_axis

FORMS = ("split", "rows", "stacked", "paper")
# n, k, s, d, crop p and length relative to n*s: more than any dialect can ask for, p < 0 and long
# slices included. Only from s = 5 on does a dilation differ from its own inverse modulo the stride.
AXES = [
    Axis(n=n, k=k, s=s, d=d, p=p, tail=tail)
    for n, k, s, d, p, tail in product(
        (1, 4), (1, 2, 3, 6), (1, 2, 3, 4, 5), (1, 2, 3, 4), (-2, 0, 1, 4), (-2, 0, 3)
    )
    if n * s + tail > 0
]


def _definition(axis):
    """(q, i, u) with i*s = q + p - d*u."""
    triples = (
        (i * axis.s + axis.d * u - axis.p, i, u) for i in range(axis.n) for u in range(axis.k)
    )
    return Counter((q, i, u) for q, i, u in triples if 0 <= q < axis.o)


def _performed(split):
    """What a plan's windows compute at position m of block b and phase r, as in `Window`."""
    axis, products = split.axis, Counter()
    for window, b in product(split.windows, range(axis.n + split.surplus)):
        for r, taps in zip(window.phases, window.taps, strict=True):
            q = b * axis.s + r - split.alignment
            for m, u in enumerate(taps):
                i = b + window.start + m * window.dilation
                if u is not None and 0 <= i < axis.n and 0 <= q < axis.o:
                    products[q, i, u] += 1
    return products


@pytest.mark.parametrize("form", FORMS)
def test_windows_perform_the_definition(form):
    assert len(AXES) > 1500
    wrong = [axis for axis in AXES if _performed(plan_axis(axis, form)) != _definition(axis)]
    assert wrong == []


@pytest.mark.parametrize("form", FORMS)
def test_every_phase_is_served_once_and_the_blocks_cover_the_output(form):
    for axis in AXES:
        split = plan_axis(axis, form)
        assert sorted(r for w in split.windows for r in w.phases) == list(range(axis.s))
        start, end = split.crop
        assert start == split.alignment >= 0
        assert 0 <= end < axis.s
        assert start + axis.o + end == (axis.n + split.surplus) * axis.s


def test_pads_are_what_the_window_sticks_out():
    for axis, form in product(AXES[::7], FORMS):
        split = plan_axis(axis, form)
        for window in split.windows:
            before, after = split.pads(window)
            read = [b + window.start + m * window.dilation for b in (0, axis.n + split.surplus - 1)
                    for m in (0, window.length - 1)]  # fmt: skip
            if window.length:
                assert (-before, after) == (min(read), max(read) - axis.n + 1)


def test_zero_insertion_is_one_phase_of_a_longer_input():
    split = plan_axis(Axis(n=4, k=5, s=2, d=1, p=1, tail=0), "nzp")
    assert split.axis == Axis(n=8, k=5, s=1, d=1, p=1, tail=0)
    (window,) = split.windows
    assert window.taps == ((4, 3, 2, 1, 0),)
    assert split.pads(window) == (3, 1)


def test_by_hand_five_taps_stride_two():
    # SAME, p = 1. Phase 0: t = 1, taps 1, 3 read b, b-1. Phase 1: t = 2, taps 0, 2, 4 read b+1, b,
    # b-1.
    split = plan_axis(Axis(n=4, k=5, s=2, d=1, p=1, tail=0), "split")
    even, odd = split.windows
    assert (even.taps, even.start, even.stop, split.pads(even)) == (((3, 1),), -1, 0, (1, 0))
    assert (odd.taps, odd.start, odd.stop, split.pads(odd)) == (((4, 2, 0),), -1, 1, (1, 1))
    assert (split.crop, split.surplus, split.taps, split.issued()) == ((0, 0), 0, 5, 20)


def test_by_hand_kernel_shorter_than_the_stride():
    split = plan_axis(Axis(n=4, k=2, s=3, d=1, p=0, tail=0), "split")
    assert [w.taps for w in split.windows] == [((0,),), ((1,),), ((),)]
    assert [w.length for w in split.windows] == [1, 1, 0]


def test_by_hand_dilation_that_shares_a_factor_with_the_stride():
    # d = 2, s = 4: g = 2, so odd t are empty; D^-1 = 1 mod 2, so t = 0 takes taps 0, 2 and t = 2
    # taps 1, at dilation 1.
    split = plan_axis(Axis(n=4, k=3, s=4, d=2, p=0, tail=0), "split")
    assert [w.taps for w in split.windows] == [((2, 0),), ((),), ((1,),), ((),)]
    assert {w.dilation for w in split.windows} == {1}


def test_the_formula_without_dilation():
    """For d = 1: u0 = t mod s, the last input is b + floor(t/s), taps run backwards by s."""
    for axis in (a for a in AXES if a.d == 1):
        for window in plan_axis(axis, "split").windows:
            t = window.phases[0] + axis.p
            assert window.taps[0] == tuple(range(t % axis.s, axis.k, axis.s))[::-1]
            if window.length:
                assert window.stop == t // axis.s


def test_papers_alignment_gives_all_phases_one_window_of_ceil_k_over_s():
    for axis in (a for a in AXES if a.d == 1):
        split = plan_axis(axis, "paper")
        assert split.alignment == axis.p % axis.s
        assert {w.length for w in split.windows} == {ceil(axis.k / axis.s)}
        assert {w.stop for w in split.windows} == {axis.p // axis.s}


def test_paper_extends_by_zeros_at_the_far_end():
    split = plan_axis(Axis(n=4, k=5, s=2, d=1, p=1, tail=0), "paper")
    assert [w.taps for w in split.windows] == [((4, 2, 0),), ((None, 3, 1),)]


def test_stacked_takes_the_alignment_that_issues_less():
    # 4x4 s2 SAME: aligned at a = 1 one window of two taps, with a crop; at a = 0 three taps.
    assert plan_axis(Axis(n=8, k=4, s=2, d=1, p=1, tail=0), "stacked").alignment == 1
    # One input only: the extra block of the crop costs more than the wider window.
    assert plan_axis(Axis(n=1, k=4, s=2, d=1, p=1, tail=0), "stacked").issued() == 6
    for axis in AXES:
        fewest = plan_axis(axis, "stacked").issued()
        assert fewest <= plan_axis(axis, "rows").issued()
        assert plan_axis(axis, "split").taps <= plan_axis(axis, "stacked").taps


def test_rows_split_the_outer_axes_and_stack_the_last_without_a_crop_in_front():
    axis = Axis(n=8, k=4, s=2, d=1, p=1, tail=0)
    assert plan_axis(axis, "rows", last=False) == plan_axis(axis, "split")
    (window,) = plan_axis(axis, "rows").windows
    assert window.phases == (0, 1)
    assert window.taps == ((3, 1, None), (None, 2, 0))


def test_dilated_windows_keep_the_dilation_where_they_are_in_step():
    # d = 3, s = 2: D = 3. Phases 0 and 1 start 1 apart, so their union can only be dense.
    (union,) = plan_axis(Axis(n=6, k=4, s=2, d=3, p=0, tail=0), "rows").windows
    assert union.dilation == 1
    (alone,) = plan_axis(Axis(n=6, k=4, s=1, d=3, p=0, tail=0), "rows").windows
    assert (alone.dilation, alone.taps) == (3, ((3, 2, 1, 0),))
    # d = 7, s = 3, k = 3: one tap per phase, at b, b - 2 and b - 4. Positions 2 apart meet all
    # three.
    (sparse,) = plan_axis(Axis(n=6, k=3, s=3, d=7, p=0, tail=0), "rows").windows
    assert (sparse.start, sparse.dilation) == (-4, 2)
    assert sparse.taps == ((None, None, 0), (None, 1, None), (2, None, None))


def test_a_single_tap_has_no_dilation():
    """A dilated convolution costs more than a plain one, so none is asked for in vain."""
    for axis, form in product(AXES, FORMS):
        assert all(w.dilation == 1 for w in plan_axis(axis, form).windows if w.length <= 1)


def test_empty_phases_are_those_the_greatest_common_divisor_leaves():
    for axis in (a for a in AXES if a.k >= a.s):
        lengths = [w.length for w in plan_axis(axis, "split").windows]
        g = gcd(axis.d, axis.s)
        assert [n == 0 for n in lengths] == [(r + axis.p) % g != 0 for r in range(axis.s)]
        assert sum(lengths) == axis.k


def test_counts_stay_exact_beyond_floating_point():
    # 2**60 + 1 is no double: a rounded quotient would lose the last block.
    split = plan_axis(Axis(n=4, k=3, s=2, d=1, p=0, tail=2**60 + 1), "split")
    assert split.surplus == 2**59 + 1
    assert split.crop == (0, 1)


def test_a_form_without_a_split_is_not_taken_for_another():
    with pytest.raises(ValueError, match="no split of an axis is known for the form 'bands'"):
        plan_axis(Axis(n=4, k=3, s=2, d=1, p=0, tail=1), "bands")

"""Multiply-accumulates of a plan: by hand, by brute force, and by the convolutions that are run."""

from math import prod

import pytest

import splitdeconv as sd
from splitdeconv.core.backends import numpy as backend
from tests.geometries import CASES
from tests.refusals import refused

COUNTED = ("nzp", "split", "rows", "stacked", "paper")


def test_exact_count_of_the_textbook_layer():
    # Per axis of 16 with k = 5, s = 2, p = 1 and o = 32: input 0 loses tap 0; input 15, on 29..33,
    # loses taps 3 and 4.
    assert sd.plan((16, 16), 5, 2).macs(1, 1)["exact"] == (80 - 3) ** 2


@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_exact_count_is_the_brute_force_one(case):
    planned = case.plan()
    counts = []
    for a in planned.axes:
        landing = [i * a.s + a.d * u - a.p for i in range(a.n) for u in range(a.k)]
        counts.append(sum(0 <= q < a.o for q in landing))
    pairs = case.cin * case.cout // case.groups
    account = planned.macs(case.cin, case.cout)
    assert account["exact"] == prod(counts) * pairs
    assert account["useful"] == prod(a.n * a.k for a in planned.axes) * pairs
    for form in COUNTED:
        assert account[form] >= account["exact"]


@pytest.mark.parametrize("form", COUNTED)
def test_counts_are_those_of_the_convolutions_run(form, monkeypatch):
    """Multiplications are counted in the convolution that the NumPy backend is asked for."""
    convolve, issued = backend.conv, []

    def counting(x, w, pads, dilations, groups):
        y = convolve(x, w, pads, dilations, groups)
        issued.append(y.size * prod(w.shape[:-1]))
        return y

    monkeypatch.setattr(backend, "conv", counting)
    for case in CASES[:200]:
        x, w = case.arrays()
        issued.clear()
        planned = case.plan(form)
        sd.apply(planned, x, w)
        assert sum(issued) == case.batch * planned.macs(case.cin, case.cout)[form], case
        assert len(issued) == sum(0 not in c.kernel_size for c in planned.convolutions)


def test_useful_is_issued_at_least_where_nothing_is_cropped():
    for case in (c for c in CASES if isinstance(c.padding, str) and c.output_padding is None):
        counts = case.plan().macs(case.cin, case.cout)
        assert all(counts["useful"] <= counts[form] for form in COUNTED)
        if case.padding == "SAME" and set(case.dilations) == {1}:
            assert counts["split"] == counts["useful"]


def test_groups_divide_the_counts():
    whole, grouped = (sd.plan((5, 4), 3, 2, groups=g).macs(6, 12) for g in (1, 3))
    assert whole == {name: 3 * count for name, count in grouped.items()}


@pytest.mark.parametrize(
    ("match", "arguments", "channels"),
    [
        ("cannot be counted without the input size", {"input_shape": (4, None)}, (1, 1)),
        ("groups do not divide the channels", {"groups": 2}, (4, 3)),
        ("groups do not divide the channels", {"groups": 2}, (3, 4)),
        ("in_channels must be a positive integer", {}, (0, 1)),
        ("out_channels must be a positive integer", {}, (1, 2.5)),
    ],
)
def test_counts_refused(match, arguments, channels):
    planned = sd.plan(**{"input_shape": (4, 4), "kernel_size": 3, "strides": 2, **arguments})
    with refused(match):
        planned.macs(*channels)


def test_huge_sizes_are_counted_exactly():
    n = 10**18
    counts = sd.plan((n, n), 5, 2).macs(512, 256)
    assert counts["exact"] == (5 * n - 3) ** 2 * 512 * 256
    assert counts["rows"] == 30 * n * n * 512 * 256

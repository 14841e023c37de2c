"""Lowering against the plans, checked elsewhere, and counts from the definition."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given

import splitdeconv as sd
from splitdeconv.core.describe import exact_taps
from splitdeconv.dlp.cycles import real_macs
from splitdeconv.dlp.lowering import METHODS, lower
from tests.dlp.tables import layer, networks, of_case, planar, table
from tests.refusals import refused

PLANNED = {
    "nzp": "nzp",
    "native": "nzp",
    "sd_trimmed": "split",
    "rows": "rows",
    "stacked": "stacked",
    "paper": "paper",
}


def macs(work):
    taps = work.taps_h * work.taps_w
    return (
        work.times * work.out_h * work.out_w * taps * work.c_in * work.c_out * work.groups
    ).sum()


@given(planar())
def test_each_method_issues_what_its_plan_issues(case):
    counts = case.plan().macs(case.cin, case.cout)
    for method, form in PLANNED.items():
        if case.plan(form=form).fixed:  # what `lower` takes for any size, the plan takes for one
            assert macs(lower(of_case(case), method)) >= counts[form]
            continue
        assert macs(lower(of_case(case), method)) == counts[form], method


@given(planar())
def test_sd_extends_every_phase_that_has_taps_to_as_many(case):
    work = lower(of_case(case), "sd")
    axes = case.plan().axes
    for side, axis in zip("wh", reversed(axes), strict=False):
        assert set(getattr(work, f"taps_{side}")) == {
            -(-axis.k // (axis.s // np.gcd(axis.s, axis.d)))
        }
        assert set(getattr(work, f"out_{side}")) == {-(-axis.o // axis.s)}
    # A dilation that shares a factor with the stride leaves phases without taps, and these run
    # nothing.
    assert work.times.sum() == prod(axis.s // np.gcd(axis.s, axis.d) for axis in axes)


@given(planar())
def test_what_is_real_is_the_definition_of_a_transposed_convolution(case):
    pairs = case.cin * case.cout // case.groups
    axes = case.plan().axes
    for method in METHODS:
        work = lower(of_case(case), method)
        real = (work.times * real_macs(work, case.batch)).sum()
        # What an axis computes: outputs of the plan, those beyond o that are cropped included.
        computed = prod(
            _real_pairs(axis, *_computed(case, axis, method, i)) for i, axis in enumerate(axes)
        )
        assert real == case.batch * pairs * computed, method
    assert prod(map(exact_taps, axes)) * pairs == real_macs(lower(of_case(case), "nzp")).sum()


def _computed(case, axis, method, index):
    if method in ("nzp", "native"):
        return 0, axis.o
    form = PLANNED.get(method, "split")
    start, end = case.plan(form).crop[index]
    return -start, axis.o + end


def _real_pairs(axis, start, stop):
    """Inputs and taps that meet in an output of ``start .. stop - 1``."""
    return sum(
        start <= i * axis.s + axis.d * u - axis.p < stop
        for i, u in product(range(axis.n), range(axis.k))
    )


def test_stacked_phases_are_channels_and_equal_convolutions_are_one_entry():
    fused = lower(networks("DCGAN"), "stacked")
    assert fused.c_out.tolist() == [16384, 4 * 128, 4 * 64, 4 * 3]
    assert fused.taps_h.tolist() == [1, 3, 3, 3]
    assert fused.times.tolist() == [1, 1, 1, 1]
    rows = lower(networks("DCGAN"), "rows")
    assert rows.layer.tolist() == [0, 1, 1, 2, 2, 3, 3]
    # Outputs of even rows meet taps 1 and 3 (one row is cropped above), of odd ones 0, 2 and 4.
    assert rows.taps_h[1:3].tolist() == [2, 3]
    assert rows.taps_w[1:3].tolist() == [3, 3]
    assert rows.c_out[1:3].tolist() == [256, 256]
    # 64 taps at stride 32 are two a phase, which read one input to the left or, uncropped, all the
    # same ones.
    upscore = table(layer("deconv", (16, 16), (64, 64), (32, 32), (544, 544), 21, 21, "VALID"))
    merged = lower(upscore, "sd")
    assert (len(merged), merged.times.tolist()) == (1, [1024])
    cropped = lower(
        table(layer("deconv", (16, 16), (64, 64), (32, 32), (512, 512), 21, 21, before=(16, 16))),
        "sd",
    )
    assert sorted(cropped.times.tolist()) == [256] * 4
    # Equal sizes whose borders lie elsewhere are kept apart.
    assert len(set(cropped.axes)) == 4


def test_the_map_of_zero_insertion_holds_its_zeros():
    assert lower(networks("SNGAN"), "nzp").in_h[:3].tolist() == [7, 15, 31]
    assert lower(networks("SNGAN"), "sd_trimmed").in_h[:3].tolist() == [4, 4, 4]


def test_phases_that_no_tap_reaches_are_left_out():
    one = table(layer("deconv", (3, 5), (1, 2), (3, 4), (9, 20), 2, 3))
    assert (lower(one, "sd_trimmed").times.sum(), lower(one, "sd").times.sum()) == (2, 12)
    # The zero-extended ones run, on zeros.
    work = lower(one, "sd")
    real = np.array([sum(map(sum, h.weights)) * sum(map(sum, w.weights)) for h, w in work.axes])
    assert (work.times[real > 0].sum(), work.times[real == 0].sum()) == (2, 10)


@pytest.mark.parametrize("method", METHODS)
def test_other_layers_are_themselves(method):
    rows = [
        layer("dense", (1, 1), (1, 1), (1, 1), (1, 1), 100, 16384, ""),
        layer("conv", (9, 8), (4, 3), (2, 3), (5, 3), 6, 4, "SAME", groups=2),
        layer("conv", (9, 8), (3, 3), (1, 1), (5, 4), 6, 4, "VALID", dilations=(2, 2)),
        layer("conv", (9, 8), (3, 3), (1, 1), (11, 8), 6, 4, "EXPLICIT", before=(2, 1)),
    ]
    work = lower(table(*rows), method)
    assert work.layer.tolist() == [0, 1, 2, 3]
    assert work.times.tolist() == [1] * 4
    assert work.c_in.tolist() == [100, 3, 6, 6]
    assert work.c_out.tolist() == [16384, 2, 4, 4]
    assert work.stride_h.tolist() == [1, 2, 1, 1]
    assert work.dilation_w.tolist() == [1, 1, 2, 1]
    # SAME pads (5-1)*2 + 4 - 9 = 3 rows, one of them above, and one column, none of it left.
    assert [(h.start, w.start) for h, w in work.axes] == [(0, 0), (-1, 0), (0, 0), (-2, -1)]
    assert work.axes[1][0].activations.sum(0).tolist() == [4, 5, 4, 4]


def test_sums_go_to_their_layers():
    work = lower(networks("DCGAN"), "sd_trimmed")
    values = np.arange(2 * len(work)).reshape(2, -1)
    sums = work.per_layer(values)
    assert sums.shape == (2, 4)
    for index in range(4):
        np.testing.assert_array_equal(
            sums[:, index], (values * work.times)[:, work.layer == index].sum(1)
        )


def test_sd_is_zero_insertion_at_stride_one():
    one = table(layer("deconv", (6, 5), (3, 4), (1, 1), (6, 5), 2, 3, before=(1, 1)))
    assert lower(one, "sd").axes == lower(one, "nzp").axes == lower(one, "paper").axes


def test_layer_tables_of_models_lower_too():
    made, published = (
        lower(source, "sd") for source in (sd.networks.layer_table("dcgan"), networks("DCGAN"))
    )
    assert made.axes == published.axes
    assert made.c_out.tolist() == published.c_out.tolist()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "pool"}, "kind pool"),
        ({"groups": 5}, "groups=5"),
        ({"out_h": 0}, "out_h=0"),
        ({"c_in": -3}, "c_in=-3"),
    ],
)
def test_layers_that_cannot_be_lowered_are_named(change, match):
    bad = table({**layer("deconv", (2, 2), (3, 3), (2, 2), (4, 4), 4, 6), "name": "up", **change})
    with refused(match) as caught:
        lower(bad, "sd")
    assert caught.value.where == "layer up"


def test_unknown_methods_and_empty_tables_are_refused():
    with refused("unknown method"):
        lower(networks("DCGAN"), "split")
    with refused("there are no layers"):
        lower(networks("DCGAN").iloc[:0], "sd")

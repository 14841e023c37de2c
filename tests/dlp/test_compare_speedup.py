"""Speedups that follow from arithmetic alone."""

from math import prod

import numpy as np
import pytest

from splitdeconv.dlp.compare import mac_limit, speedup
from tests.dlp.tables import dot_array, networks, systolic
from tests.refusals import refused

NETWORKS = ("DCGAN", "SNGAN", "GP-GAN", "MDE", "FST")


def deconvolutions(name):
    """Lengths, kernel, stride, crop and channels of each, all padded as SAME."""
    for row in networks(name).query("kind == 'deconv'").itertuples():
        yield (row.in_h, row.in_w), row.k_h, row.stride_h, row.before_h, row.c_in, row.c_out


def real(n, k, s, p):
    """Pairs of an input and a tap that meet in an output, along one axis."""
    return sum(0 <= i * s + u - p < n * s for i in range(n) for u in range(k))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_limit_is_inserted_zeros_and_border_left_out(name):
    layers = list(deconvolutions(name))
    inserted = sum(prod(n * s * k for n in sizes) * ci * co for sizes, k, s, _, ci, co in layers)
    needed = sum(
        prod(real(n, k, s, p) for n in sizes) * ci * co for sizes, k, s, p, ci, co in layers
    )
    assert mac_limit(networks(name)) == inserted / needed


def read(n, k, s, p):
    """Pairs of an output and one of ceil(k/s) inputs that its phase's window reaches."""
    windows = (
        (b + (r + p) // s - j for j in range(-(-k // s))) for b in range(n) for r in range(s)
    )
    return sum(0 <= i < n for window in windows for i in window)


@pytest.mark.parametrize("name", NETWORKS)
def test_on_dot_products_speedup_is_the_taps_left_out(name):
    table, array = networks(name), dot_array(16, 16)
    before = dense = extended = trimmed = 0
    for sizes, k, s, p, c_in, c_out in deconvolutions(name):
        tiles = -(-c_in // 16) * -(-c_out // 16)
        before += tiles * prod(n * s * k for n in sizes)
        dense += tiles * prod(n * s * -(-k // s) for n in sizes)
        extended += tiles * prod(read(n, k, s, p) for n in sizes)
        trimmed += tiles * prod(real(n, k, s, p) for n in sizes)
    assert speedup(table, array, "sd") == before / dense
    assert speedup(table, array, "sd", "A") == before / extended
    assert (
        speedup(table, array, "sd_trimmed", "A")
        == speedup(table, array, "nzp", "A")
        == before / trimmed
    )
    assert speedup(table, array, "sd", "WA") == before / trimmed
    # Against a baseline that skips the zeros it inserted, nothing is left to win here.
    assert speedup(table, array, "sd_trimmed", "A", baseline_skip="A") == 1
    assert speedup(table, array, "sd", "A", baseline_skip="A") == trimmed / extended


def test_processors_and_batches_broadcast():
    rows = np.array([[16], [32]])
    found = speedup(networks("SNGAN"), systolic(rows, 8), "sd", "WA", batch=2)
    assert found.shape == (2,)
    expected = [speedup(networks("SNGAN"), systolic(r, 8), "sd", "WA", batch=2) for r in (16, 32)]
    np.testing.assert_array_equal(found, expected)
    assert (found > 1).all()


def test_networks_without_transposed_convolutions_are_refused():
    table = networks("GP-GAN").query("kind == 'conv'")
    for call in (lambda: mac_limit(table), lambda: speedup(table, systolic(4, 4), "sd")):
        with refused("there is nothing to compare"):
            call()
